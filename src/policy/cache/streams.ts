import { asGatewayError, GatewayError } from "../../core/errors.ts";
import type { StreamHead } from "../../core/http/messages.ts";
import { isSafe } from "../../core/http/method.ts";
import { openScope, type Scope } from "../../tasks/scope.ts";
import type { StreamPolicy } from "../policy.ts";
import {
	type HeardRequest,
	type PromisedStream,
	waitingPolicy,
} from "../promised.ts";
import { askedHeaders } from "../same-request.ts";
import { codeVerdicts } from "../verdict.ts";
import { keptMeanwhile } from "../waited.ts";
import { withStatus } from "./cache-status.ts";
import { Client } from "./client.ts";
import type { Flight } from "./intake.ts";
import type { Kept } from "./keeper.ts";
import type { KeptBody } from "./kept-body.ts";
import type { Miss, Misses } from "./misses.ts";
import type { Rest } from "./part.ts";
import type { CacheParts } from "./parts.ts";
import { keepWhilePassed, type Passed } from "./passing.ts";
import { failureOf } from "./rules.ts";
import { drain } from "./streamed.ts";
import {
	conditionsFor,
	conditionsOf,
	outdates,
	subjectOf,
} from "./validate.ts";
import { notCached, serves, wantsOnlyKept } from "./wish.ts";

/**
 * The cache of streams: keeps answers to GET while they are passed on. An answer that breaks off or grows too long is
 * not kept. Those who miss the same answer at once wait until the first of them has had it kept. It is read at the
 * upstream's pace then, and to its end, so that neither a slow client nor one that leaves keeps the others waiting.
 */
export function cacheStreams(parts: CacheParts): StreamPolicy {
	return waitingPolicy(
		(next) =>
			async function streamCached(request, scope) {
				if (scope.cancelled) throw scope.reason;
				if (!isSafe(request.method)) {
					return next(changing(parts, request), scope);
				}
				if (!request.cached) return next(request, scope);
				if (request.method !== "GET" && request.method !== "HEAD") {
					return next(saying("fwd=method", request), scope);
				}
				if (request.body !== null) {
					return next(saying("fwd=bypass", request), scope);
				}
				return new Passage(parts, next, request).pass(scope);
			},
	);
}

/** A request whose answer says what the cache has done. */
function saying(said: string, request: HeardRequest): HeardRequest {
	const onHead = (head: StreamHead) => request.onHead(withStatus(head, said));
	return { ...request, onHead };
}

/** A request whose answer drops the answers that it makes old. */
function changing(
	{ intake, report }: CacheParts,
	request: HeardRequest,
): HeardRequest {
	return {
		...request,
		onHead(head) {
			if (intake.change(request.target, head)) {
				report(request, "invalidated", null);
			}
			request.onHead(request.cached ? withStatus(head, "fwd=method") : head);
		},
	};
}

/** Ends the reading of an answer that is not the rest of what is kept. Nobody sees this error. */
const notTheRest = new GatewayError("call_aborted", "it is not the rest");

/** Ends the reading of a failed answer, when a stale one stands in for it. Nobody sees this error. */
const stoodIn = new GatewayError("call_aborted", "a stale answer stands in");

/** The whole of a part that is kept and an answer that has the rest. Null if the answer is about another part. */
function wholeWith(rest: Rest, head: StreamHead): StreamHead | null {
	const { status } = head;
	return status === 206 || status === 416 ? rest.complete(head) : head;
}

/** One request on its way through the cache. */
class Passage {
	readonly #parts: CacheParts;
	readonly #next: PromisedStream;
	readonly #client: Client;
	/** The answer's body, if it may be kept for those who wait. */
	#body: KeptBody | null = null;

	constructor(parts: CacheParts, next: PromisedStream, request: HeardRequest) {
		this.#parts = parts;
		this.#next = next;
		this.#client = new Client(parts, request);
	}

