import type { Clock } from "../tasks/clock.ts";

export interface BudgetOptions {
	/** How many extra attempts each call pays for: 0.2 is one for every five. */
	readonly ratio: number;
	/** How many there may be a second besides, however few the calls. */
	readonly perSecond: number;
}

/** How many attempts beyond the first an upstream can bear: those who make them share it. */
export interface Budget {
	/** A call is made, and pays its share. */
	earn(): void;
	/** Takes one extra attempt, if there is one. */
	take(): boolean;
}

/** What was saved in quieter times and may be spent at once, in seconds of `perSecond`. */
const savedSeconds = 10;

/**
 * A bucket of extra attempts. It begins with those of one second, is filled by time and calls, and holds those of ten
 * seconds, though never fewer than ten: an outage meets a bound, not what a long quiet time has saved.
 */
export function createBudget(
	{ ratio, perSecond }: BudgetOptions,
	clock: Clock,
): Budget {
	const most = Math.max(10, savedSeconds * perSecond);
	let left = perSecond;
	let filledMs = clock.now();

	function fill(more: number): void {
		const now = clock.now();
		left = Math.min(most, left + (perSecond * (now - filledMs)) / 1000 + more);
		filledMs = now;
	}

	return {
		earn: () => fill(ratio),
		take() {
			fill(0);
			// Five fifths may add up to a hair less than one.
			if (left < 1 - 1e-9) return false;
			left -= 1;
			return true;
		},
	};
}
