import type { Clock } from "../tasks/clock.ts";

export interface BudgetOptions {
	/** How many extra attempts each call pays for: 0.2 is one for every five. */
	readonly ratio: number;
	/** How many extra attempts a second are allowed besides, however few the calls. */
	readonly perSecond: number;
}

/** How many attempts beyond the first an upstream can bear. All calls of the upstream share it. */
export interface Budget {
	/** Called for each call, which pays its share. */
	earn(): void;
	/** Takes one extra attempt, if there is one. */
	take(): boolean;
}

/** How many extra attempts are left, and how many can be saved. */
export interface BudgetState {
	readonly left: number;
	readonly most: number;
}

/** How much can be saved and spent at once, in seconds of `perSecond`. */
const savedSeconds = 10;

/**
 * A bucket of extra attempts. It begins with those of one second, and time and calls fill it. It holds those of ten
 * seconds, and never fewer than ten. So an outage meets a bound, even after a long quiet time.
 */
export function createBudget(
	{ ratio, perSecond }: BudgetOptions,
	clock: Clock,
): Budget & { state(): BudgetState } {
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
			// Five fifths may add up to slightly less than one.
			if (left < 1 - 1e-9) return false;
			left -= 1;
			return true;
		},
		state() {
			fill(0);
			return { left, most };
		},
	};
}
