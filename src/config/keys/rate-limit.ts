import { z } from "zod";
import { readBy } from "../check-rate-limit.ts";
import type { Names } from "../names.ts";
import { key } from "./key.ts";
import { reading } from "./kind.ts";
import { count, wholeSeconds } from "./kinds.ts";
import { section } from "./section.ts";

/** `names` are those visible where the limit stands. */
const by = reading<
	string,
	ReturnType<typeof readBy>,
	{ readonly names: Names }
>(z.string({ error: "a text" }), (source, { names }, { problems }) =>
	readBy(source, names, problems),
);

export const rateLimitKeys = section({
	limit: key(count(1_000_000), {
		required: true,
		description:
			"Required. How many requests may come at once. Each of them may come anew after `per` divided by `limit`.",
		example: "limit: 100",
	}),
	per: key(wholeSeconds, {
		field: "perMs",
		required: true,
		description:
			"Required. The time in which `limit` more may come: a whole number of seconds.",
		example: "per: 1m",
	}),
	by: key(by, {
		description:
			"Requests with the same value are counted together. It may read `request.ip` (for IPv6 its network of 64 bits), `request.method`, `request.path`, and the `params`, `query`, `headers` and `cookies` that the route declares. On the gateway nothing is declared: there it may read any member of the last three, as a text. With `auth` it may read who asks; on the gateway it then counts the requests of all routes with `auth` together. A text without `${…}` is one limit for all. A limit by what a client chooses needs one by `request.ip` beside it.",
		example: 'by: "${request.ip} ${request.method}"',
		default: "${request.ip}",
	}),
});

/** The most limits in one list. More would only cost each request time. */
export const rateLimitsMax = 8;
