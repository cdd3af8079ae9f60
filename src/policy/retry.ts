import { allRead } from "../core/all-read.ts";
import type { ErrorCode } from "../core/errors.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import { retryAfterMsOf } from "../core/http/retry-after.ts";
import type { Scope } from "../tasks/scope.ts";
import type { Budget } from "./budget.ts";
import {
	type Call,
	type CallEnd,
	createReporter,
	type Policy,
	type PolicyContext,
	type ReportDecision,
} from "./policy.ts";
import { PolicyEnd } from "./policy-end.ts";
import { codeOf, type Ended, settle, verdictOf } from "./verdict.ts";

/** How often one call may be tried, and how long it waits between two attempts. */
export interface RetryOptions {
	/** All attempts, the first included. */
	readonly attempts: number;
	/** The longest wait before the second attempt; it doubles before each further one. */
	readonly waitMs: number;
	/** The longest wait; it doubles up to here. */
	readonly waitMsMax: number;
}

/** The means that retries take from their upstream. */
export interface RetryContext extends PolicyContext {
	readonly budget: Budget;
	/** From 0 to below 1: the share of the longest wait that is waited. */
	readonly random: () => number;
}

/**
 * Tries a call again that may be sent twice, if another attempt may help, after a random wait, within the budget.
 * Begins no attempt for which no time is left. Never takes longer than its attempts and waits at their longest. Ends as
 * the last attempt that reached the upstream.
 */
export function retry(options: RetryOptions, context: RetryContext): Policy {
	const { attempts, waitMs, waitMsMax, ...unread } = options;
	allRead(unread);
	const bounds = { attempts, waitMs, waitMsMax };
	const report = createReporter("retry", context);
	const means: RetryMeans = { options: bounds, context, report };
	return (next) =>
		function callAgain(request, scope, ended) {
			context.budget.earn();
			if (!request.idempotent && !request.safe) {
				next(request, scope, ended);
				return;
			}
			new Retrying(means, next, request, scope, ended).attempt();
		};
}

/** What all calls of an upstream are tried again with. */
interface RetryMeans {
	readonly options: RetryOptions;
	readonly context: RetryContext;
	readonly report: ReportDecision<"retry">;
}

/** One call and its attempts, of which each has the same end. */
class Retrying extends PolicyEnd {
	readonly #next: Call;
	readonly #options: RetryOptions;
	readonly #context: RetryContext;
	readonly #report: ReportDecision<"retry">;
	readonly #request: UpstreamRequest;
	readonly #scope: Scope;
	/** When the last attempt would end if each took its whole timeout and each wait was the longest. */
	readonly #latestMs: number;
	/** Whether the upstream asked for a wait of its own. Only then `latestMs` bounds the waits, too. */
	#asked = false;

	/** The attempt under way, or the last one, counted from 1. */
	#attempt = 0;
	#startedMs = 0;
	/** How the attempt before ended, if it reached the upstream. */
	#last: Ended | null = null;

	constructor(
		{ options, context, report }: RetryMeans,
		next: Call,
		request: UpstreamRequest,
		scope: Scope,
		outer: CallEnd,
	) {
		super(outer);
		this.#next = next;
		this.#options = options;
		this.#context = context;
		this.#report = report;
		this.#request = { ...request, tried: [] };
		this.#scope = scope;
		this.#latestMs =
			scope.clock.now() + longestCallMs(request.timeoutMs, options);
	}

	attempt(): void {
		this.#attempt++;
		this.#startedMs = this.#scope.clock.now();
		this.begin(this.#next, this.#request, this.#scope);
	}

	protected override onAnswered(
		value: UpstreamResponse,
	): UpstreamResponse | null {
		return this.#after({ ok: true, value });
	}

	protected override onFailed(error: unknown): UpstreamResponse | null {
		return this.#after({ ok: false, error });
	}

	/** Null if another attempt follows. */
	#after(ended: Ended): UpstreamResponse | null {
		const { cancelled, clock } = this.#scope;
		if (cancelled) return settle(ended);
		// We refused this attempt ourselves, so the upstream's last answer says more.
		if (this.#last !== null && !verdictOf(ended).asked) {
			return settle(this.#last);
		}
		this.#last = ended;
		const tookMs = clock.now() - this.#startedMs;
		const waitMs = this.#waitAfter(ended, this.#attempt, tookMs);
		if (waitMs === null) return settle(ended);
		const reason = reasonOf(ended);
		this.#report(this.#request, "attempt", reason, this.#attempt + 1);
		this.#attemptAfter(waitMs);
		return null;
	}

	/** How long to wait before the next attempt; null if there is to be none. */
	#waitAfter(ended: Ended, attempt: number, tookMs: number): number | null {
		if (attempt === this.#options.attempts || !mayHelp(ended)) return null;
		if (this.#request.onAgain?.(false) === false) return null;
		const retryAfterMs = askedWaitMs(ended) ?? 0;
		const waitMs = retryAfterMs + this.#jitterMs(attempt);
		if (retryAfterMs > 0) this.#asked = true;
		if (!this.#isTimeFor(waitMs, tookMs)) {
			this.#report(this.#request, "no_time", reasonOf(ended));
			return null;
		}
		if (this.#context.budget.take()) return waitMs;
		this.#report(this.#request, "no_budget", reasonOf(ended));
		return null;
	}

	/** Full jitter, so that calls that failed together do not come back together. */
	#jitterMs(attempt: number): number {
		return this.#context.random() * longestWaitMs(attempt, this.#options);
	}

	/** The next attempt is expected to take as long as the last one. */
	#isTimeFor(waitMs: number, tookMs: number): boolean {
		const { clock, deadline } = this.#scope;
		const { timeoutMs } = this.#request;
		const beginsMs = clock.now() + waitMs;
		if (beginsMs + Math.min(tookMs, timeoutMs) >= deadline) return false;
		return !this.#asked || beginsMs + timeoutMs <= this.#latestMs;
	}

	#attemptAfter(ms: number): void {
		const timer = this.#scope.clock.after(ms, () => {
			stopListening();
			this.attempt();
		});
		const stopListening = this.#scope.onCancel((reason) => {
			timer.cancel();
			this.outer.failed(reason);
		});
	}
}

function mayHelp(ended: Ended): boolean {
	const { again } = verdictOf(ended);
	return again === "when told" ? askedWaitMs(ended) !== null : again === "yes";
}

function reasonOf(ended: Ended): ErrorCode {
	return ended.ok ? "upstream_status" : codeOf(ended.error);
}

function askedWaitMs(ended: Ended): number | null {
	return ended.ok ? retryAfterMsOf(ended.value.headers) : null;
}

/** The longest wait after an attempt, counted from 1. */
export function longestWaitMs(
	attempt: number,
	{ waitMs, waitMsMax }: RetryOptions,
): number {
	return Math.min(waitMsMax, waitMs * 2 ** (attempt - 1));
}

/** How long a call takes if every attempt takes its whole timeout and every wait is the longest. */
export function longestCallMs(
	timeoutMs: number,
	options: RetryOptions,
): number {
	let ms = timeoutMs;
	for (let attempt = 1; attempt < options.attempts; attempt++) {
		ms += longestWaitMs(attempt, options) + timeoutMs;
	}
	return ms;
}
