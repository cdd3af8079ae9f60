import { computing } from "./blocked.ts";
import { filled, short } from "./costly-json.ts";

/** What each of the two below takes on a quiet machine of 2026. */
const quietMs = 10;
const readingMs = 8.5;

const list = Array.from({ length: 40 }, (_, id) => ({ id, name: `n${id}` }));
const map = filled(500_000, (index) => `"${short(index)}":1`, "{}");

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

/**
 * What work that has just ended would have taken on a quiet machine. Only if it took too long is the machine asked: by work
 * that fills the caches, because others slow it down more than work on little data. How slow a machine is changes within
 * milliseconds, so it must be asked at once.
 */
export function onQuietMachine(tookMs: number, boundMs: number): number {
	if (tookMs <= boundMs) return tookMs;
	const computed = computing();
	const read = [JSON.parse(map), JSON.parse(map)];
	return tookMs / Math.max(1, computed() / (read.length * readingMs));
}
