import type { Gateway } from "../gateway/gateway.ts";

/**
 * Takes no more jobs while requests are finished, and gives those that run as much time. What is then left of them is for whoever
 * runs jobs next. Resolves with what `draining` gives.
 */
export async function drainWithJobs(
	{ jobs, clock, server }: Pick<Gateway, "jobs" | "clock" | "server">,
	draining: Promise<boolean>,
): Promise<boolean> {
	if (jobs === null) return await draining;
	const { promise: late, resolve } = Promise.withResolvers<void>();
	const timer = clock.after(server.drainMs, resolve);
	const stopped = jobs.stop();
	const finished = await draining;
	await Promise.race([stopped, late]);
	timer.cancel();
	return finished;
}
