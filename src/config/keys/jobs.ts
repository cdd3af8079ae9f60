import { orFromEnvironment } from "./from-environment.ts";
import { webhookSecret } from "./jobs-secret.ts";
import { key } from "./key.ts";
import { count, fileSize, oneOf, text } from "./kinds.ts";
import { section } from "./section.ts";

export const jobsKeys = section({
	file: key(orFromEnvironment(text, "a path"), {
		description:
			"The database of the jobs, relative to the config's folder. Its folder must be there. It may come from the environment.",
		example: "file: /tmp/sluice-jobs.db",
		default: "./sluice-jobs.db",
	}),
	maxBytes: key(fileSize, {
		field: "fileBytesMax",
		description:
			"The most that the database takes on the disk, without its journal. Beyond it a new job is refused with 503.",
		example: "maxBytes: 256MiB",
		default: "1GiB",
	}),
	queued: key(count(1_000_000), {
		field: "queuedMax",
		description:
			"How many jobs may wait for their turn, of all routes. Beyond it a new one is refused with 503.",
		example: "queued: 100",
		default: 1000,
	}),
	kept: key(count(1_000_000), {
		field: "keptMax",
		description:
			"How many jobs that have ended may be kept for their clients, of all routes. Beyond it a new one is refused with 503.",
		example: "kept: 500",
		default: 10_000,
	}),
	secret: key(webhookSecret, {
		description:
			"The key by which `webhook` calls are signed, `whsec_…` as Standard Webhooks have it. It comes from the environment.",
		example: "secret: ${env.WEBHOOK_SECRET}",
	}),
	run: key(oneOf(["everywhere", "work"]), {
		description:
			"Who runs jobs: every process of the gateway, or `sluice work` alone. With `work` the others take jobs on, show them, tell of their ends and make those of the clock, and none is run until `sluice work` runs.",
		example: "run: work",
		default: "everywhere",
	}),
	parallel: key(count(1000), {
		description: "How many jobs a process runs at once.",
		example: "parallel: 16",
		default: 4,
	}),
});
