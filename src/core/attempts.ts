/** How often one call may be tried, and how long is waited between. */
export interface Attempts {
	/** In all, the first one included. */
	readonly attempts: number;
	/** The longest wait before the second attempt; it doubles before each further one. */
	readonly waitMs: number;
	/** Beyond this it doubles no more. */
	readonly waitMsMax: number;
}

/** The longest wait after an attempt, counted from 1. */
export function longestWaitMs(
	attempt: number,
	{ waitMs, waitMsMax }: Attempts,
): number {
	return Math.min(waitMsMax, waitMs * 2 ** (attempt - 1));
}

/** How long a call takes whose every attempt takes its whole timeout, and every wait is the longest. */
export function longestCallMs(timeoutMs: number, options: Attempts): number {
	let ms = timeoutMs;
	for (let attempt = 1; attempt < options.attempts; attempt++) {
		ms += longestWaitMs(attempt, options) + timeoutMs;
	}
	return ms;
}
