/** Half of all values are in between the first and the last of them. */
export type Quartiles = readonly [first: number, median: number, third: number];

/** Quartiles of at least one value, interpolated between neighbours. */
export function quartilesOf(values: readonly number[]): Quartiles {
	const sorted = values.toSorted((a, b) => a - b);
	return [
		quantile(sorted, 0.25),
		quantile(sorted, 0.5),
		quantile(sorted, 0.75),
	];
}

export function medianOf(values: readonly number[]): number {
	return quartilesOf(values)[1];
}

/**
 * How much of the other's figure one's is, round by round. What disturbs a machine for seconds disturbs both figures of a
 * round, so that ratios vary less than figures do.
 */
export function pairedRatios(
	ones: readonly number[],
	others: readonly number[],
): readonly number[] {
	if (ones.length !== others.length) {
		throw new Error(
			`${ones.length} rounds cannot be paired with ${others.length}`,
		);
	}
	return ones.map((one, round) => one / (others[round] as number));
}

function quantile(sorted: readonly number[], share: number): number {
	if (sorted.length === 0) throw new Error("no value has no quartiles");
	const position = (sorted.length - 1) * share;
	const below = Math.floor(position);
	const low = sorted[below] as number;
	const high = sorted[Math.min(below + 1, sorted.length - 1)] as number;
	return low + (high - low) * (position - below);
}
