import type { JobsConfig, StoreConfig } from "../config/config.ts";
import { allRead } from "../core/all-read.ts";
import type { Memory } from "../core/memory.ts";
import { BullmqJobs } from "../jobs/bullmq/bullmq-jobs.ts";
import type { StartRun } from "../jobs/job-runner.ts";
import { Jobs } from "../jobs/jobs.ts";
import { SqliteJobs } from "../jobs/sqlite/sqlite-jobs.ts";
import { keyPrefix } from "../store/address.ts";
import type { Clock } from "../tasks/clock.ts";
import type { GatewayRoute } from "./gateway-route.ts";
import { scheduledJobs } from "./scheduled-jobs.ts";
import { createSendHook } from "./send-hook.ts";

/** Nothing is opened before the first job is looked for. */
export function openJobs(
	config: JobsConfig,
	store: StoreConfig | null,
	{
		clock,
		memory,
		start,
		routes,
	}: {
		readonly clock: Clock;
		readonly memory: Memory;
		readonly start: StartRun;
		readonly routes: readonly GatewayRoute[];
	},
): Jobs {
	const { file, fileBytesMax, queuedMax, keptMax, ...others } = config;
	const { parallel, secret, run, ...unread } = others;
	allRead(unread);
	const bounds = { queuedMax, keptMax };
	const url = store?.url.reveal() ?? "";
	const kept =
		store === null
			? new SqliteJobs({ file, fileBytesMax, ...bounds }, clock)
			: new BullmqJobs(
					{ url, prefix: keyPrefix(url, store.prefix), ...bounds },
					clock,
				);
	return new Jobs(kept, {
		...{ parallel, clock, start },
		runsHere: run === "everywhere",
		send: createSendHook(routes, secret?.reveal() ?? null, clock),
		scheduled: scheduledJobs(routes),
		short: () => memory.short,
	});
}
