import type { RouteConfig } from "./config.ts";
import type { Problem } from "./problem.ts";
import { placeOfKey } from "./shape.ts";
import type { MapSource } from "./source.ts";

/** Refuses a job whose clients would be told two things by one word. */
export function checkJob(
	{ job, live }: RouteConfig,
	source: MapSource,
	problems: Problem[],
): void {
	if (job === null || live === null) return;
	const message =
		"`job` beside `live`: `Prefer: wait` and `text/event-stream` would mean two things, so make two routes of it";
	problems.push({ at: placeOfKey(source, "job"), message });
}
