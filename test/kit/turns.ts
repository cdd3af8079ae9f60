import { longestTurn } from "./blocked.ts";
import { onQuietMachine, slowness } from "./slowness.ts";

/** The longest that a turn of the loop may take on a quiet machine. */
const longestMs = 100;

/**
 * Does the work until no turn of the loop took too long, four times at most. Gives the least share of the 100 ms that the
 * longest turn took, because chance only ever adds, and the value of the last time.
 */
export async function turnsOf<T>(
	work: () => Promise<T>,
): Promise<{ readonly turns: number; readonly value: T }> {
	let turns = Number.POSITIVE_INFINITY;
	for (let round = 1; ; round++) {
		const slow = slowness();
		const { turnMs, value } = await longestTurn(work, (ms) =>
			Math.min(ms / slow, onQuietMachine(ms, longestMs)),
		);
		turns = Math.min(turns, turnMs / longestMs);
		if (turns < 1 || round === 4) return { turns, value: value as T };
	}
}
