import type { ErrorCode } from "../core/errors.ts";
import type { Asker } from "../core/trail.ts";
import type { Scope } from "../tasks/scope.ts";
import { type Asked, type Attempt, watching } from "./attempt.ts";
import {
	type Blamable,
	type Call,
	createReporter,
	type Guard,
	type PolicyContext,
	type ReportDecision,
	type StreamCall,
} from "./policy.ts";
import {
	codeOf,
	isTimeout,
	verdictOfError,
	verdictOfStatus,
} from "./verdict.ts";

/** Spreads calls over several URLs of one service. */
export interface Balance extends Blamable {
	/** One call for each URL, in their order. */
	call(nexts: readonly Call[]): Call;
	stream(nexts: readonly StreamCall[]): StreamCall;
}

/**
 * Sends each call to the URL whose answer is expected first: its moving-average latency, times the calls that wait for
 * it already. A URL that keeps failing is left out for a while, but never more than half of them. Another attempt goes
 * to another URL than the attempts before.
 */
export function balance(count: number, context: PolicyContext): Balance {
	const report = createReporter("urls", context);
	const instances: readonly Instance[] = Array.from(
		{ length: count },
		(_, index) =>
			new Instance(index, context, report, () => mayLeaveOut(instances)),
	);
	let first = 0;

	function choose(tried: readonly number[] | null, streams: boolean): number {
		const now = context.clock.now();
		// URLs with equal scores take turns.
		first = (first + 1) % count;
		let chosen = first;
		let lowest = Number.POSITIVE_INFINITY;
		for (let step = 0; step < count; step++) {
			const index = (first + step) % count;
			const instance = instances[index] as Instance;
			const rank =
				instance.score(now, streams) *
				(instance.isLeftOut(now) ? lastResort : 1) *
				(tried?.includes(index) ? lastResort ** 2 : 1);
			if (rank >= lowest) continue;
			lowest = rank;
			chosen = index;
		}
		return chosen;
	}

	return {
		call(nexts) {
			const calls = nexts.map((next, at) => instances[at]?.guard.call(next));
			return (request, scope, ended) => {
				const at = choose(request.tried, false);
				request.tried?.push(at);
				report(request, "chosen", null, at + 1);
				(calls[at] as Call)(request, scope, ended);
			};
		},
		stream(nexts) {
			const streams = nexts.map((next, at) =>
				instances[at]?.guard.stream(next),
			);
			return (request, scope, ended) => {
				const at = choose(null, true);
				report(request, "chosen", null, at + 1);
				(streams[at] as StreamCall)(request, scope, ended);
			};
		},
		blame: ({ url = 0 }, asker) => instances[url]?.blame(asker),
	};
}

/** More than the difference of any two scores: such a URL is taken only if there is no other. */
const lastResort = 1e12;

function mayLeaveOut(instances: readonly Instance[]): boolean {
	const out = instances.filter((instance) => instance.leftOut).length;
	return out + 1 <= instances.length / 2;
}

/** One URL, with the state that its calls have shown. */
class Instance {
	readonly guard: Guard;
	readonly #context: PolicyContext;
	readonly #number: number;
	readonly #report: ReportDecision<"urls">;
	readonly #mayLeaveOut: () => boolean;
	#averageMs = 0;
	#sampledMs = 0;
	/** Calls, and streams whose heads are not there yet. */
	#outstanding = 0;
	/** Streams whose bodies come. */
	#flowing = 0;
	/** Calls without an answer yet, and the sum of the instants at which they began. */
	#waiting = 0;
	#waitingSinceMs = 0;
	/** How its last calls ended, a bit for each, the newest lowest: 1 for a failure. */
	#ends = 0;
	#backMs = Number.NEGATIVE_INFINITY;

