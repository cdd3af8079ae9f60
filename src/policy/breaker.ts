import { allRead } from "../core/all-read.ts";
import { type ErrorCode, GatewayError } from "../core/errors.ts";
import type { Asker } from "../core/trail.ts";
import type { Clock } from "../tasks/clock.ts";
import type { Scope } from "../tasks/scope.ts";
import { type Asked, type Attempt, isComing, watching } from "./attempt.ts";
import {
	type Blamable,
	createReporter,
	type Guard,
	type PolicyContext,
	type ReportDecision,
} from "./policy.ts";
import { codeOf, verdictOfError, verdictOfStatus } from "./verdict.ts";

export interface BreakerOptions {
	/** The share of calls that must fail for the breaker to open: above 0, at most 1. */
	readonly errorRate: number;
	/** How far back calls count. */
	readonly windowMs: number;
	/** With fewer calls than this in the window it stays closed. */
	readonly calls: number;
	/**
	 * While open, one call at a time may try again, this long after the beginning of the last such call. A call whose body
	 * still comes does not keep the next one from trying.
	 */
	readonly probeEveryMs: number;
}

export type BreakerState = "closed" | "open" | "half_open";

/** A guard that knows its state. */
export interface BreakerGuard extends Guard, Blamable {
	state(): BreakerState;
}

/**
 * Refuses calls with `breaker_open`, at once, while most of them would fail. A closed breaker counts, and an open one
 * refuses. After a while it is half-open and lets one call through, whose end opens or closes it. An end that says
 * nothing about the upstream does not count, and the next call is then the probe.
 */
export function breaker(
	options: BreakerOptions,
	context: PolicyContext,
): BreakerGuard {
	const { errorRate, windowMs, calls, probeEveryMs, ...unread } = options;
	allRead(unread);
	const bounds = { errorRate, windowMs, calls, probeEveryMs };
	const state = new Breaker(bounds, context);
	return {
		...watching((request, scope) => state.begin(request, scope)),
		blame: (_response, asker) => state.blame(asker),
		state: () => state.state,
	};
}

class Breaker {
	readonly #options: BreakerOptions;
	readonly #upstream: string;
	readonly #clock: Clock;
	readonly #report: ReportDecision<"breaker">;
	#window: Window;
	#open = false;
	/** The state of an open breaker: the probe that others wait for, and when the next one may be. */
	#probe: object | null = null;
	#nextProbeMs = 0;
	/** The request whose probe closed it. */
	#closedBy: string | null = null;

	constructor(options: BreakerOptions, context: PolicyContext) {
		this.#options = options;
		this.#upstream = context.upstream;
		this.#clock = context.clock;
		this.#report = createReporter("breaker", context);
		this.#window = new Window(options.windowMs);
	}

