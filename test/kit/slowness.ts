import { computing } from "./blocked.ts";

/** What the work below takes on a quiet machine of 2026. */
const quietMs = 10;

const list = Array.from({ length: 40 }, (_, id) => ({ id, name: `n${id}` }));

/**
 * How many times slower this machine computes at the moment than a quiet one; 1 at least. Processor time alone does not tell:
 * others that compute take the caches and half of the cores.
 */
export function slowness(): number {
	const computed = computing();
	let length = 0;
	for (let round = 0; round < 3000; round++) {
		const sorted = list.toSorted((a, b) => (b.id % 7) - (a.id % 7));
		length += sorted.map(({ id, name }) => `${id}: ${name}`).join().length;
	}
	return Math.max(length > 0 ? 1 : 0, computed() / quietMs);
}
