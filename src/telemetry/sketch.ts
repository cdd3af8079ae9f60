/** Each bucket ends so much higher than the one before. Its middle is then within 5 % of all that falls into it. */
const factor = 1.1;

/** The first bucket has everything up to here. */
const leastMs = 0.05;

/** The last one has everything beyond an hour. */
const buckets = 192;

const perBucket = 1 / Math.log(factor);

/** Durations as counts, so that any number of them takes the same room. The counts are made with the first one. */
export class Sketch {
	#counts: Uint32Array | null = null;

	record(ms: number): void {
		this.#counts ??= new Uint32Array(buckets);
		const at = bucketOf(ms);
		this.#counts[at] = (this.#counts[at] as number) + 1;
	}

	clear(): void {
		this.#counts?.fill(0);
	}

	/** Adds its counts to others. */
	addTo(counts: Uint32Array): void {
		this.#counts?.forEach((count, at) => {
			counts[at] = (counts[at] as number) + count;
		});
	}
}

function bucketOf(ms: number): number {
	if (!(ms > leastMs)) return 0;
	const at = Math.ceil(Math.log(ms / leastMs) * perBucket);
	return at < buckets ? at : buckets - 1;
}

/** The middle of a bucket, as ratios go. */
function middleOf(at: number): number {
	return at === 0 ? 0 : leastMs * factor ** (at - 0.5);
}

/** The durations below which these shares of all are; null if there are none. In milliseconds, with three digits. */
export function quantilesOf<Share extends number[]>(
	sketches: readonly Sketch[],
	...shares: Share
): { [At in keyof Share]: number | null } {
	const counts = new Uint32Array(buckets);
	for (const sketch of sketches) sketch.addTo(counts);
	const total = counts.reduce((sum, count) => sum + count, 0);
	return shares.map((share) => {
		if (total === 0) return null;
		let left = Math.max(1, Math.ceil(share * total));
		const at = counts.findIndex((count) => {
			left -= count;
			return left <= 0;
		});
		return Number(middleOf(at).toPrecision(3));
	}) as { [At in keyof Share]: number | null };
}
