import { asGatewayError, GatewayError } from "../../core/errors.ts";
import { allHeadersOf, headersWithout } from "../../core/http/headers.ts";
import type { StreamHead, StreamRequest } from "../../core/http/messages.ts";
import { isSafe } from "../../core/http/method.ts";
import { openScope, type Scope } from "../../tasks/scope.ts";
import type { StreamCall, StreamPolicy } from "../policy.ts";
import { codeVerdicts } from "../verdict.ts";
import type { Flight } from "./intake.ts";
import type { Kept, Key } from "./keeper.ts";
import type { CacheParts } from "./parts.ts";
import { failureOf } from "./rules.ts";
import { drain, headFrom, teed } from "./streamed.ts";
import { conditionsOf, confirms } from "./validate.ts";
import { serves, type Wish, wishOf } from "./wish.ts";

/**
 * The cache of streams: keeps answers to GET while they are passed on. Nothing waits for the cache, and an answer that
 * breaks off, is left or grows too long is not kept. Each client has a stream of its own, so that none that leaves ends
 * another's.
 */
export function cacheStreams(parts: CacheParts): StreamPolicy {
	return (next) =>
		async function streamCached(request, scope) {
			if (scope.cancelled) throw scope.reason;
			if (!isSafe(request.method)) {
				return next(changing(parts, request), scope);
			}
			if (!request.cached || request.body !== null) return next(request, scope);
			return new Passage(parts, next, request).pass(scope);
		};
}

/** A request whose answer drops the answers that it makes old. */
function changing(
	{ intake, report }: CacheParts,
	request: StreamRequest,
): StreamRequest {
	return {
		...request,
		onHead(head) {
			if (intake.change(request.target, head)) {
				report(request.requestId, "invalidated", null);
			}
			request.onHead(head);
		},
	};
}

/** Ends the reading of a failed answer, when a stale one stands in for it. Nobody sees this error. */
const stoodIn = new GatewayError("internal", "a stale answer stands in");

/** One request on its way through the cache. */
class Passage {
	readonly #parts: CacheParts;
	readonly #next: StreamCall;
	readonly #request: StreamRequest;
	/** The request without its condition. */
	readonly #key: Key;
	/** The client's own `If-None-Match`, or null. */
	readonly #known: string | null;
	readonly #wish: Wish;

	constructor(parts: CacheParts, next: StreamCall, request: StreamRequest) {
		const { headers, target } = request;
		const known = allHeadersOf(headers, "if-none-match");
		const asked = headersWithout(headers, (name) => name === "if-none-match");
		this.#parts = parts;
		this.#next = next;
		this.#request = request;
		this.#key = { method: "GET", target, headers: asked, body: null };
		this.#known = known.length > 0 ? known.join(",") : null;
		this.#wish = request.method === "OPTIONS" ? "none" : wishOf(asked);
	}

	async pass(scope: Scope): Promise<void> {
		const { requestId, method } = this.#request;
		const { keeper, report } = this.#parts;
		if (this.#wish === "none") return this.#next(this.#request, scope);
		const now = scope.clock.now();
		const kept = keeper.find("sent", this.#key);
		if (kept !== null && serves(kept, this.#wish, now)) {
			report(requestId, "hit", null);
			return this.#give(kept, now);
		}
		if (method === "HEAD") return this.#next(this.#request, scope);
		// A client with a condition of its own is answered by the upstream itself.
		const asksAnew = this.#wish === "fresh" && this.#known === null;
		if (kept && asksAnew && now < kept.whileRevalidateUntilMs) {
			const error = this.#refresh(kept);
			report(requestId, "stale", error?.code ?? "refreshing");
			return this.#give(kept, now);
		}
		if (kept === null) report(requestId, "miss", null);
		const stale = asksAnew ? kept : null;
		return this.#fetch(scope, stale, (error) => this.#standIn(stale, error));
	}

	/** Answers with what is kept, or 304 if the client has it. */
	#give({ response, bornMs }: Kept, now: number): void {
		const { method, onHead } = this.#request;
		onHead(headFrom(response, now - bornMs, method, this.#known));
	}

	/** Gives a stale answer instead of a failure, if its time for that is not over. */
	#standIn(kept: Kept | null, { code }: GatewayError): boolean {
		const now = this.#parts.clock.now();
		if (kept === null || now >= kept.ifErrorUntilMs) return false;
		this.#parts.report(this.#request.requestId, "stale", code);
		this.#give(kept, now);
		return true;
	}

	#refresh(kept: Kept): GatewayError | null {
		const { refreshes, upstream } = this.#parts;
		return refreshes.begin(kept, this.#request.requestId, async (scope) => {
			let failure: GatewayError | null = null;
			const onHead = ({ status, body }: StreamHead) => {
				failure = failureOf(status, upstream);
				// Only the cache reads it.
				void drain(body);
			};
			const request = { ...this.#request, onHead };
			const alone = new Passage(this.#parts, this.#next, request);
			await alone.#fetch(scope, kept, () => false);
			return failure;
		});
	}

	/**
	 * Asks the upstream, or lets it confirm the kept answer. `standIn` may answer instead of a failure, before there is a
	 * head.
	 */
	async #fetch(
		outer: Scope,
		kept: Kept | null,
		standIn: (error: GatewayError) => boolean,
	): Promise<void> {
		const { intake, keeper, upstream } = this.#parts;
		const { target, headers } = this.#request;
		const conditions = kept ? conditionsOf(kept.response.headers) : [];
		const scope = openScope({ parent: outer });
		const flight = intake.begin(target);
		let answered = false;
		let disavowed = false;
		const onHead = (head: StreamHead) => {
			if (kept && head.status === 304 && conditions.length > 0) {
				disavowed = !confirms(head.headers, kept.response.headers);
				answered = !disavowed;
				if (answered) this.#confirm(kept, head, flight);
				return;
			}
			answered = true;
			const failure = kept && failureOf(head.status, upstream);
			if (failure && standIn(failure)) return scope.cancel(stoodIn);
			this.#request.onHead(this.#keeping(head, flight));
		};
		const request = {
			...this.#request,
			headers: conditions.length > 0 ? [...headers, ...conditions] : headers,
			onHead,
		};
		try {
			await this.#next(request, scope);
		} catch (thrown) {
			if (thrown === stoodIn) return;
			const error = asGatewayError(thrown);
			const instead = !answered && codeVerdicts[error.code].stale;
			if (!instead || !standIn(error)) throw thrown;
		} finally {
			scope.close();
			intake.end(flight);
		}
		if (!disavowed || kept === null) return;
		keeper.drop(kept);
		return this.#fetch(outer, null, () => false);
	}

	#confirm(kept: Kept, head: StreamHead, flight: Flight): void {
		const { intake, report } = this.#parts;
		const { requestId, method, onHead } = this.#request;
		report(requestId, "revalidated", null);
		const response = intake.confirm(this.#key, kept, head, flight);
		onHead(headFrom(response, 0, method, this.#known));
	}

	/** The same answer; once the last byte of its body has been read it is kept, unless it had grown too long by then. */
	#keeping(head: StreamHead, flight: Flight): StreamHead {
		const { intake } = this.#parts;
		const body = teed(head, intake.answerBytesMax, (bytes) => {
			const { status, headers } = head;
			const response = { status, headers, body: bytes };
			intake.take("sent", this.#key, response, flight);
		});
		return { ...head, body };
	}
}
