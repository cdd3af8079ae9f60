import { checkTarget } from "./check-target.ts";
import type { JobConfig, RequestConfig, RouteConfig } from "./config.ts";
import type { jobKeys } from "./keys/job.ts";
import type { ReadOf } from "./keys/section.ts";
import type { Problem } from "./problem.ts";
import { entryOf, placeOfKey } from "./shape.ts";
import type { MapSource } from "./source.ts";
import type { RouteContext } from "./steps/common.ts";

/** Reads where the end of a job is told. No data may choose that, so no name is known there. */
export function checkWebhook(
	{ webhook, ...others }: ReadOf<typeof jobKeys.keys>,
	context: RouteContext,
): JobConfig {
	const reader = { names: new Map(), problems: context.problems };
	const target = webhook && checkTarget(webhook, reader, context);
	return { ...others, webhook: target };
}

/** Refuses a job whose clients would be told two things by one word, and one that no clock can ask for. */
export function checkJob(
	{ job, live, path, request, key, auth }: RouteConfig,
	source: MapSource,
	problems: Problem[],
): void {
	if (job === null) return;
	if (live !== null) {
		const message =
			"`job` beside `live`: `Prefer: wait` and `text/event-stream` would mean two things, so make two routes of it";
		problems.push({ at: placeOfKey(source, "job"), message });
	}
	const written = entryOf(entryOf(source, "job"), "schedule");
	if (job.schedule === null || written === null) return;
	const needed = path.some((part) => typeof part !== "string")
		? "parameters in its path"
		: auth.length > 0
			? "credentials"
			: needs(request);
	if (needed === null) return;
	const message = `\`schedule\`: nobody sends ${needed} to \`${key}\`, so make a route of its own for it`;
	problems.push({ at: written.at, message });
}

function needs(request: RequestConfig): string | null {
	const fields = [request.query, request.headers, request.cookies].flat();
	const needed = fields.find(({ required }) => required);
	if (needed) return `\`${needed.wireName}\``;
	const { body, form, text, bytes } = request;
	return [body, form, text, bytes].some((one) => one?.required)
		? "a body"
		: null;
}
