import {
	type Attempts,
	longestCallMs,
	longestWaitMs,
} from "../core/attempts.ts";
import { type ErrorCode, GatewayError } from "../core/errors.ts";
import {
	headerOf,
	type UpstreamRequest,
	type UpstreamResponse,
} from "../core/http/messages.ts";
import type { Outcome } from "../tasks/outcome.ts";
import type { Scope } from "../tasks/scope.ts";
import type { Budget } from "./budget.ts";
import {
	type Call,
	createTeller,
	type Policy,
	type PolicyPlace,
	type TellDecision,
} from "./policy.ts";

/** What retries take from outside. */
export interface RetryPlace extends PolicyPlace {
	readonly budget: Budget;
	/** From 0 to below 1: how much of the longest wait is waited. */
	readonly random: () => number;
}

/**
 * Tries what may be tried again where that may help, after a random wait, within the budget. Begins no attempt for which
 * there is no time any more, and never takes longer than its attempts and waits at their longest. Ends as the last
 * attempt that reached the upstream did.
 */
export function retry(options: Attempts, place: RetryPlace): Policy {
	const tell = createTeller("retry", place);
	return (next) =>
		async function callAgain(request, scope) {
			place.budget.earn();
			if (!request.idempotent && !request.safe) return next(request, scope);
			return new Retrying(options, place, tell, request, scope).run(next);
		};
}

type Ended = Outcome<UpstreamResponse>;

/** One call and its attempts. */
class Retrying {
	readonly #options: Attempts;
	readonly #place: RetryPlace;
	readonly #tell: TellDecision;
	readonly #request: UpstreamRequest;
	readonly #scope: Scope;
	/** When the last attempt would end if each took its whole timeout and each wait were the longest. */
	readonly #latestMs: number;
	/** Whether the upstream asked for a wait of its own: then that bound is kept. */
	#asked = false;

	constructor(
		options: Attempts,
		place: RetryPlace,
		tell: TellDecision,
		request: UpstreamRequest,
		scope: Scope,
	) {
		this.#options = options;
		this.#place = place;
		this.#tell = tell;
		this.#request = { ...request, tried: [] };
		this.#scope = scope;
		this.#latestMs =
			scope.clock.now() + longestCallMs(request.timeoutMs, options);
	}

	async run(next: Call): Promise<UpstreamResponse> {
		const { clock } = this.#scope;
		let last: Ended | null = null;
		for (let attempt = 1; ; attempt++) {
			const startedMs = clock.now();
			const ended = await this.#attempt(next);
			if (this.#scope.cancelled) return settle(ended);
			// Refused by us: what the upstream itself said before tells more.
			if (last !== null && !reachedUpstream(ended)) return settle(last);
			last = ended;
			const waitMs = this.#waitAfter(ended, attempt, clock.now() - startedMs);
			if (waitMs === null) return settle(ended);
			this.#tell(
				this.#request.requestId,
				`attempt ${attempt + 1}`,
				reasonOf(ended),
			);
			await this.#wait(waitMs);
		}
	}

	async #attempt(next: Call): Promise<Ended> {
		try {
			return { ok: true, value: await next(this.#request, this.#scope) };
		} catch (error) {
			return { ok: false, error };
		}
	}

	/** How long to wait before the next attempt; null where there is to be none. */
	#waitAfter(ended: Ended, attempt: number, tookMs: number): number | null {
		if (attempt === this.#options.attempts || !mayHelp(ended)) return null;
		const retryAfterMs = retryAfterMsOf(ended) ?? 0;
		const waitMs = retryAfterMs + this.#jitterMs(attempt);
		if (retryAfterMs > 0) this.#asked = true;
		if (!this.#isTimeFor(waitMs, tookMs)) {
			this.#tell(this.#request.requestId, "no time left", reasonOf(ended));
			return null;
		}
		if (this.#place.budget.take()) return waitMs;
		this.#tell(this.#request.requestId, "budget empty", reasonOf(ended));
		return null;
	}

	/** Full jitter: calls that failed together do not come back together. */
	#jitterMs(attempt: number): number {
		return this.#place.random() * longestWaitMs(attempt, this.#options);
	}

	/** The next attempt is expected to take as long as the last one. */
	#isTimeFor(waitMs: number, tookMs: number): boolean {
		const { clock, deadline } = this.#scope;
		const { timeoutMs } = this.#request;
		const beginsMs = clock.now() + waitMs;
		if (beginsMs + Math.min(tookMs, timeoutMs) >= deadline) return false;
		return !this.#asked || beginsMs + timeoutMs <= this.#latestMs;
	}

	#wait(ms: number): Promise<void> {
		const scope = this.#scope;
		return new Promise((resolve, reject) => {
			const timer = scope.clock.after(ms, () => {
				stopListening();
				resolve();
			});
			const stopListening = scope.onCancel((reason) => {
				timer.cancel();
				reject(reason as Error);
			});
		});
	}
}

function settle(ended: Ended): UpstreamResponse {
	if (ended.ok) return ended.value;
	throw ended.error;
}

/**
 * Whether to try again is a function of code and status, and this is it. What timed out is tried again: the `timeout` is
 * that of one attempt. 429 only where the upstream says when to come back, for it has just said that it is too much.
 */
export function mayHelp(ended: Ended): boolean {
	if (!ended.ok) {
		return ended.error instanceof GatewayError && codes.has(ended.error.code);
	}
	const { status } = ended.value;
	return (
		statuses.has(status) || (status === 429 && retryAfterMsOf(ended) !== null)
	);
}

/** No connection, or none that lasted to the first byte of an answer; no answer in time. */
const codes: ReadonlySet<ErrorCode> = new Set([
	"upstream_unreachable",
	"upstream_timeout",
]);

const statuses: ReadonlySet<number> = new Set([502, 503, 504]);

function reachedUpstream(ended: Ended): boolean {
	if (ended.ok || !(ended.error instanceof GatewayError)) return ended.ok;
	return ended.error.code.startsWith("upstream_");
}

function reasonOf(ended: Ended): string {
	if (ended.ok) return "upstream_status";
	return ended.error instanceof GatewayError ? ended.error.code : "internal";
}

/**
 * RFC 9110, 10.2.3: seconds, or an instant, which is understood against the same answer's `Date`: whatever the two
 * machines' clocks say of each other. Null where there is none, or none that can be understood.
 */
function retryAfterMsOf(ended: Ended): number | null {
	if (!ended.ok) return null;
	const { headers } = ended.value;
	const text = headerOf(headers, "retry-after")?.trim() ?? "";
	if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
	const ms = Date.parse(text) - Date.parse(headerOf(headers, "date") ?? "");
	return Number.isNaN(ms) ? null : Math.max(0, ms);
}
