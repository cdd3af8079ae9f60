import { counted } from "./format.ts";
import type { State } from "./state.ts";

/** `2 queued, 4 running, 17 kept, 1 of them failed; this process runs 4`. */
export function jobsWords({
	counts,
	running: here,
}: NonNullable<State["jobs"]>): string {
	const own = `${counted(here, "job")} ${here === 1 ? "runs" : "run"} here`;
	if (counts === null) return `cannot be counted now; ${own}`;
	const { queued = 0, running = 0, failed = 0, interrupted = 0 } = counts;
	const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
	const kept = all - queued - running;
	return `${queued} queued, ${running} running, ${kept} kept, ${failed + interrupted} of them failed; ${own}`;
}
