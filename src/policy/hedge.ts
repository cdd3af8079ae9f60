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
	type CallEnd,
	createReporter,
	type Policy,
	type PolicyContext,
	type ReportDecision,
} from "./policy.ts";
import { PolicyEnd } from "./policy-end.ts";
import { type Ended, isTimeout, settle, verdictOf } from "./verdict.ts";

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
		function callHedged(request, scope, ended) {
			context.budget.earn();
			if (!request.idempotent && !request.safe) {
				next(request, scope, ended);
				return;
			}
			if (scope.cancelled) throw scope.reason;
			const hedged = { next, context, report, latencies };
			new Hedging(hedged, request, scope, ended).begin();
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
	readonly #with: Hedged;
	readonly #request: UpstreamRequest;
	readonly #scope: Scope;
	readonly #ended: CallEnd;
	readonly #beganMs: number;
	readonly #running = new Set<HedgedAttempt>();
	#timer: Timer | null = null;
	#failed: Ended | null = null;
	#over = false;

	constructor(
		hedged: Hedged,
		request: UpstreamRequest,
		scope: Scope,
		ended: CallEnd,
	) {
		this.#with = hedged;
		this.#request = { ...request, tried: request.tried ?? [] };
		this.#scope = scope;
		this.#ended = ended;
		this.#beganMs = scope.clock.now();
	}

	begin(): void {
		const { latencies } = this.#with;
		const { timeoutMs } = this.#request;
		const afterMs = latencies.estimateMs;
		if (afterMs !== null && afterMs < timeoutMs) {
			const tryAgain = () => this.#tryAgain(afterMs);
			this.#timer = this.#scope.clock.after(afterMs, tryAgain);
		}
		this.#attempt(this.#request, true);
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
			this.#attempt({ ...this.#request, timeoutMs: leftMs }, false);
		}
	}

	#attempt(request: UpstreamRequest, first: boolean): void {
		const scope = openScope({ parent: this.#scope });
		const attempt = new HedgedAttempt(this, first, scope, this.#ended);
		this.#running.add(attempt);
		attempt.begin(this.#with.next, request, scope);
	}

	/** How the call ended, if it has ended with this attempt. Null: it goes on, or had ended before. */
	attemptEnded(attempt: HedgedAttempt, ended: Ended): Ended | null {
		this.#running.delete(attempt);
		if (attempt.first) this.#measure(ended);
		return this.#over ? null : this.#judge(ended, attempt.first);
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

	#judge(ended: Ended, first: boolean): Ended | null {
		if (isGood(ended) || this.#scope.cancelled) {
			if (!first) this.#with.report(this.#request, "won", null);
			return this.#finish(ended);
		}
		if (this.#running.size > 0) {
			this.#failed = ended;
			return null;
		}
		// We refused this attempt ourselves, so the upstream's answer to the other one says more.
		const refused = this.#failed !== null && !verdictOf(ended).asked;
		return this.#finish(refused ? (this.#failed as Ended) : ended);
	}

	#finish(ended: Ended): Ended {
		this.#over = true;
		this.#timer?.cancel();
		for (const { scope } of this.#running) scope.cancel(lost);
		return ended;
	}
}

/** The end of one attempt. The call ends with the attempt that decides. */
class HedgedAttempt extends PolicyEnd {
	readonly first: boolean;
	readonly scope: Scope;
	readonly #hedging: Hedging;

	constructor(hedging: Hedging, first: boolean, scope: Scope, outer: CallEnd) {
		super(outer);
		this.#hedging = hedging;
		this.first = first;
		this.scope = scope;
	}

	protected override onAnswered(
		value: UpstreamResponse,
	): UpstreamResponse | null {
		return this.#end({ ok: true, value });
	}

	protected override onFailed(error: unknown): UpstreamResponse | null {
		return this.#end({ ok: false, error });
	}

	#end(ended: Ended): UpstreamResponse | null {
		this.scope.close();
		const decided = this.#hedging.attemptEnded(this, ended);
		return decided && settle(decided);
	}
}

/** Why the slower attempt is aborted. Only that attempt sees it. */
const lost = new GatewayError("call_aborted", "the other attempt was answered");

/** An answer that only reports trouble must not come before a good one from the other attempt. */
function isGood(ended: Ended): boolean {
	const { fault, tooMuch } = verdictOf(ended);
	return ended.ok && !fault && !tooMuch;
}