	constructor(
		index: number,
		context: PolicyContext,
		report: ReportDecision<"urls">,
		mayLeaveOut: () => boolean,
	) {
		this.#number = index + 1;
		this.#context = context;
		this.#report = report;
		this.#mayLeaveOut = mayLeaveOut;
		this.guard = watching((asked, scope) => this.#begin(asked, scope));
	}

	get leftOut(): boolean {
		return this.isLeftOut(this.#context.clock.now());
	}

	isLeftOut(now: number): boolean {
		return now < this.#backMs;
	}

	/**
	 * The time that one call is expected to take, times the calls that are there already. Open streams count only for
	 * further streams, because they may do nothing for hours.
	 */
	score(now: number, streams: boolean): number {
		// A URL that has not answered yet, or no longer answers, is judged by how long its calls have waited.
		const ageMs =
			this.#waiting === 0 ? 0 : now - this.#waitingSinceMs / this.#waiting;
		const expectedMs = Math.max(this.#fadedMs(now), ageMs, unknownMs);
		const there = this.#outstanding + (streams ? this.#flowing : 0);
		return expectedMs * (there + 1);
	}

	/** The average fades with time, so that a slow URL is asked again later. */
	#fadedMs(now: number): number {
		return this.#averageMs * Math.exp((this.#sampledMs - now) / fadeMs);
	}

	#begin(asked: Asked, scope: Scope): Attempt {
		const { clock } = this.#context;
		const beganMs = clock.now();
		this.#outstanding++;
		this.#waiting++;
		this.#waitingSinceMs += beganMs;
		let waits = true;
		const stopWaiting = () => {
			waits = false;
			this.#waiting--;
			// A sum of fractions does not come back to exactly zero by itself.
			this.#waitingSinceMs =
				this.#waiting === 0 ? 0 : this.#waitingSinceMs - beganMs;
		};
		return {
			answered: (status) => {
				stopWaiting();
				this.#outstanding--;
				this.#flowing++;
				this.#sample(clock.now() - beganMs);
				const { fault } = verdictOfStatus(status);
				this.#ends = ((this.#ends << 1) | Number(fault)) & allFailed;
				if (fault) this.#leaveOut(asked, "upstream_status");
			},
			failed: (error) => {
				// The duration of a failure says nothing about answers, except when none came within a timeout.
				if (waits && isTimeout(error)) this.#sample(clock.now() - beganMs);
				if (scope.cancelled || !verdictOfError(error).fault) return;
				this.#ends = ((this.#ends << 1) | 1) & allFailed;
				this.#leaveOut(asked, codeOf(error));
			},
			ended: () => {
				if (!waits) this.#flowing--;
				else {
					stopWaiting();
					this.#outstanding--;
				}
			},
		};
	}

	/**
	 * A slow answer counts at once, fast ones only step by step, because to use one URL less for a moment costs nothing.
	 */
	#sample(ms: number): void {
		const now = this.#context.clock.now();
		const fadedMs = this.#fadedMs(now);
		const weight = ms > fadedMs ? 1 / 2 : 1 / 8;
		this.#averageMs = fadedMs + (ms - fadedMs) * weight;
		this.#sampledMs = now;
	}

	/** The newest good answer was none. */
	blame(asker: Asker): void {
		this.#ends = (this.#ends | (this.#ends + 1)) & allFailed;
		this.#leaveOut(asker, "upstream_invalid");
	}

	/** Leaves it out if all its last calls failed. They stay, so after its return its first failure leaves it out again. */
	#leaveOut(asker: Asker, reason: ErrorCode): void {
		if (this.#ends !== allFailed || this.leftOut) return;
		if (!this.#mayLeaveOut()) return;
		this.#backMs = this.#context.clock.now() + leftOutMs;
		this.#report(asker, "left_out", reason, this.#number);
	}
}

/** In this time a difference in latency fades to about a third. */
const fadeMs = 10_000;
/** The latency of a URL that was not asked yet. It is less than any answer takes, so that each URL is tried once. */
const unknownMs = 0.1;
/** Five calls. */
const allFailed = 0b11111;
const leftOutMs = 10_000;
