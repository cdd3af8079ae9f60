/**
 * Runs `work` and gives the longest turn of the event loop meanwhile, in milliseconds that this thread computed: what
 * another request would have waited, without what the machine gave to others. `weigh` tells what a turn counts as; it is
 * called right after it, and what it takes itself counts for no turn.
 */
export async function longestTurn(
	work: () => unknown,
	weigh: (turnMs: number) => number = (turnMs) => turnMs,
): Promise<{ readonly turnMs: number; readonly value: unknown }> {
	let turnMs = 0;
	let watch = computing();
	let looking = true;
	const look = () => {
		turnMs = Math.max(turnMs, weigh(watch()));
		watch = computing();
		if (looking) setImmediate(look);
	};
	setImmediate(look);
	try {
		const value = await work();
		return { turnMs: Math.max(turnMs, weigh(watch())), value };
	} finally {
		looking = false;
	}
}

/**
 * Gives how many milliseconds this thread has computed since. The system counts them in ticks of 4 ms, and may give a
 * whole one to a thread that had a part of it. No more than the time that has passed can be right.
 */
export function computing(): () => number {
	const startedMs = performance.now();
	const startedCpuMs = cpuMs();
	return () => Math.min(performance.now() - startedMs, cpuMs() - startedCpuMs);
}

/** The processor time this thread has taken so far. */
function cpuMs(): number {
	const { user, system } = process.threadCpuUsage();
	return (user + system) / 1000;
}
