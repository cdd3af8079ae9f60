import type { Slice } from "./load.ts";

/** Slices of one contender, one a round. */
export type Samples = readonly Slice[];

/**
 * Runs every contender once a round, each round beginning with the next one: whatever changes on the machine meanwhile
 * meets all of them, and none is always first.
 */
export async function interleave<Name, Sample>(
	contenders: readonly Name[],
	rounds: number,
	run: (contender: Name, round: number) => Promise<Sample>,
): Promise<ReadonlyMap<Name, readonly Sample[]>> {
	const samples = new Map<Name, Sample[]>(
		contenders.map((contender) => [contender, []]),
	);
	for (let round = 0; round < rounds; round++) {
		for (let turn = 0; turn < contenders.length; turn++) {
			const index = (round + turn) % contenders.length;
			const contender = contenders[index] as Name;
			samples.get(contender)?.push(await run(contender, round));
		}
	}
	return samples;
}
