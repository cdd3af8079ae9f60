import { computing, longestTurn } from "./blocked.ts";
import { filled, short } from "./costly-json.ts";
import { slowness } from "./slowness.ts";

/** The longest that a turn of the loop may take on a quiet machine. */
const longestMs = 100;

/** What reading the map below takes on a quiet machine of 2026. */
const readingMs = 12;

const map = filled(500_000, (index) => `"${short(index)}":1`, "{}");

/**
 * Does the work until no turn of the loop took too long, eight times at most. Gives the least share of the 100 ms that the
 * longest turn took, because chance only ever adds, and the value of the last time.
 */
export async function turnsOf<T>(
	work: () => Promise<T>,
): Promise<{ readonly turns: number; readonly value: T }> {
	let turns = Number.POSITIVE_INFINITY;
	for (let round = 1; ; round++) {
		const before = slowness();
		// How slow the machine is changes within milliseconds. So it is asked right after the turn, and not after the work.
		const weigh = (turnMs: number) => {
			const after = turnMs > longestMs ? slownessOfReading() : 1;
			return turnMs / Math.max(before, after);
		};
		const { turnMs, value } = await longestTurn(work, weigh);
		turns = Math.min(turns, turnMs / longestMs);
		if (turns < 1 || round === 8) return { turns, value: value as T };
	}
}

/** As `slowness`, of work that fills the caches: others that compute make it slower than work on little data. */
function slownessOfReading(): number {
	const computed = computing();
	const read = [JSON.parse(map), JSON.parse(map)];
	return (read.length * computed()) / (2 * readingMs);
}
