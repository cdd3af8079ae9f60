import type { JobsConfig } from "../config/config.ts";
import { allRead } from "../core/all-read.ts";
import type { Memory } from "../core/memory.ts";
import type { StartRun } from "../jobs/job-runner.ts";
import { Jobs } from "../jobs/jobs.ts";
import { SqliteJobs } from "../jobs/sqlite/sqlite-jobs.ts";
import type { Clock } from "../tasks/clock.ts";

/** Nothing is opened before the first job is looked for. */
export function openJobs(
	config: JobsConfig,
	{
		clock,
		memory,
		start,
	}: {
		readonly clock: Clock;
		readonly memory: Memory;
		readonly start: StartRun;
	},
): Jobs {
	const { file, fileBytesMax, queuedMax, keptMax, parallel, ...unread } =
		config;
	allRead(unread);
	const bounds = { file, fileBytesMax, queuedMax, keptMax };
	return new Jobs(new SqliteJobs(bounds, clock), {
		...{ parallel, clock, start },
		short: () => memory.short,
	});
}
