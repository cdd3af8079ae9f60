/** Latencies are counted in steps of 5 %, from a tenth of a millisecond to some minutes. */
const stepFactor = 1.05;
const lowestMs = 0.1;
const stepCount = 300;
const perStep = 1 / Math.log(stepFactor);

/** Above this number of calls all counts are halved, so that old calls count less and less. */
const countMax = 2000;

/** A new estimate after each call would cost more than it is worth. */
const refreshEvery = 16;

/** The latency of recent calls: a streaming estimate of its quantiles, to 5 %, in constant memory. */
export class Latencies {
	readonly #counts = new Float64Array(stepCount);
	readonly #quantile: number;
	readonly #countMin: number;
	#count = 0;
	#added = 0;
	#estimateMs: number | null = null;

	/** `quantile` is from 0 to 1. Below `countMin` calls there is no estimate. */
	constructor(quantile: number, countMin: number) {
		this.#quantile = quantile;
		this.#countMin = countMin;
	}

	add(ms: number): void {
		const step = Math.floor(
			Math.log(Math.max(ms, lowestMs) / lowestMs) * perStep,
		);
		const at = Math.min(step, stepCount - 1);
		this.#counts[at] = (this.#counts[at] ?? 0) + 1;
		this.#count++;
		this.#added++;
		if (this.#count > countMax) this.#halve();
		if (this.#added < this.#countMin) return;
		if (this.#estimateMs === null || this.#added % refreshEvery === 0) {
			this.#estimateMs = this.#estimate();
		}
	}

	/**
	 * The latency that the given share of calls does not exceed, rounded up to a step; null while there are too few
	 * calls.
	 */
	get estimateMs(): number | null {
		return this.#estimateMs;
	}

	#estimate(): number {
		const beyond = (1 - this.#quantile) * this.#count;
		let above = 0;
		let at = stepCount - 1;
		for (; at > 0; at--) {
			above += this.#counts[at] ?? 0;
			if (above > beyond) break;
		}
		return lowestMs * stepFactor ** (at + 1);
	}

	#halve(): void {
		this.#count = 0;
		for (let at = 0; at < stepCount; at++) {
			const half = (this.#counts[at] ?? 0) / 2;
			this.#counts[at] = half;
			this.#count += half;
		}
	}
}
