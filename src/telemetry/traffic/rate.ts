import { type Buckets, bucketsOf, quantilesOf, Sketch } from "./sketch.ts";

/** How many there were in some time, and how long they took. */
export interface Rate {
	readonly count: number;
	readonly partial: number;
	readonly errors: number;
	readonly p50Ms: number | null;
	readonly p95Ms: number | null;
	readonly p99Ms: number | null;
	/** What the quantiles are made of. Only for a process that adds up several. */
	readonly buckets?: Buckets;
}

/** How something ended, for its rate. */
export type Outcome = "ok" | "partial" | "error";

/** The numbers of some time. */
export class Numbers {
	count = 0;
	partial = 0;
	errors = 0;
	readonly sketch = new Sketch();

	add(ms: number, outcome: Outcome): void {
		this.count++;
		if (outcome === "partial") this.partial++;
		else if (outcome === "error") this.errors++;
		this.sketch.record(ms);
	}

	clear(): void {
		if (this.count === 0) return;
		this.count = 0;
		this.partial = 0;
		this.errors = 0;
		this.sketch.clear();
	}
}

/** The rate of nothing. */
const none: Rate = {
	...{ count: 0, partial: 0, errors: 0 },
	...{ p50Ms: null, p95Ms: null, p99Ms: null },
};

/** The rate of all of them together, with its buckets if somebody adds it to others. */
export function rateOf(all: readonly Numbers[], adds = false): Rate {
	const sum = (one: (numbers: Numbers) => number) =>
		all.reduce((total, numbers) => total + one(numbers), 0);
	const count = sum(({ count: one }) => one);
	if (count === 0) return none;
	const sketches = all.map(({ sketch }) => sketch);
	const [p50Ms, p95Ms, p99Ms] = quantilesOf(sketches, count, 0.5, 0.95, 0.99);
	return {
		count,
		partial: sum(({ partial }) => partial),
		errors: sum(({ errors }) => errors),
		...{ p50Ms, p95Ms, p99Ms },
		...(adds && { buckets: bucketsOf(sketches) }),
	};
}

/** The rate of what several processes counted. Each rate has its buckets, or nothing in it. */
export function sumOfRates(rates: readonly Rate[]): Rate {
	const all = new Numbers();
	for (const { count, partial, errors, buckets = [] } of rates) {
		all.count += count;
		all.partial += partial;
		all.errors += errors;
		all.sketch.add(buckets);
	}
	return rateOf([all]);
}

/** The length of a half of what is recent. */
const halfMs = 60_000;

/** The numbers of this minute and of the one before, by the clock of the gateway. */
export class Recent {
	#now = new Numbers();
	#before = new Numbers();
	#half = 0;

	add(atMs: number, ms: number, outcome: Outcome): void {
		this.#turn(atMs);
		this.#now.add(ms, outcome);
	}

	rate(atMs: number, adds: boolean): Rate {
		this.#turn(atMs);
		return rateOf([this.#now, this.#before], adds);
	}

	#turn(atMs: number): void {
		const half = Math.floor(atMs / halfMs);
		if (half <= this.#half) return;
		const free = this.#before;
		free.clear();
		if (half === this.#half + 1) {
			this.#before = this.#now;
			this.#now = free;
		} else this.#now.clear();
		this.#half = half;
	}
}
