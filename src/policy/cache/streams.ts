import { asGatewayError, GatewayError } from "../../core/errors.ts";
import type {
	StreamHead,
	StreamRequest,
	UpstreamResponse,
} from "../../core/http/messages.ts";
import { isSafe } from "../../core/http/method.ts";
import { hasContent } from "../../core/http/status.ts";
import { openScope, type Scope } from "../../tasks/scope.ts";
import type { StreamCall, StreamPolicy } from "../policy.ts";
import { askedHeaders } from "../same-request.ts";
import { codeVerdicts, verdictOfStatus } from "../verdict.ts";
import { keptMeanwhile } from "../waited.ts";
import { type Condition, conditionOf, withoutCondition } from "./condition.ts";
import type { Flight } from "./intake.ts";
import type { Kept, Key } from "./keeper.ts";
import { KeptBody } from "./kept-body.ts";
import type { Miss, Misses } from "./misses.ts";
import type { CacheParts } from "./parts.ts";
import { type Range, rangeOf, withoutRange } from "./range.ts";
import { failureOf, withDate } from "./rules.ts";
import { drain, headFrom, isFramed } from "./streamed.ts";
import {
	conditionsFor,
	conditionsOf,
	outdates,
	subjectOf,
} from "./validate.ts";
import { notCached, serves, type Wish, wantsOnlyKept, wishOf } from "./wish.ts";

/**
 * The cache of streams: keeps answers to GET while they are passed on. An answer that breaks off or grows too long is
 * not kept. Those who miss the same answer at once wait until the first of them has had it kept. It is read at the
 * upstream's pace then, and to its end, so that neither a slow client nor one that leaves keeps the others waiting.
 */
export function cacheStreams(parts: CacheParts): StreamPolicy {
	return (next) =>
		async function streamCached(request, scope) {
			if (scope.cancelled) throw scope.reason;
			if (!isSafe(request.method)) {
				return next(changing(parts, request), scope);
			}
			const kept = request.cached && isKept(request.method);
			if (!kept || request.body !== null) return next(request, scope);
			return new Passage(parts, next, request).pass(scope);
		};
}

/** Whether a kept answer may be given to a request of this method. OPTIONS waits for one that is being kept. */
function isKept(method: string): boolean {
	return method === "GET" || method === "HEAD" || method === "OPTIONS";
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
				report(request, "invalidated", null);
			}
			request.onHead(head);
		},
	};
}

/** Ends the reading of a failed answer, when a stale one stands in for it. Nobody sees this error. */
const stoodIn = new GatewayError("call_aborted", "a stale answer stands in");

/** One request on its way through the cache. */
class Passage {
	readonly #parts: CacheParts;
	readonly #next: StreamCall;
	readonly #request: StreamRequest;
	/** The request without its condition. */
	readonly #key: Key;
	/** Null if the client has no copy of its own. */
	readonly #condition: Condition | null;
	/** The part that the client asks for; null for all of it. */
	readonly #range: Range | null;
	readonly #wish: Wish;
	/** Those who wait for the answer to this request; null if it asks for itself alone. */
	#miss: Miss | null = null;
	/** The answer's body, if it may be kept for those who wait. */
	#body: KeptBody | null = null;
	#answered = false;

	constructor(parts: CacheParts, next: StreamCall, request: StreamRequest) {
		const { headers, target, method } = request;
		const range = method === "GET" ? rangeOf(headers) : null;
		const whole = range === null ? headers : withoutRange(headers);
		const asked = withoutCondition(whole);
		this.#parts = parts;
		this.#next = next;
		this.#request = request;
		this.#key = { method: "GET", target, headers: asked, body: null };
		this.#condition = conditionOf(headers);
		this.#range = range;
		this.#wish = method === "OPTIONS" ? "none" : wishOf(asked);
	}

