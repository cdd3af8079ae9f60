/** Each bucket ends so much higher than the one before. Its middle is then within 5 % of all that falls into it. */
const factor = 1.1;

/** The first bucket has everything up to here. */
const leastMs = 0.05;

/** The last one has everything beyond an hour. */
const buckets = 192;

const perBucket = 1 / Math.log(factor);

/** How many durations fell into which bucket, for those that have any. */
export type Buckets = readonly (readonly [bucket: number, count: number])[];

/** Durations as counts, so that any number of them takes the same room. The counts are made with the first one. */
export class Sketch {
	#counts: Uint32Array | null = null;

	record(ms: number): void {
		this.#counts ??= new Uint32Array(buckets);
		const at = bucketOf(ms);
		this.#counts[at] = (this.#counts[at] as number) + 1;
	}

	/** Adds durations that were counted elsewhere. */
	add(all: Buckets): void {
		this.#counts ??= new Uint32Array(buckets);
		for (const [at, count] of all) {
			this.#counts[at] = (this.#counts[at] as number) + count;
		}
	}

	clear(): void {
		this.#counts?.fill(0);
	}

	countOf(bucket: number): number {
		return this.#counts?.[bucket] ?? 0;
	}
}

/** The counts of all of them, as data. */
export function bucketsOf(sketches: readonly Sketch[]): Buckets {
	const all: [number, number][] = [];
	for (let at = 0; at < buckets; at++) {
		let count = 0;
		for (const sketch of sketches) count += sketch.countOf(at);
		if (count > 0) all.push([at, count]);
	}
	return all;
}

function bucketOf(ms: number): number {
	if (!(ms > leastMs)) return 0;
	const at = Math.ceil(Math.log(ms / leastMs) * perBucket);
	return at < buckets ? at : buckets - 1;
}

/** The middle of each bucket, as ratios go, with three digits. */
const middles = Array.from({ length: buckets }, (_, at) =>
	at === 0 ? 0 : Number((leastMs * factor ** (at - 0.5)).toPrecision(3)),
);

/**
 * The durations below which these shares of all are, in milliseconds. The shares rise. `count` is the
 * number of all durations, and not 0.
 */
export function quantilesOf<Shares extends number[]>(
	sketches: readonly Sketch[],
	count: number,
	...shares: Shares
): { [At in keyof Shares]: number } {
	const found: number[] = [];
	let below = 0;
	for (let at = 0; at < buckets && found.length < shares.length; at++) {
		for (const sketch of sketches) below += sketch.countOf(at);
		while (below > 0 && below >= (shares[found.length] as number) * count) {
			found.push(middles[at] as number);
		}
	}
	return found as { [At in keyof Shares]: number };
}
