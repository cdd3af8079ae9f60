import type { HistoryConfig } from "../../config/config.ts";
import { allRead } from "../../core/all-read.ts";
import { listen, type TrailEnded } from "../../core/events.ts";
import type { Gateway } from "../../gateway/gateway.ts";
import type { Log } from "../log/log.ts";
import { type Ending, endingOf } from "../log/log-requests.ts";
import type { HistoryPage, HistoryQuery, KeptDetail } from "./messages.ts";
import { DatabaseThread } from "./thread.ts";
import { HistoryWriter, type WriterState } from "./writer.ts";

/** The database of one gateway's requests. */
export interface History {
	/** Looks for kept requests, the newest first. Rejects with `admin_unavailable` if the file cannot be read now. */
	search(query: HistoryQuery): Promise<HistoryPage>;
	/** The newest one whose id begins so; null if none is kept. Rejects as `search` does. */
	detail(id: string): Promise<KeptDetail | null>;
	/** How writing goes, since it was opened. */
	state(): WriterState;
	/** Keeps no more requests. Resolves when those that wait are written, or after two seconds. */
	close(): Promise<void>;
}

/** Endings that are kept besides those that `failed`. */
const others: Readonly<Record<HistoryConfig["requests"], readonly Ending[]>> = {
	failed: [],
	partial: ["partial"],
	all: ["partial", "whole", "left", "unwatched", "refused"],
};

/**
 * Writes the requests of a gateway to a database, on a thread of its own. No request waits for it, and none fails with
 * it: what cannot be written waits up to a bound, and then is counted and told to `log`.
 */
export function openHistory(
	{
		plan,
		events,
		clock,
		secrets,
	}: Pick<Gateway, "plan" | "events" | "clock" | "secrets">,
	config: HistoryConfig,
	log: Pick<Log, "warn" | "info"> | null = null,
): History {
	const { file, keptMs, fileBytesMax, requests, ...unread } = config;
	allRead(unread);
	const recorded = plan.routes.flatMap(({ record }) => record);
	const columns = [...new Set(recorded.map(({ name }) => name))];
	const bounds = { file, keptMs, fileBytesMax, columns };
	const thread = new DatabaseThread(bounds, clock, (end) => writer.ended(end));
	const writer = new HistoryWriter(thread, clock, log, secrets);
	thread.begin();
	const kept: ReadonlySet<Ending> = new Set([
		...(["failed", "failed_alone", "failed_late", "cut"] as const),
		"overloaded",
		...others[requests],
	]);
	const detach = listen(events.trailEnded, (end: TrailEnded) => {
		if (kept.has(endingOf(end))) writer.take(end);
	});
	return {
		search: (query) => thread.search(query),
		detail: (id) => thread.detail(id),
		state: () => writer.state(),
		async close() {
			detach();
			await writer.close();
		},
	};
}
