/**
 * Finds how many calls an upstream can carry at once, from their latency alone. If calls take longer than they would
 * alone, they wait for each other at the upstream.
 *
 * It judges windows of calls. A window that is slower than calls alone by more than `tolerance` lowers the number in
 * proportion. So does a window with too many lost calls. Another window in which the number was used up raises it by
 * its root. That is enough to find a bound that moved, and too little to overrun it. While the number is used up, calls
 * never run alone. So now and then half of the number runs for one window, to measure that anew. (The ideas are those
 * of TCP Vegas and BBR.)
 */
export class Concurrency {
	/** How many may run now; at least 1. */
	limit: number;
	readonly #limitMax: number;
	/** The number with its fraction: whole slots would lose every small step. */
	#exact: number;
	/** How long a call takes alone, in milliseconds; null before the first window. */
	#aloneMs: number | null = null;
	/** The number to return to, while half of it runs. */
	#measuringFrom: number | null = null;
	#measureEveryMs = measureFirstMs;
	#measureMs: number;
	/**
	 * The window counts calls that end from here on. By then the calls have ended that ran when the number last changed.
	 */
	#countFromMs: number;
	#sumMs = 0;
	#answered = 0;
	#lost = 0;
	#mostRunning = 0;

	constructor(limitMax: number, nowMs: number) {
		this.#limitMax = limitMax;
		this.limit = Math.min(limitMax, initialLimit);
		this.#exact = this.limit;
		this.#countFromMs = nowMs;
		this.#measureMs = nowMs + measureFirstMs;
	}

	/** How many calls would run without a measurement. */
	get usual(): number {
		return Math.floor(this.#measuringFrom ?? this.#exact);
	}

	/** A call was answered that began at `beganMs` as one of `running`. */
	answered(beganMs: number, nowMs: number, running: number): void {
		if (nowMs < this.#countFromMs) return;
		this.#sumMs += nowMs - beganMs;
		this.#answered++;
		this.#count(nowMs, running);
	}

	/** A call was not answered in time, or its answer said that it was too much. */
	lost(nowMs: number, running: number): void {
		if (nowMs < this.#countFromMs) return;
		this.#lost++;
		this.#count(nowMs, running);
	}

	#count(nowMs: number, running: number): void {
		this.#mostRunning = Math.max(this.#mostRunning, running);
		// Enough calls for a mean, and for every slot to have been used.
		const enough = Math.min(Math.max(this.limit, samplesMin), samplesMax);
		const hopeless = this.#lost >= lostEnough && this.#lost > this.#answered;
		if (hopeless || this.#answered + this.#lost >= enough) {
			this.#endWindow(nowMs);
		}
	}

	#endWindow(nowMs: number): void {
		const share = this.#lost / (this.#answered + this.#lost);
		const meanMs = this.#sumMs / Math.max(this.#answered, 1);
		const measured = this.#measuringFrom !== null;
		this.#set(this.#measuringFrom ?? this.#exact);
		this.#measuringFrom = null;
		if (share > lostMax) {
			this.#set(this.#exact * Math.max(1 - share, gradientMin));
		} else if (measured) {
			const aloneMs = this.#aloneMs ?? meanMs;
			this.#aloneMs = aloneMs + (meanMs - aloneMs) / 2;
		} else this.#judge(meanMs, nowMs);
		this.#countFromMs = nowMs + meanMs;
		this.#sumMs = 0;
		this.#answered = 0;
		this.#lost = 0;
		this.#mostRunning = 0;
	}

	#judge(meanMs: number, nowMs: number): void {
		const aloneMs = this.#aloneMs ?? meanMs;
		const few = this.#mostRunning < this.#exact / 2;
		this.#aloneMs = aloneMs;
		// So few calls run that they are as good as alone, or they are clearly faster than the known value. If every lower
		// mean counted, chance would lead the value downwards.
		if (few || meanMs < aloneMs * clearlyFaster) {
			this.#aloneMs += (meanMs - aloneMs) / 4;
		}
		if (few) return;
		const slower = Math.max(meanMs, 1e-3) / (tolerance * this.#aloneMs);
		const gradient = Math.min(1, Math.max(1 / slower, gradientMin));
		const usedUp = this.#mostRunning >= this.limit;
		const step = usedUp ? Math.sqrt(this.#exact) : 0;
		this.#set(this.#exact * gradient + step);
		if (usedUp && nowMs >= this.#measureMs) this.#beginMeasuring(nowMs);
	}

	#beginMeasuring(nowMs: number): void {
		// The first value may be far too large, and then one measurement does not correct it.
		this.#measureEveryMs = Math.min(
			this.#measureEveryMs * 2,
			measureEveryMsMax,
		);
		this.#measureMs = nowMs + this.#measureEveryMs;
		this.#measuringFrom = this.#exact;
		this.#set(this.#exact / 2);
	}

	#set(exact: number): void {
		this.#exact = Math.min(Math.max(exact, 1), this.#limitMax);
		this.limit = Math.floor(this.#exact);
	}
}

const initialLimit = 20;
/** How much slower than alone a window may be without a sign of waiting. */
const tolerance = 1.5;
const clearlyFaster = 0.7;
/** One window never lowers the number by more than half. */
const gradientMin = 0.5;
/** The share of lost calls that may have other reasons. */
const lostMax = 0.1;
const lostEnough = 5;
const samplesMin = 20;
const samplesMax = 100;
const measureFirstMs = 1000;
const measureEveryMsMax = 10_000;
