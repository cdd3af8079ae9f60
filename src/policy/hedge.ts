import { GatewayError } from "../core/errors.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import type { Timer } from "../tasks/clock.ts";
import type { Outcome } from "../tasks/outcome.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import type { Budget } from "./budget.ts";
import { Latencies } from "./latency.ts";
import {
	type Call,
	createTeller,
	type Policy,
	type PolicyPlace,
	type TellDecision,
} from "./policy.ts";
import { isTimeout, verdictOf } from "./verdict.ts";

export interface HedgeOptions {
	/** Calls slower than this percentile of the upstream's latency get a second attempt. */
	readonly percentile: number;
	/** So many calls are measured before any does. */
	readonly calls: number;
}

/** What hedging takes from outside. */
export interface HedgePlace extends PolicyPlace {
	readonly budget: Budget;
	/** Whether a call that begins now would be sent at once: a second attempt waits for nothing. */
	readonly hasFree: () => boolean;
}

/**
 * Makes a second attempt of what may be sent twice where the first takes longer than most do, and gives the answer that
 * comes first; the other attempt is aborted. A failure of one is not the end while the other runs. The second attempt
 * has the time that the first has left, so that the call takes no longer than it would alone.
 */
export function hedge(options: HedgeOptions, place: HedgePlace): Policy {
	const tell = createTeller("hedge", place);
	const latencies = new Latencies(options.percentile / 100, options.calls);
	return (next) =>
		async function callHedged(request, scope) {
			place.budget.earn();
			if (!request.idempotent && !request.safe) return next(request, scope);
			if (scope.cancelled) throw scope.reason;
			return new Hedging({ next, place, tell, latencies }, request, scope)
				.answer;
		};
}

interface Hedged {
	readonly next: Call;
	readonly place: HedgePlace;
	readonly tell: TellDecision<"hedge">;
	readonly latencies: Latencies;
}

type Ended = Outcome<UpstreamResponse>;

/** One call and its one or two attempts. */
class Hedging {
	readonly answer: Promise<UpstreamResponse>;
	readonly #with: Hedged;
	readonly #request: UpstreamRequest;
	readonly #scope: Scope;
	readonly #beganMs: number;
	readonly #end: (ended: Ended) => void;
	readonly #running = new Set<Scope>();
	#timer: Timer | null = null;
	#failed: Ended | null = null;
	#over = false;

	constructor(hedged: Hedged, request: UpstreamRequest, scope: Scope) {
		this.#with = hedged;
		this.#request = { ...request, tried: request.tried ?? [] };
		this.#scope = scope;
		this.#beganMs = scope.clock.now();
		const { promise, resolve, reject } =
			Promise.withResolvers<UpstreamResponse>();
		this.answer = promise;
		this.#end = (ended) =>
			ended.ok ? resolve(ended.value) : reject(ended.error as Error);
		const afterMs = hedged.latencies.estimateMs;
		if (afterMs !== null && afterMs < request.timeoutMs) {
			this.#timer = scope.clock.after(afterMs, () => this.#tryAgain(afterMs));
		}
		void this.#attempt(this.#request, true);
	}

	#tryAgain(afterMs: number): void {
		this.#timer = null;
		const { requestId, timeoutMs } = this.#request;
		const { tell, place } = this.#with;
		if (!place.hasFree()) tell(requestId, "no_place", "slow");
		else if (!place.budget.take()) tell(requestId, "no_budget", "slow");
		else {
			tell(requestId, "attempt", "slow", 2);
			const leftMs = timeoutMs - afterMs;
			void this.#attempt({ ...this.#request, timeoutMs: leftMs }, false);
		}
	}

	async #attempt(request: UpstreamRequest, first: boolean): Promise<void> {
		const scope = openScope({ parent: this.#scope });
		this.#running.add(scope);
		let ended: Ended;
		try {
			ended = { ok: true, value: await this.#with.next(request, scope) };
		} catch (error) {
			ended = { ok: false, error };
		}
		this.#running.delete(scope);
		scope.close();
		if (first) this.#measure(ended);
		if (!this.#over) this.#judge(ended, first);
	}

	/** Only of first attempts: seconds are made where it is slow, and what they take would be counted twice. */
	#measure(ended: Ended): void {
		const { latencies } = this.#with;
		const tookMs = this.#scope.clock.now() - this.#beganMs;
		const answered = ended.ok && !verdictOf(ended).fault;
		// Aborted, or without an answer in time, it took at least so long: that counts where it tells of a slow one.
		const atLeast =
			!ended.ok &&
			(isTimeout(ended.error) || this.#over || this.#scope.cancelled);
		const slow = tookMs > (latencies.estimateMs ?? Number.POSITIVE_INFINITY);
		if (answered || (atLeast && slow)) latencies.add(tookMs);
	}

	#judge(ended: Ended, first: boolean): void {
		if (isGood(ended) || this.#scope.cancelled) {
			if (!first) this.#with.tell(this.#request.requestId, "won", null);
			this.#finish(ended);
		} else if (this.#running.size > 0) this.#failed = ended;
		// Refused by us: what the upstream said of the other attempt tells more.
		else if (this.#failed !== null && !verdictOf(ended).asked) {
			this.#finish(this.#failed);
		} else this.#finish(ended);
	}

	#finish(ended: Ended): void {
		this.#over = true;
		this.#timer?.cancel();
		for (const loser of this.#running) loser.cancel(lost);
		this.#end(ended);
	}
}

/** Why the slower attempt is aborted. Seen by that attempt alone. */
const lost = new GatewayError("internal", "the other attempt was answered");

/** What a service says that cannot answer must not come before the answer of one that can. */
function isGood(ended: Ended): boolean {
	const { fault, tooMuch } = verdictOf(ended);
	return ended.ok && !fault && !tooMuch;
}
