import { asGatewayError, type GatewayError } from "../../core/errors.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../../core/http/messages.ts";
import type { Scope } from "../../tasks/scope.ts";
import type { Call, Policy } from "../policy.ts";
import { sameRequestKey } from "../same-request.ts";
import { codeVerdicts, verdictOfStatus } from "../verdict.ts";
import { keptMeanwhile } from "../waited.ts";
import type { Kept } from "./keeper.ts";
import type { Miss } from "./misses.ts";
import type { CacheParts } from "./parts.ts";
import { failureOf } from "./rules.ts";
import { staleOf } from "./trial.ts";
import { conditionsOf, confirms } from "./validate.ts";
import { notCached, serves, type Wish, wantsOnlyKept, wishOf } from "./wish.ts";

/** The cache of calls: their answers are whole and decoded. */
export function cacheCalls(parts: CacheParts): Policy {
	return (next) => (request, scope) =>
		callCached(parts, { next, request, scope });
}

/** One call, and how it asks. */
interface Asking {
	readonly next: Call;
	readonly request: UpstreamRequest;
	readonly scope: Scope;
}

async function callCached(
	parts: CacheParts,
	asking: Asking,
	waited = false,
): Promise<UpstreamResponse> {
	const { next, request, scope } = asking;
	const { keeper, report } = parts;
	if (scope.cancelled) throw scope.reason;
	if (!request.safe) return change(parts, asking);
	const wish = wishOf(request.headers);
	if (wish === "none") return next(request, scope);
	const now = scope.clock.now();
	const kept = keeper.find("decoded", request);
	if (kept !== null && serves(kept, wish, now)) {
		if (now < kept.freshUntilMs) {
			report(request, "hit", null);
			return kept.response;
		}
		report(request, "stale", null);
		return staleOf(kept, null);
	}
	const whole =
		request.method === "HEAD" ? keeper.find("decoded", request, "GET") : null;
	if (whole !== null && serves(whole, wish, now)) {
		report(request, "hit", null);
		return headOf(whole.response);
	}
	if (kept !== null && wish === "fresh" && now < kept.whileRevalidateUntilMs) {
		const error = refresh(parts, asking, kept);
		report(request, "stale", error?.code ?? "refreshing");
		return staleOf(kept, error);
	}
	if (wantsOnlyKept(request.headers)) {
		throw notCached(parts.upstream);
	}
	const others = waited || wish !== "fresh" ? null : othersOf(parts, request);
	const running = others?.running ?? null;
	if (running !== null) {
		return ask(parts, asking, kept, wish, async () => {
			await running.follow(scope);
			return callCached(parts, asking, true);
		});
	}
	if (kept === null) report(request, "miss", null);
	const miss = others?.begin() ?? null;
	return ask(parts, asking, kept, wish, () =>
		miss === null
			? validate(parts, asking, kept)
			: lead(parts, asking, kept, miss),
	);
}

/** Others who want the same: those that agree in everything, whatever the answer will vary by. */
function othersOf({ misses }: CacheParts, request: UpstreamRequest) {
	return misses.calls && misses.calls.of(sameRequestKey(request));
}

/** Asks for all who wait. The call has a lifetime of its own, and this request waits for its end. */
function lead(
	parts: CacheParts,
	asking: Asking,
	kept: Kept | null,
	miss: Miss,
): Promise<UpstreamResponse> {
	const { request, scope } = asking;
	return new Promise((resolve, reject) => {
		const stopListening = scope.onCancel((reason) => {
			miss.leave(reason);
			reject(reason as Error);
		});
		validate(parts, { ...asking, scope: miss.scope }, kept).then(
			(response) => {
				stopListening();
				miss.scope.close();
				const served = parts.keeper.find("decoded", request);
				const fails = verdictOfStatus(response.status).stale;
				miss.end(fails || served?.response === response);
				resolve(response);
			},
			(error: unknown) => {
				stopListening();
				miss.scope.close();
				miss.end(true);
				reject(error as Error);
			},
		);
	});
}

async function change(
	{ intake, report }: CacheParts,
	{ next, request, scope }: Asking,
): Promise<UpstreamResponse> {
	const response = await next(request, scope);
	if (intake.change(request.target, response)) {
		report(request, "invalidated", null);
	}
	return response;
}

/** The answer of the upstream, or of another request. If that fails, the kept answer may stand in. */
async function ask(
	parts: CacheParts,
	asking: Asking,
	kept: Kept | null,
	wish: Wish,
	answered: () => Promise<UpstreamResponse>,
): Promise<UpstreamResponse> {
	const standIn = (error: GatewayError) => {
		const late = asking.scope.clock.now() >= (kept?.ifErrorUntilMs ?? 0);
		if (kept === null || wish !== "fresh" || late) return null;
		parts.report(asking.request, "stale", error.code);
		return staleOf(kept, error);
	};
	try {
		const response = await answered();
		const failure = failureOf(response.status, parts.upstream);
		return (failure && standIn(failure)) ?? response;
	} catch (thrown) {
		if (thrown === keptMeanwhile) return callCached(parts, asking, true);
		const error = asGatewayError(thrown);
		const instead = codeVerdicts[error.code].stale ? standIn(error) : null;
		if (instead === null) throw thrown;
		return instead;
	}
}

function refresh(
	parts: CacheParts,
	{ next, request }: Asking,
	kept: Kept,
): GatewayError | null {
	return parts.refreshes.begin(kept, request, async (scope) => {
		// The client that began it is answered already, so nobody needs to know when the call is sent.
		const asking = { next, request: { ...request, onSent: null }, scope };
		const { status } = await validate(parts, asking, kept);
		return failureOf(status, parts.upstream);
	});
}

/** Keeps a new answer. Gives the kept one, newly dated, if the upstream confirms it. */
async function validate(
	parts: CacheParts,
	asking: Asking,
	kept: Kept | null,
): Promise<UpstreamResponse> {
	const conditions = kept ? conditionsOf(kept.response.headers) : [];
	if (kept === null || conditions.length === 0) return fetch(parts, asking);
	const confirmed = await fetch(parts, asking, { kept, conditions });
	if (confirmed.status !== 304) return confirmed;
	// The 304 is about another answer than ours.
	parts.keeper.drop(kept);
	return fetch(parts, asking);
}

/** The answer to be confirmed, and the fields that ask for it. */
interface Doubt {
	readonly kept: Kept;
	readonly conditions: readonly string[];
}

async function fetch(
	{ keeper, intake, report }: CacheParts,
	{ next, request, scope }: Asking,
	doubt: Doubt | null = null,
): Promise<UpstreamResponse> {
	const flight = intake.begin(request.target);
	const isKept = () => {
		const kept = keeper.find("decoded", request);
		const wish = wishOf(request.headers);
		return kept !== null && serves(kept, wish, scope.clock.now());
	};
	try {
		const headers = doubt
			? [...request.headers, ...doubt.conditions]
			: request.headers;
		const response = await next({ ...request, headers, isKept }, scope);
		const kept = keeper.find("decoded", request);
		if (kept?.origin === response) return kept.response;
		if (doubt === null || response.status !== 304) {
			return intake.take("decoded", request, response, flight);
		}
		if (!confirms(response.headers, doubt.kept.response.headers)) {
			return response;
		}
		report(request, "revalidated", null);
		return intake.confirm(request, doubt.kept, response, flight);
	} finally {
		intake.end(flight);
	}
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
