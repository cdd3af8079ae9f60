import { key } from "./key.ts";
import { flag, oneOf, share } from "./kinds.ts";
import { section } from "./section.ts";

export const logKeys = section(
	{
		requests: key(oneOf(["none", "failed", "partial", "all"]), {
			description:
				"Which requests are lines of the log: `none`, those that `failed` with 500 and above, besides them those with a `partial` answer, or `all`. With `all` each has a line of its own, with the number of its calls and the slowest of them.",
			example: "requests: all",
			default: "partial",
		}),
		clientErrors: key(flag, {
			description:
				"Whether answers from 400 to 499 are lines of the log, too: one a second for each route and code. With `requests: all` they always are.",
			example: "clientErrors: true",
			default: false,
		}),
		sample: key(share, {
			description:
				"With `requests: all`: the share of requests that have a line. Failed ones and partial answers always have one.",
			example: "requests: all\nsample: 0.1",
			default: 1,
		}),
		format: key(oneOf(["auto", "json", "text"]), {
			description:
				"`text` is for people, `json` for programs. `auto` is `text` if the log is a terminal.",
			example: "format: json",
			default: "auto",
		}),
	},
	{
		finish(read, say) {
			if (read.sample < 1 && read.requests !== "all") {
				say(
					"sample",
					"takes a share of what only `requests: all` tells: add it, or remove `sample`",
				);
			}
			if (read.clientErrors && read.requests === "none") {
				say(
					"clientErrors",
					"are requests, and `requests: none` tells of none: write `requests: failed`, or remove one of them",
				);
			}
			return read;
		},
	},
);
