import { allRead } from "../core/all-read.ts";
import { GatewayError } from "../core/errors.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import type { Timer } from "../tasks/clock.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import type { Budget } from "./budget.ts";
import { Latencies } from "./latency.ts";
import {
	type Call,
	createReporter,
	type Policy,
	type PolicyContext,
	type ReportDecision,
} from "./policy.ts";
import { type Ended, isTimeout, verdictOf } from "./verdict.ts";

export interface HedgeOptions {
	/** Calls slower than this percentile of the upstream's latency get a second attempt. */
	readonly percentile: number;
	/** How many calls are measured before the first second attempt. */
	readonly calls: number;
}

/** The means that hedging takes from its upstream. */
export interface HedgeContext extends PolicyContext {
	readonly budget: Budget;
	/** Whether a call that begins now would be sent at once. A second attempt never waits for a slot. */
	readonly hasFree: () => boolean;
}

/**
 * Makes a second attempt of a call that may be sent twice, if the first takes longer than most. Gives the answer that
 * comes first and aborts the other attempt. A failure of one is not the end while the other runs. The second attempt
 * has the time that the first has left, so that the call takes no longer than it would alone.
 */
export function hedge(options: HedgeOptions, context: HedgeContext): Policy {
	const { percentile, calls, ...unread } = options;
	allRead(unread);
	const report = createReporter("hedge", context);
	const latencies = new Latencies(percentile / 100, calls);
	return (next) =>
		async function callHedged(request, scope) {
			context.budget.earn();
			if (!request.idempotent && !request.safe) return next(request, scope);
			if (scope.cancelled) throw scope.reason;
			return new Hedging({ next, context, report, latencies }, request, scope)
				.answer;
		};
}

interface Hedged {
	readonly next: Call;
	readonly context: HedgeContext;
	readonly report: ReportDecision<"hedge">;
	readonly latencies: Latencies;
}

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
		const { timeoutMs, onAgain } = this.#request;
		if (onAgain?.(true) === false) return;
		const { report, context } = this.#with;
		if (!context.hasFree()) report(this.#request, "no_slot", "slow");
		else if (!context.budget.take()) report(this.#request, "no_budget", "slow");
		else {
			report(this.#request, "attempt", "slow", 2);
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

	/**
	 * Only first attempts are measured. Second ones are made when the upstream is slow, so slow times would count twice.
	 */
	#measure(ended: Ended): void {
		const { latencies } = this.#with;
		const tookMs = this.#scope.clock.now() - this.#beganMs;
		const answered = ended.ok && !verdictOf(ended).fault;
		// An attempt that was aborted, or had no answer in time, took at least so long. That counts if it is slow.
		const atLeast =
			!ended.ok &&
			(isTimeout(ended.error) || this.#over || this.#scope.cancelled);
		const slow = tookMs > (latencies.estimateMs ?? Number.POSITIVE_INFINITY);
		if (answered || (atLeast && slow)) latencies.add(tookMs);
	}

	#judge(ended: Ended, first: boolean): void {
		if (isGood(ended) || this.#scope.cancelled) {
			if (!first) this.#with.report(this.#request, "won", null);
			this.#finish(ended);
		} else if (this.#running.size > 0) this.#failed = ended;
		// We refused this attempt ourselves, so the upstream's answer to the other one says more.
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

/** Why the slower attempt is aborted. Only that attempt sees it. */
const lost = new GatewayError("call_aborted", "the other attempt was answered");

/** An answer that only reports trouble must not come before a good one from the other attempt. */
function isGood(ended: Ended): boolean {
	const { fault, tooMuch } = verdictOf(ended);
	return ended.ok && !fault && !tooMuch;
}