	/** `waited`: another's answer was waited for, so nobody is waited for again. */
	async pass(scope: Scope, waited = false): Promise<void> {
		const client = this.#client;
		const { request, key, wish, range } = client;
		const { keeper, report, upstream } = this.#parts;
		const now = scope.clock.now();
		const kept = keeper.find("sent", key);
		if (wish === "none") return this.#pass(scope, kept, now);
		if (kept !== null && serves(kept, wish, now)) {
			report(request, now < kept.freshUntilMs ? "hit" : "stale", null);
			return client.give(kept, now);
		}
		if (kept && wish === "fresh" && now < kept.whileRevalidateUntilMs) {
			const error = this.#refresh(kept);
			report(request, "stale", error?.code ?? "refreshing");
			return client.give(kept, now);
		}
		if (range !== null && client.givePart(range, now)) {
			return report(request, "hit", null);
		}
		if (wantsOnlyKept(key.headers)) throw notCached(upstream);
		if (client.ranges) return this.#pass(scope, kept, now);
		if (request.method === "HEAD") return this.#fetch(scope, kept);
		const alone = waited || wish !== "fresh";
		const others = alone ? null : this.#others();
		if (others !== null && others.running !== null) {
			return this.#follow(others.running, kept, scope);
		}
		if (kept === null) report(request, "miss", null);
		const miss = this.#asksForAll(kept) ? (others?.begin() ?? null) : null;
		return miss === null
			? this.#fetch(scope, kept)
			: this.#lead(miss, kept, scope);
	}

