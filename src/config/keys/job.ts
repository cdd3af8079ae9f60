import { z } from "zod";
import { faultOfCron, isTimeZone } from "../../core/cron.ts";
import type { Source } from "../source.ts";
import { part } from "./key.ts";
import { asWritten, type Kind, reading } from "./kind.ts";
import { count, flag, keeping } from "./kinds.ts";
import { section } from "./section.ts";
import { textTemplate } from "./templates.ts";

const cronWords =
	"a cron expression: minute, hour, day of the month, month, day of the week, such as `0 6 * * *`";
const cron = asWritten<string>(
	z
		.string({ error: cronWords })
		.refine((text) => faultOfCron(text) === null, { error: cronWords }),
);

const zoneWords = "a time zone, such as `Europe/Berlin`";
const zone = asWritten<string>(
	z.string({ error: zoneWords }).refine(isTimeZone, { error: zoneWords }),
);

/** Read later, when it is known which upstreams there are. */
const target: Kind<string, Source> = reading(textTemplate, (source) => source);

export const jobKeys = section({
	always: part(flag, { default: false }),
	expires: part(keeping, { field: "expiresMs", default: "1h" }),
	keep: part(keeping, { field: "keptMs", default: "1h" }),
	attempts: part(count(20), {}),
	schedule: part(cron, {}),
	zone: part(zone, { default: "UTC" }),
	webhook: part(target, {}),
});
