import { part } from "./key.ts";
import { count, flag, rhythm } from "./kinds.ts";
import { section } from "./section.ts";

export const liveKeys = section({
	every: part(rhythm, { field: "everyMs" }),
	diff: part(flag, { default: false }),
	watches: part(count(100_000), { field: "watchesMax", default: 1000 }),
	watchers: part(count(1_000_000), { field: "watchersMax", default: 10_000 }),
});