	/** Asks the upstream for this client alone. */
	#pass(scope: Scope, kept: Kept | null, now: number): Promise<void> {
		const said = `fwd=${this.#client.reason(kept, now)}`;
		const onHead = (head: StreamHead) => this.#client.answer(head, said);
		return this.#next({ ...this.#client.request, onHead }, scope);
	}

	/** What the upstream answers to a condition of the client's alone is for that client alone. */
	#asksForAll(kept: Kept | null): boolean {
		if (this.#client.condition === null) return true;
		return kept !== null && conditionsOf(kept.response.headers).length > 0;
	}

	/** Others who want the same: those that agree in every field, whatever the answer will vary by. */
	#others(): ReturnType<Misses["of"]> {
		const { key: asked, range } = this.#client;
		const key = JSON.stringify([asked.target, askedHeaders(asked), range]);
		return this.#parts.misses.streams.of(key);
	}

	async #follow(miss: Miss, stale: Kept | null, scope: Scope): Promise<void> {
		const reason = this.#client.reason(stale, scope.clock.now());
		try {
			await miss.follow(scope);
		} catch (reason) {
			if (this.#client.standsIn(stale, reason)) return;
			throw reason;
		}
		this.#client.collapsed = reason;
		return this.pass(scope, true);
	}

	/** Asks for all who wait. The call has a lifetime of its own, and this request waits for its end. */
	#lead(miss: Miss, stale: Kept | null, scope: Scope): Promise<void> {
		this.#client.miss = miss;
		return new Promise((resolve, reject) => {
			const stopListening = scope.onCancel((reason) => {
				const stoodIn = this.#client.standsIn(stale, reason);
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

	#refresh(kept: Kept): GatewayError | null {
		const { refreshes, upstream } = this.#parts;
		return refreshes.begin(kept, this.#client.request, async (scope) => {
			let failure: GatewayError | null = null;
			const onHead = ({ status, body }: StreamHead) => {
				failure = failureOf(status, upstream);
				// Only the cache reads it.
				void drain(body);
			};
			// For all, so without the condition of the client that began it.
			const { headers } = this.#client.key;
			const asked = { method: "GET", headers, onHead, onInterim: null };
			const request = { ...this.#client.request, ...asked };
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
		standIn = (error: GatewayError) => this.#client.standIn(kept, error),
	): Promise<void> {
		const { intake, upstream } = this.#parts;
		const conditions = kept
			? conditionsFor(this.#client.condition, kept.response.headers)
			: [];
		const rest = kept === null ? this.#client.rest() : null;
		const scope = openScope({ parent: outer });
		const flight = intake.begin(this.#client.key.target);
		const said = `fwd=${this.#client.reason(kept, flight.askedMs)}`;
		let answered = false;
		let disavowed = false;
		const onHead = (head: StreamHead) => {
			if (kept && head.status === 304 && conditions.length > 0) {
				disavowed = !this.#settle(kept, head, flight, said);
				answered = !disavowed;
				return;
			}
			const whole = rest === null ? head : wholeWith(rest, head);
			disavowed = whole === null;
			if (whole === null) return scope.cancel(notTheRest);
			answered = true;
			const failure = kept && failureOf(head.status, upstream);
			if (failure && standIn(failure)) return scope.cancel(stoodIn);
			if (rest !== null && whole !== head) this.#client.use(rest.part);
			const passed = this.#passing(whole, flight, kept);
			const status = whole === head ? "" : `; fwd-status=${head.status}`;
			const stored = passed.stored ? "; stored" : "";
			this.#client.answer(passed.head, said + status + stored);
		};
		const request = {
			...this.#client.request,
			headers: this.#client.asked(conditions, rest),
			onHead,
			isKept: () => this.#isKept(),
			forAll: rest === null && this.#client.asksForAll,
		};
		try {
			await this.#next(request, scope);
		} catch (thrown) {
			if (thrown === stoodIn) return;
			if (thrown === notTheRest) return this.#askAnew(outer, null);
			if (thrown === keptMeanwhile) return this.pass(outer, true);
			const error = asGatewayError(thrown);
			const instead = !answered && codeVerdicts[error.code].stale;
			if (!instead || !standIn(error)) throw thrown;
		} finally {
			scope.close();
			intake.end(flight);
		}
		if (disavowed) return this.#askAnew(outer, kept);
	}

	/** Asks for the whole, because what is kept is not what the upstream speaks of. */
	#askAnew(outer: Scope, kept: Kept | null): Promise<void> {
		const { keeper } = this.#parts;
		const old = kept ?? keeper.find("part", this.#client.key);
		if (old !== null) keeper.drop(old);
		return this.#fetch(outer, null, () => false);
	}

	#isKept(): boolean {
		const { keeper, clock } = this.#parts;
		const kept = keeper.find("sent", this.#client.key);
		return kept !== null && serves(kept, this.#client.wish, clock.now());
	}

	/** Answers by a 304 to the conditions of both. False if it is about an answer that nobody has. */
	#settle(kept: Kept, head: StreamHead, flight: Flight, said: string): boolean {
		const old = kept.response.headers;
		switch (subjectOf(head.headers, old, this.#client.condition)) {
			case "kept":
				this.#confirm(kept, head, flight, `${said}; fwd-status=304`);
				return true;
			case "copy":
				this.#parts.keeper.drop(kept);
				this.#client.answer(head, said);
				return true;
			case "other":
				return false;
		}
	}

	#confirm(kept: Kept, head: StreamHead, flight: Flight, said: string): void {
		const { intake, report } = this.#parts;
		report(this.#client.request, "revalidated", null);
		const response = intake.confirm(this.#client.key, kept, head, flight);
		this.#client.miss?.end(true);
		this.#client.giveConfirmed(response, said);
	}

	#passing(head: StreamHead, flight: Flight, kept: Kept | null): Passed {
		if (this.#client.request.method === "HEAD") {
			if (kept !== null && outdates(head, kept.response.headers)) {
				this.#parts.keeper.drop(kept);
			}
			return { head, body: null, stored: false };
		}
		const passing = {
			request: this.#client.request,
			key: this.#client.key,
			ranged: this.#client.range !== null,
			miss: this.#client.miss,
		};
		const passed = keepWhilePassed(this.#parts, passing, head, flight);
		this.#body = passed.body;
		return passed;
	}
}
