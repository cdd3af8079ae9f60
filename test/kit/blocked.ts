/**
 * Runs `work` and gives the longest turn of the event loop meanwhile, in milliseconds of this thread's processor time:
 * what another request would have waited, without what the machine gave to others.
 */
export async function longestTurn(
	work: () => unknown,
): Promise<{ readonly turnMs: number; readonly value: unknown }> {
	let turnMs = 0;
	let before = cpuMs();
	let looking = true;
	const look = () => {
		const now = cpuMs();
		turnMs = Math.max(turnMs, now - before);
		before = now;
		if (looking) setImmediate(look);
	};
	setImmediate(look);
	try {
		const value = await work();
		return { turnMs: Math.max(turnMs, cpuMs() - before), value };
	} finally {
		looking = false;
	}
}

/** The processor time this thread has taken so far. */
export function cpuMs(): number {
	const { user, system } = process.threadCpuUsage();
	return (user + system) / 1000;
}
