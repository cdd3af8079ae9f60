import { checkChannelTarget } from "./check-target.ts";
import type { LiveConfig, RouteConfig, UpstreamConfig } from "./config.ts";
import { stepsInside } from "./graph.ts";
import { liveKeys } from "./keys/live.ts";
import type { ReadOf } from "./keys/section.ts";
import type { Names } from "./names.ts";
import type { Problem } from "./problem.ts";
import { entryOf, placeOfKey } from "./shape.ts";
import type { MapSource, Source } from "./source.ts";
import type { RouteContext } from "./steps/common.ts";
import { kindOf, type StepConfig } from "./steps/kinds.ts";

/** The names that say which instance of a channel is meant. It is known before the route runs. */
const ofRequest = ["params", "query", "headers", "cookies"];

/** Reads which channel a live route hears. `names` are those of the route. */
export function checkHeard(
	live: ReadOf<typeof liveKeys.keys>,
	names: Names,
	context: RouteContext,
): LiveConfig {
	const { on, ...others } = live;
	const known = ofRequest.map(
		(name) => [name, names.get(name) ?? null] as const,
	);
	const reader = { names: new Map(known), problems: context.problems };
	return { ...others, on: on && checkChannelTarget(on, reader, context) };
}

/** Refuses a live route that writes, that many could not share, or whose next run nobody could tell. */
export function checkLive(
	route: RouteConfig,
	source: MapSource,
	upstreams: ReadonlyMap<string, UpstreamConfig>,
	problems: Problem[],
): void {
	const { live, method, request, steps, headers } = route;
	if (live === null) return;
	const say = (at: number, message: string) => problems.push({ at, message });
	const at = placeOfKey(source, "live");
	if (method !== "GET") say(at, "`live` is for routes with `GET` only");
	if (request.body || request.form || request.text || request.bytes) {
		say(at, "a `live` route reads no body: `EventSource` sends none");
	}
	const all = stepsWith(steps, entryOf(source, "steps"));
	for (const { step, at } of all) {
		// A function's calls are looked at when it runs.
		if (kindOf(step).writes(step) !== "surely") continue;
		const message = `\`${step.name}\` writes, and a \`live\` route runs again and again: it must only read`;
		say(at, message);
	}
	const heads = [
		{ headers, of: source as Source },
		...all.flatMap(({ step, source }) =>
			step.kind === "reply"
				? [{ headers: step.headers, of: entryOf(source, "reply") }]
				: [],
		),
	];
	for (const { headers, of } of heads) {
		const fields = entryOf(of, "headers");
		for (const { name } of headers) {
			const why = refusedFields.get(name);
			if (why === undefined || fields?.kind !== "map") continue;
			const field = fields.entries.find((one) => isNamed(one.key, name));
			say(field?.at ?? at, `\`${name}\` in a \`live\` route: ${why}`);
		}
	}
	const isCached = all.some(
		({ step }) =>
			step.kind === "call" && (upstreams.get(step.upstream)?.cache ?? null),
	);
	// A time that could not be read was refused already, and so was a key that may be meant for one.
	const written = entryOf(source, "live");
	const saysWhen = ["every", "on"].some((key) => entryOf(written, key));
	const isRefused =
		written?.kind === "map" &&
		written.entries.some(({ key }) => !Object.hasOwn(liveKeys.keys, key));
	if (saysWhen || isRefused || isCached) return;
	say(
		at,
		"`live` does not say when the route runs again: write `every`, `on`, or `cache` at an upstream that it calls, whose answers then say how long they are fresh",
	);
}

const refusedFields: ReadonlyMap<string, string> = new Map([
	["content-type", "its answer is JSON, because events are texts"],
	["set-cookie", "its answer is given to all who watch the same"],
]);

/** A field's name may be written in any case, and with a `?`. */
function isNamed(key: string, name: string): boolean {
	return key.replace(/\?$/, "").toLowerCase() === name;
}

interface WrittenStep {
	readonly step: StepConfig;
	readonly at: number;
	readonly source: Source | null;
}

/** All steps, those of groups too, each with its place. */
function stepsWith(
	steps: readonly StepConfig[],
	written: Source | null,
): WrittenStep[] {
	if (written?.kind !== "map") return [];
	return steps.flatMap((step) => {
		const source = entryOf(written, step.name);
		return [
			{ step, at: placeOfKey(written, step.name), source },
			...stepsWith(stepsInside(step), entryOf(source, "steps")),
		];
	});
}
