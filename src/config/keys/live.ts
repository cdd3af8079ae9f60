import type { Source } from "../source.ts";
import { part } from "./key.ts";
import { type Kind, reading } from "./kind.ts";
import { count, flag, rhythm } from "./kinds.ts";
import { section } from "./section.ts";
import { textTemplate } from "./templates.ts";

/** Read later, when it is known what a client may send. */
const channel: Kind<string, Source> = reading(textTemplate, (source) => source);

export const liveKeys = section({
	every: part(rhythm, { field: "everyMs" }),
	on: part(channel, {}),
	diff: part(flag, { default: false }),
	watches: part(count(100_000), { field: "watchesMax", default: 1000 }),
	watchers: part(count(1_000_000), { field: "watchersMax", default: 10_000 }),
});
