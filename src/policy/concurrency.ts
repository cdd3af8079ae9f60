/**
 * Finds how many calls an upstream can carry at once, by nothing but how long they take: where they take longer than
 * they would alone, they wait for each other there.
 *
 * It judges windows of calls. One that is slower by more than `tolerance` than calls are alone lowers the number in
 * proportion, as does one of which too many were lost; one that is not, and in which the number was used up, raises it
 * by its root: enough to find a bound that moved, too little to overrun it. While the number is used up nobody sees
 * calls run alone, so now and then half of it runs for one window, which measures that anew. (The ideas are those of TCP
 * Vegas and BBR.)
 */
export class Concurrency {
	/** How many may run now; at least 1. */
	limit: number;
	readonly #limitMax: number;
	/** With its fraction: whole slots would lose every small step. */
	#exact: number;
	/** What a call takes alone, in milliseconds; null before the first window. */
	#aloneMs: number | null = null;
	/** The number to come back to, while half of it runs. */
	#measuringFrom: number | null = null;
	#measureEveryMs = measureFirstMs;
	#measureMs: number;
	/** The window counts what ends from here on: by then the calls have ended that ran when the number last changed. */
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

	/** How many would run were it not being measured. */
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

	/** A call was not answered in time, or with the word that it is too much. */
	lost(nowMs: number, running: number): void {
		if (nowMs < this.#countFromMs) return;
		this.#lost++;
		this.#count(nowMs, running);
	}

	#count(nowMs: number, running: number): void {
		this.#mostRunning = Math.max(this.#mostRunning, running);
		// Enough for a mean, and for each who may run to have been asked.
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
		// So few run that they are as good as alone, or they are clearly faster than was thought. Following every lower mean
		// would follow chance downwards.
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
		// What it begins with may be too large by far: then one measure does not find that.
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
/** So much slower than alone is still no sign. */
const tolerance = 1.5;
const clearlyFaster = 0.7;
/** One window is no reason to lose more than half. */
const gradientMin = 0.5;
/** A share of lost calls that has other reasons. */
const lostMax = 0.1;
const lostEnough = 5;
const samplesMin = 20;
const samplesMax = 100;
const measureFirstMs = 1000;
const measureEveryMsMax = 10_000;