	/** `waited`: another's answer was waited for, so nobody is waited for again. */
	async pass(scope: Scope, waited = false): Promise<void> {
		const { method } = this.#request;
		const { keeper, report } = this.#parts;
		if (this.#wish === "none") return this.#pass(scope, "fwd=bypass");
		const now = scope.clock.now();
		const kept = keeper.find("sent", this.#key);
		if (kept !== null && serves(kept, this.#wish, now)) {
			report(this.#request, now < kept.freshUntilMs ? "hit" : "stale", null);
			return this.#give(kept, now);
		}
		if (
			kept &&
			this.#range === null &&
			this.#wish === "fresh" &&
			now < kept.whileRevalidateUntilMs
		) {
			const error = this.#refresh(kept);
			report(this.#request, "stale", error?.code ?? "refreshing");
			return this.#give(kept, now);
		}
		if (wantsOnlyKept(this.#key.headers)) throw notCached(this.#parts.upstream);
		if (this.#range !== null) return this.#pass(scope, forwarded(kept, now));
		if (method === "HEAD") return this.#fetch(scope, kept);
		const others = waited || this.#wish !== "fresh" ? null : this.#others();
		if (others !== null && others.running !== null) {
			return this.#follow(others.running, kept, scope);
		}
		if (kept === null) report(this.#request, "miss", null);
		const miss = this.#asksForAll(kept) ? (others?.begin() ?? null) : null;
		return miss === null
			? this.#fetch(scope, kept)
			: this.#lead(miss, kept, scope);
	}

	/** Asks the upstream for this client alone. */
	#pass(scope: Scope, said: string): Promise<void> {
		const onHead = (head: StreamHead) => this.#answer(head, said);
		return this.#next({ ...this.#request, onHead }, scope);
	}

	/** What the upstream answers to a condition of the client's alone is for that client alone. */
	#asksForAll(kept: Kept | null): boolean {
		if (this.#condition === null) return true;
		return kept !== null && conditionsOf(kept.response.headers).length > 0;
	}

	/** Others who want the same: those that agree in every field, whatever the answer will vary by. */
	#others(): ReturnType<Misses["of"]> {
		const { target } = this.#key;
		const key = JSON.stringify([target, askedHeaders(this.#key)]);
		return this.#parts.misses.streams.of(key);
	}

	async #follow(miss: Miss, stale: Kept | null, scope: Scope): Promise<void> {
		try {
			await miss.follow(scope);
		} catch (reason) {
			if (this.#standsIn(stale, reason)) return;
			throw reason;
		}
		return this.pass(scope, true);
	}

	/** Asks for all who wait. The call has a lifetime of its own, and this request waits for its end. */
	#lead(miss: Miss, stale: Kept | null, scope: Scope): Promise<void> {
		this.#miss = miss;
		return new Promise((resolve, reject) => {
			const stopListening = scope.onCancel((reason) => {
				const stoodIn = this.#standsIn(stale, reason);
				miss.leave(reason);
				if (stoodIn) resolve();
				else reject(reason as Error);
			});
			this.#fetch(miss.scope, stale).then(
				() => {
					stopListening();
					miss.scope.close();
					// All of it is here by now, however slowly the client reads.
					if (this.#body === null) miss.end(true);
					else void this.#body.hurry();
					resolve();
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

	/** Answers with what is kept, or 304 if the client has it. */
	#give(kept: Kept, now: number, said = "hit"): void {
		const { response, bornMs, freshUntilMs } = kept;
		const { method } = this.#request;
		this.#use(response);
		const ageMs = now - bornMs;
		this.#answer(
			headFrom(response, ageMs, method, this.#condition, this.#range),
			`${said}; ttl=${Math.floor((freshUntilMs - now) / 1000)}`,
		);
	}

	/** Gives a stale answer instead of a failure, if its time for that is not over. */
	#standIn(kept: Kept | null, { code }: GatewayError): boolean {
		const now = this.#parts.clock.now();
		const late = now >= (kept?.ifErrorUntilMs ?? 0);
		if (kept === null || late || this.#wish !== "fresh") return false;
		if (this.#miss?.left) return false;
		this.#parts.report(this.#request, "stale", code);
		this.#give(kept, now, "fwd=stale");
		return true;
	}

	/** As `standIn`, for any failure before there is a head. */
	#standsIn(kept: Kept | null, thrown: unknown): boolean {
		const error = asGatewayError(thrown);
		if (this.#answered || !codeVerdicts[error.code].stale) return false;
		return this.#standIn(kept, error);
	}

	#refresh(kept: Kept): GatewayError | null {
		const { refreshes, upstream } = this.#parts;
		return refreshes.begin(kept, this.#request, async (scope) => {
			let failure: GatewayError | null = null;
			const onHead = ({ status, body }: StreamHead) => {
				failure = failureOf(status, upstream);
				// Only the cache reads it.
				void drain(body);
			};
			// For all, so without the condition of the client that began it.
			const { headers } = this.#key;
			const asked = { method: "GET", headers, onHead, onInterim: null };
			const request = { ...this.#request, ...asked };
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
		standIn = (error: GatewayError) => this.#standIn(kept, error),
	): Promise<void> {
		const { intake, keeper, upstream } = this.#parts;
		const { target, headers } = this.#request;
		const conditions = kept
			? conditionsFor(this.#condition, kept.response.headers)
			: [];
		const scope = openScope({ parent: outer });
		const flight = intake.begin(target);
		const said = forwarded(kept, flight.askedMs);
		let answered = false;
		let disavowed = false;
		const onHead = (head: StreamHead) => {
			if (kept && head.status === 304 && conditions.length > 0) {
				disavowed = !this.#settle(kept, head, flight, said);
				answered = !disavowed;
				return;
			}
			answered = true;
			const failure = kept && failureOf(head.status, upstream);
			if (failure && standIn(failure)) return scope.cancel(stoodIn);
			this.#answer(this.#passing(head, flight, kept), said);
		};
		const request = {
			...this.#request,
			headers:
				conditions.length > 0 ? [...this.#key.headers, ...conditions] : headers,
			onHead,
			isKept: () => this.#isKept(),
		};
		try {
			await this.#next(request, scope);
		} catch (thrown) {
			if (thrown === stoodIn) return;
			if (thrown === keptMeanwhile) return this.pass(outer, true);
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

	#isKept(): boolean {
		const { keeper, clock } = this.#parts;
		const kept = keeper.find("sent", this.#key);
		return kept !== null && serves(kept, this.#wish, clock.now());
	}

	/** Answers by a 304 to the conditions of both. False if it is about an answer that nobody has. */
	#settle(kept: Kept, head: StreamHead, flight: Flight, said: string): boolean {
		const old = kept.response.headers;
		switch (subjectOf(head.headers, old, this.#condition)) {
			case "kept":
				this.#confirm(kept, head, flight, `${said}; fwd-status=304`);
				return true;
			case "copy":
				this.#parts.keeper.drop(kept);
				this.#answer(head, said);
				return true;
			case "other":
				return false;
		}
	}

	#confirm(kept: Kept, head: StreamHead, flight: Flight, said: string): void {
		const { intake, report } = this.#parts;
		const { method } = this.#request;
		report(this.#request, "revalidated", null);
		const response = intake.confirm(this.#key, kept, head, flight);
		this.#miss?.end(true);
		this.#use(response);
		this.#answer(headFrom(response, 0, method, this.#condition), said);
	}

	/** What the cache keeps is not copied for each client. */
	#use({ decoded }: UpstreamResponse): void {
		if (decoded) this.#request.memory?.useAsAnswer(decoded.memory);
	}

	/** Only others wait for the answer if the client has left. `said` is how the cache has handled it (RFC 9211). */
	#answer({ status, headers, body }: StreamHead, said: string | null): void {
		if (this.#miss?.left) return;
		this.#answered = true;
		const told = said === null ? [] : ["cache-status", `sluice; ${said}`];
		this.#request.onHead({ status, headers: [...headers, ...told], body });
	}

	#passing(head: StreamHead, flight: Flight, kept: Kept | null): StreamHead {
		if (this.#request.method !== "HEAD") return this.#keeping(head, flight);
		if (kept !== null && outdates(head, kept.response.headers)) {
			this.#parts.keeper.drop(kept);
		}
		return head;
	}

	/** The same answer; once the last byte of its body has been read it is kept, unless it had grown too long by then. */
	#keeping(head: StreamHead, flight: Flight): StreamHead {
		const { intake, memory } = this.#parts;
		const { status } = head;
		const headers = withDate(head.headers);
		const bounds = {
			bytesMax: intake.answerBytesMax,
			memory,
			request: this.#request.memory ?? null,
		};
		const miss = this.#miss;
		const fails = verdictOfStatus(status).stale;
		if (!isFramed(head)) {
			miss?.end(false);
			return head;
		}
		const body = new KeptBody(head.body, bounds, {
			keep: (bytes) => {
				const response = { status, headers, body: bytes };
				intake.take("sent", this.#key, response, flight);
			},
			onOver: (long) => miss?.end(!long),
		});
		if (miss === null) return { status, headers, body };
		this.#body = body;
		const dated = { status, headers };
		if (!intake.willServe(this.#key, dated, body.length)) miss.end(fails);
		else if (miss.followed || !hasContent(status)) void body.hurry();
		else miss.onFollowed = () => void body.hurry();
		return { status, headers, body };
	}
}

/** Why a request goes on to the upstream (RFC 9211, 2.2). */
function forwarded(kept: Kept | null, now: number): string {
	if (kept === null) return "fwd=miss";
	return now < kept.freshUntilMs ? "fwd=request" : "fwd=stale";
}
