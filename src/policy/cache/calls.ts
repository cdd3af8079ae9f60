import { asGatewayError, type GatewayError } from "../../core/errors.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../../core/http/messages.ts";
import type { Call, CallEnd, Policy } from "../policy.ts";
import { PolicyEnd } from "../policy-end.ts";
import { promised } from "../promised.ts";
import { sameRequestKey } from "../same-request.ts";
import { codeVerdicts, verdictOfStatus } from "../verdict.ts";
import { keptMeanwhile } from "../waited.ts";
import { type Asking, validating } from "./fetching.ts";
import type { Kept } from "./keeper.ts";
import type { Miss } from "./misses.ts";
import type { CacheParts } from "./parts.ts";
import { failureOf } from "./rules.ts";
import { staleOf } from "./trial.ts";
import { notCached, serves, type Wish, wantsOnlyKept, wishOf } from "./wish.ts";

/** The cache of calls: their answers are whole and decoded. */
export function cacheCalls(parts: CacheParts): Policy {
	return (next) =>
		function callCached(request, scope, ended) {
			if (scope.cancelled) throw scope.reason;
			const asking = { next, request, scope, ended };
			if (request.safe) answer(parts, asking);
			else new EndOfChange(parts, request, ended).begin(next, request, scope);
		};
}

/** A call that may change something, and then drops the answers that it makes old. */
class EndOfChange extends PolicyEnd {
	readonly #parts: CacheParts;
	readonly #request: UpstreamRequest;

	constructor(parts: CacheParts, request: UpstreamRequest, outer: CallEnd) {
		super(outer);
		this.#parts = parts;
		this.#request = request;
	}

	protected override onAnswered(response: UpstreamResponse): UpstreamResponse {
		const { intake, report } = this.#parts;
		if (intake.change(this.#request.target, response)) {
			report(this.#request, "invalidated", null);
		}
		return response;
	}
}

/** What a call has that has waited for another's answer: that one, if it was kept. It waits for nobody again. */
interface Waited {
	readonly kept: Kept | null;
}

/** Answers a call with what is kept, or asks. */
function answer(
	parts: CacheParts,
	asking: Asking,
	waited: Waited | null = null,
): void {
	const { next, request, scope, ended } = asking;
	const { report } = parts;
	const wish = wishOf(request.headers);
	if (wish === "none") {
		next(request, scope, ended);
		return;
	}
	// Whoever asked for it may have found it useless already. All who waited for it get it, because each judges by itself.
	const kept = waited?.kept ?? parts.keeper.find("decoded", request);
	const given = givenOf(parts, asking, kept, wish);
	if (given !== null) {
		ended.answered(given);
		return;
	}
	if (wantsOnlyKept(request.headers)) throw notCached(parts.upstream);
	const mayWait = waited === null && wish === "fresh";
	const others = mayWait ? othersOf(parts, request) : null;
	const end = new EndOfAsking(parts, asking, kept, wish);
	const running = others?.running ?? null;
	if (running !== null) {
		end.begin(following(parts, next, running), request, scope);
		return;
	}
	if (kept === null) report(request, "miss", null);
	const miss = others?.begin() ?? null;
	const call = validating(parts, next, kept);
	end.begin(miss === null ? call : leading(parts, call, miss), request, scope);
}

/** The answer that is kept for this call, if it may be given now; else null. */
function givenOf(
	parts: CacheParts,
	{ next, request, scope }: Asking,
	kept: Kept | null,
	wish: Wish,
): UpstreamResponse | null {
	const { keeper, report } = parts;
	const now = scope.clock.now();
	if (kept !== null && serves(kept, wish, now)) {
		const isFresh = now < kept.freshUntilMs;
		report(request, isFresh ? "hit" : "stale", null);
		return isFresh ? kept.response : staleOf(kept, null);
	}
	const whole =
		request.method === "HEAD" ? keeper.find("decoded", request, "GET") : null;
	if (whole !== null && serves(whole, wish, now)) {
		report(request, "hit", null);
		return headOf(whole.response);
	}
	if (kept !== null && wish === "fresh" && now < kept.whileRevalidateUntilMs) {
		const error = refresh(parts, next, request, kept);
		report(request, "stale", error?.code ?? "refreshing");
		return staleOf(kept, error);
	}
	return null;
}

/** Others who want the same: those that agree in everything, whatever the answer will vary by. */
function othersOf({ misses }: CacheParts, request: UpstreamRequest) {
	return misses.calls && misses.calls.of(sameRequestKey(request));
}

/** Waits for the answer to another request, and then looks once more. */
function following(parts: CacheParts, next: Call, running: Miss): Call {
	return (request, scope, ended) => {
		const look = (kept: Kept | null) => {
			const again = lookingAgain(parts, next, { kept });
			new PolicyEnd(ended).begin(again, request, scope);
		};
		running.follow(scope).then(look, (reason: unknown) => ended.failed(reason));
	};
}

/** Others have the answer by now, or it is not to be had from the cache. */
function lookingAgain(parts: CacheParts, next: Call, waited: Waited): Call {
	return (request, scope, ended) => {
		if (scope.cancelled) throw scope.reason;
		answer(parts, { next, request, scope, ended }, waited);
	};
}

/** Asks for all who wait. The call has a lifetime of its own, and this request waits for its end. */
function leading(parts: CacheParts, call: Call, miss: Miss): Call {
	return (request, scope, ended) => {
		const stopListening = scope.onCancel((reason) => {
			miss.leave(reason);
			ended.failed(reason);
		});
		const end = new EndOfMiss(parts, request, miss, stopListening, ended);
		// Whoever has left hears no more of it.
		const onSent = () => miss.left || request.onSent?.();
		const asked = request.onSent === null ? request : { ...request, onSent };
		end.begin(call, asked, miss.scope);
	};
}

/** The end for which all wait who miss the same. The request that asked may have left before. */
class EndOfMiss extends PolicyEnd {
	readonly #parts: CacheParts;
	readonly #request: UpstreamRequest;
	readonly #miss: Miss;
	readonly #stopListening: () => void;

	constructor(
		parts: CacheParts,
		request: UpstreamRequest,
		miss: Miss,
		stopListening: () => void,
		outer: CallEnd,
	) {
		super(outer);
		this.#parts = parts;
		this.#request = request;
		this.#miss = miss;
		this.#stopListening = stopListening;
	}

	protected override onAnswered(response: UpstreamResponse): UpstreamResponse {
		const served = this.#parts.keeper.find("decoded", this.#request);
		const fails = verdictOfStatus(response.status).stale;
		const isKept = served?.response === response;
		this.#end(fails || isKept, isKept ? served : null);
		return response;
	}

	protected override onFailed(error: unknown): never {
		this.#end(true);
		throw error;
	}

	#end(passing: boolean, kept: Kept | null = null): void {
		this.#stopListening();
		this.#miss.scope.close();
		this.#miss.end(passing, kept);
	}
}

/** The end of asking the upstream, or of waiting for another request. If that fails, the kept answer may stand in. */
class EndOfAsking extends PolicyEnd {
	readonly #parts: CacheParts;
	readonly #asking: Asking;
	readonly #kept: Kept | null;
	readonly #wish: Wish;

