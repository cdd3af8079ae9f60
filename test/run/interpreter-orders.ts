import { repeatableRandom } from "../kit/random.ts";

/** Puts things that may happen at one instant into some order. */
export type Order = <T extends Placed>(things: readonly T[]) => readonly T[];

/** A thing of a step, with its way through steps and items: `s0/2/s1/`. */
export interface Placed {
	readonly way: string;
}

/** All that comes of one step at an instant comes before anything of the next one. */
export const forwards: Order = (things) =>
	things.toSorted((a, b) => (a.way < b.way ? -1 : a.way > b.way ? 1 : 0));
export const backwards: Order = (things) => forwards(things).toReversed();
export const unordered: Order = (things) => things;

export function mixed(seed: number): Order {
	const random = repeatableRandom(seed);
	return (things) => {
		const keyed = things.map((thing) => ({ thing, key: random() }));
		return keyed.toSorted((a, b) => a.key - b.key).map(({ thing }) => thing);
	};
}

/** As `forwards`, with the steps and items in another order. */
export function inChains(seed: number): Order {
	const ranks = new Map<string, number>();
	const random = repeatableRandom(seed);
	const rankOf = (name: string) => {
		const rank = ranks.get(name) ?? random();
		ranks.set(name, rank);
		return rank;
	};
	const shuffled = (way: string) => way.split("/").map(rankOf).join("/");
	return (things) =>
		things
			.map((thing) => ({ thing, way: shuffled(thing.way) }))
			.toSorted((a, b) => (a.way < b.way ? -1 : 1))
			.map(({ thing }) => thing);
}
