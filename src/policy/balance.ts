import type { ErrorCode } from "../core/errors.ts";
import type { Scope } from "../tasks/scope.ts";
import { type Asked, type Attempt, watching } from "./attempt.ts";
import {
	type Call,
	createTeller,
	type Guard,
	type PolicyPlace,
	type StreamCall,
	type TellDecision,
} from "./policy.ts";
import {
	codeOf,
	isTimeout,
	verdictOfError,
	verdictOfStatus,
} from "./verdict.ts";

/** One call of several that do the same, each to a URL of its own. */
export interface Balance {
	/** As many as there are URLs, in their order. */
	call(nexts: readonly Call[]): Call;
	stream(nexts: readonly StreamCall[]): StreamCall;
}

/**
 * Sends each call to the URL from which the answer is expected first: by its moving-average latency, times the calls
 * that wait for it already. One that keeps failing is left out for a while, but never more than half of them. A call
 * that is made again goes to another URL than those it was sent to.
 */
export function balance(count: number, place: PolicyPlace): Balance {
	const tell = createTeller("urls", place);
	const targets: readonly Target[] = Array.from(
		{ length: count },
		(_, index) => new Target(index, place, tell, () => mayLeaveOut(targets)),
	);
	let first = 0;

	function choose(tried: readonly number[] | null): number {
		const now = place.clock.now();
		// Equals take turns.
		first = (first + 1) % count;
		let chosen = first;
		let lowest = Number.POSITIVE_INFINITY;
		for (let step = 0; step < count; step++) {
			const index = (first + step) % count;
			const target = targets[index] as Target;
			const rank =
				target.score(now) *
				(target.isLeftOut(now) ? lastResort : 1) *
				(tried?.includes(index) ? lastResort ** 2 : 1);
			if (rank >= lowest) continue;
			lowest = rank;
			chosen = index;
		}
		return chosen;
	}

	return {
		call(nexts) {
			const calls = nexts.map((next, at) => targets[at]?.guard.call(next));
			return (request, scope) => {
				const at = choose(request.tried);
				request.tried?.push(at);
				tell(request.requestId, "chosen", null, at + 1);
				return (calls[at] as Call)(request, scope);
			};
		},
		stream(nexts) {
			const streams = nexts.map((next, at) => targets[at]?.guard.stream(next));
			return (request, scope) => {
				const at = choose(null);
				tell(request.requestId, "chosen", null, at + 1);
				return (streams[at] as StreamCall)(request, scope);
			};
		},
	};
}

/** More than any two scores differ by: only where there is no other. */
const lastResort = 1e12;

function mayLeaveOut(targets: readonly Target[]): boolean {
	const out = targets.filter((target) => target.leftOut).length;
	return out + 1 <= targets.length / 2;
}

/** One URL, as its calls have shown it. */
class Target {
	readonly guard: Guard;
	readonly #place: PolicyPlace;
	readonly #number: number;
	readonly #tell: TellDecision<"urls">;
	readonly #mayLeaveOut: () => boolean;
	#averageMs = 0;
	#sampledMs = 0;
	#outstanding = 0;
	/** Calls without an answer yet, and the sum of the instants at which they began. */
	#waiting = 0;
	#waitingSinceMs = 0;
	#failures = 0;
	#backMs = Number.NEGATIVE_INFINITY;

	constructor(
		index: number,
		place: PolicyPlace,
		tell: TellDecision<"urls">,
		mayLeaveOut: () => boolean,
	) {
		this.#number = index + 1;
		this.#place = place;
		this.#tell = tell;
		this.#mayLeaveOut = mayLeaveOut;
		this.guard = watching((asked, scope) => this.#begin(asked, scope));
	}

	get leftOut(): boolean {
		return this.isLeftOut(this.#place.clock.now());
	}

	isLeftOut(now: number): boolean {
		return now < this.#backMs;
	}

	/** What one call is expected to take, times those that are there already. */
	score(now: number): number {
		// Until one answers, a URL that answers no more, or has not yet, is known by how long it lets its calls wait.
		const ageMs =
			this.#waiting === 0 ? 0 : now - this.#waitingSinceMs / this.#waiting;
		const expectedMs = Math.max(this.#fadedMs(now), ageMs, unknownMs);
		return expectedMs * (this.#outstanding + 1);
	}

	/** The average fades with time, so that a URL that was slow is asked again some day. */
	#fadedMs(now: number): number {
		return this.#averageMs * Math.exp((this.#sampledMs - now) / fadeMs);
	}

	#begin(asked: Asked, scope: Scope): Attempt {
		const { clock } = this.#place;
		const beganMs = clock.now();
		this.#outstanding++;
		this.#waiting++;
		this.#waitingSinceMs += beganMs;
		let waits = true;
		const stopWaiting = () => {
			waits = false;
			this.#waiting--;
			// Sums of fractions do not add up to nothing by themselves.
			this.#waitingSinceMs =
				this.#waiting === 0 ? 0 : this.#waitingSinceMs - beganMs;
		};
		return {
			answered: (status) => {
				stopWaiting();
				this.#sample(clock.now() - beganMs);
				if (verdictOfStatus(status).fault) this.#fail(asked, "upstream_status");
				else this.#failures = 0;
			},
			failed: (error) => {
				// How long a failure takes says nothing of answers, but that none came within a timeout does.
				if (waits && isTimeout(error)) this.#sample(clock.now() - beganMs);
				if (scope.cancelled || !verdictOfError(error).fault) return;
				this.#fail(asked, codeOf(error));
			},
			ended: () => {
				if (waits) stopWaiting();
				this.#outstanding--;
			},
		};
	}

	/** A slow answer counts at once, fast ones one by one: one URL less for a moment costs nothing. */
	#sample(ms: number): void {
		const now = this.#place.clock.now();
		const fadedMs = this.#fadedMs(now);
		const weight = ms > fadedMs ? 1 / 2 : 1 / 8;
		this.#averageMs = fadedMs + (ms - fadedMs) * weight;
		this.#sampledMs = now;
	}

	#fail({ requestId }: Asked, reason: ErrorCode): void {
		this.#failures++;
		if (this.#failures < failuresMax || this.leftOut) return;
		if (!this.#mayLeaveOut()) return;
		// Back, it is left out again by its first failure.
		this.#failures = failuresMax - 1;
		this.#backMs = this.#place.clock.now() + leftOutMs;
		this.#tell(requestId, "left_out", reason, this.#number);
	}
}

/** After so long a difference in latency has faded to about a third. */
const fadeMs = 10_000;
/** Of a URL that was not asked yet: less than any answer takes, so that each is asked first once. */
const unknownMs = 0.1;
const failuresMax = 5;
const leftOutMs = 10_000;