	constructor(
		parts: CacheParts,
		asking: Asking,
		kept: Kept | null,
		wish: Wish,
	) {
		super(asking.ended);
		this.#parts = parts;
		this.#asking = asking;
		this.#kept = kept;
		this.#wish = wish;
	}

	override failed(error: unknown): void {
		// Its request may have left meanwhile, and heard of that.
		if (error !== keptMeanwhile || this.over) {
			super.failed(error);
			return;
		}
		const { next, request, scope } = this.#asking;
		const end = new PolicyEnd(this.outer);
		const again = lookingAgain(this.#parts, next, { kept: null });
		end.begin(again, request, scope);
	}

	protected override onAnswered(response: UpstreamResponse): UpstreamResponse {
		const failure = failureOf(response.status, this.#parts.upstream);
		return (failure && this.#standIn(failure)) ?? response;
	}

	protected override onFailed(thrown: unknown): UpstreamResponse {
		const error = asGatewayError(thrown);
		const instead = codeVerdicts[error.code].stale
			? this.#standIn(error)
			: null;
		if (instead === null) throw thrown;
		return instead;
	}

	#standIn(error: GatewayError): UpstreamResponse | null {
		const kept = this.#kept;
		const { request, scope } = this.#asking;
		const late = scope.clock.now() >= (kept?.ifErrorUntilMs ?? 0);
		if (kept === null || this.#wish !== "fresh" || late) return null;
		this.#parts.report(request, "stale", error.code);
		return staleOf(kept, error);
	}
}

function refresh(
	parts: CacheParts,
	next: Call,
	request: UpstreamRequest,
	kept: Kept,
): GatewayError | null {
	const ask = promised(validating(parts, next, kept));
	return parts.refreshes.begin(kept, request, async (scope) => {
		// The client that began it is answered already, so nobody needs to know when the call is sent.
		const { status } = await ask({ ...request, onSent: null }, scope);
		return failureOf(status, parts.upstream);
	});
}

const noBody = new Uint8Array();

/** RFC 9110, 9.3.2: the answer to GET, without its body. */
function headOf({
	status,
	headers,
	freshness,
}: UpstreamResponse): UpstreamResponse {
	const head = { status, headers, body: noBody };
	return freshness ? { ...head, freshness } : head;
}