	get state(): BreakerState {
		if (!this.#open) return "closed";
		const isHalf =
			this.#probe !== null || this.#clock.now() >= this.#nextProbeMs;
		return isHalf ? "half_open" : "open";
	}

	begin(asked: Asked, scope: Scope): Attempt {
		if (!this.#open) return this.#counted(asked, scope);
		const now = this.#clock.now();
		if (this.#probe !== null || now < this.#nextProbeMs) {
			this.#report(asked, "refused", "breaker_open");
			throw this.#refusal(now);
		}
		this.#nextProbeMs = now + this.#options.probeEveryMs;
		this.#report(asked, "probe", null);
		return this.#probing(asked, scope, !isComing(asked.body));
	}

	#refusal(now: number): GatewayError {
		const message = "too many of its last calls failed";
		return new GatewayError("breaker_open", message, {
			upstream: this.#upstream,
			retryAfterMs: Math.max(0, this.#nextProbeMs - now),
		});
	}

	/**
	 * A call of a closed breaker. It counts only in the window in which it began, because its end may say something about
	 * times long past.
	 */
	#counted(asked: Asked, scope: Scope): Attempt {
		const window = this.#window;
		return judged(scope, (good, reason) => {
			if (this.#open) return;
			window.add(good, this.#clock.now());
			if (!good && this.#isTooMuch()) this.#openUp(asked, reason);
		});
	}

	blame(asker: Asker): void {
		if (this.#open) return;
		// A probe stands for all calls, so one that was of no use has closed nothing.
		const probed = this.#closedBy === asker.requestId;
		const counted = this.#window.revoke(this.#clock.now());
		if (probed || (counted && this.#isTooMuch())) {
			this.#openUp(asker, "upstream_invalid");
		}
	}

	#isTooMuch(): boolean {
		const { good, bad } = this.#window;
		const { calls, errorRate } = this.#options;
		return good + bad >= calls && bad >= errorRate * (good + bad);
	}

	#openUp(asker: Asker, reason: ErrorCode): void {
		this.#open = true;
		this.#nextProbeMs = this.#clock.now() + this.#options.probeEveryMs;
		this.#report(asker, "opened", reason);
	}

	/**
	 * The first sign about the upstream decides. In any case another call may then be the probe. If `alone`, none may
	 * before.
	 */
	#probing(asked: Asked, scope: Scope, alone: boolean): Attempt {
		let over = false;
		const probe = {};
		if (alone) this.#probe = probe;
		const end = () => {
			over = true;
			if (this.#probe === probe) this.#probe = null;
		};
		const attempt = judged(scope, (good, reason) => {
			if (over) return;
			end();
			if (!this.#open) return;
			if (good) this.#close(asked);
			else this.#report(asked, "stays_open", reason);
		});
		return {
			...attempt,
			ended: () => {
				if (over) return;
				end();
				this.#nextProbeMs = this.#clock.now();
			},
		};
	}

	#close(asked: Asked): void {
		this.#open = false;
		this.#window = new Window(this.#options.windowMs);
		this.#closedBy = asked.requestId;
		this.#report(asked, "closed", null);
	}
}

/**
 * Judges ends that say something about the upstream: any answer, and failures that are its fault, unless we cut the
 * call.
 */
function judged(
	scope: Scope,
	judge: (good: boolean, reason: ErrorCode) => void,
): Attempt {
	return {
		answered: (status) =>
			judge(!verdictOfStatus(status).fault, "upstream_status"),
		failed(error) {
			if (scope.cancelled || !verdictOfError(error).fault) return;
			judge(false, codeOf(error));
		},
		ended() {},
	};
}

const bucketCount = 10;

/** How recent calls ended. The window slides by tenths, so between nine tenths of it and all of it count. */
class Window {
	good = 0;
	bad = 0;
	readonly #bucketMs: number;
	readonly #good = new Uint32Array(bucketCount);
	readonly #bad = new Uint32Array(bucketCount);
	#newest = Number.NEGATIVE_INFINITY;

	constructor(windowMs: number) {
		this.#bucketMs = windowMs / bucketCount;
	}

	add(good: boolean, now: number): void {
		const bucket = Math.floor(now / this.#bucketMs);
		this.#forget(bucket);
		const at = bucket % bucketCount;
		if (good) {
			this.good++;
			this.#good[at] = (this.#good[at] ?? 0) + 1;
		} else {
			this.bad++;
			this.#bad[at] = (this.#bad[at] ?? 0) + 1;
		}
	}

	/** The newest good call was bad. False if there is none any more. */
	revoke(now: number): boolean {
		this.#forget(Math.floor(now / this.#bucketMs));
		if (this.good === 0) return false;
		let at = this.#newest;
		while (this.#good[at % bucketCount] === 0) at--;
		const bucket = at % bucketCount;
		this.good--;
		this.bad++;
		this.#good[bucket] = (this.#good[bucket] ?? 0) - 1;
		this.#bad[bucket] = (this.#bad[bucket] ?? 0) + 1;
		return true;
	}

	/** Empties the buckets that have become too old. */
	#forget(bucket: number): void {
		const stale = Math.min(bucket - this.#newest, bucketCount);
		this.#newest = bucket;
		for (let back = 0; back < stale; back++) {
			const at = (bucket - back) % bucketCount;
			this.good -= this.#good[at] ?? 0;
			this.bad -= this.#bad[at] ?? 0;
			this.#good[at] = 0;
			this.#bad[at] = 0;
		}
	}
}
