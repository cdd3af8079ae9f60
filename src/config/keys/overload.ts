import { key } from "./key.ts";
import { count, duration } from "./kinds.ts";
import { section } from "./section.ts";

export const overloadKeys = section(
	{
		requests: key(count(1_000_000), {
			field: "requestsMax",
			description:
				"How many requests are carried out at a time. At this number optional parts are left out.",
			example: "requests: 500",
			default: 2000,
		}),
		waiting: key(count(1_000_000, 0), {
			field: "waitingMax",
			description:
				"How many more requests wait for their turn. One more is refused with 503 `overloaded`.",
			example: "waiting: 20",
			default: 100,
		}),
		wait: key(duration, {
			field: "waitMs",
			description: "How long a request waits at most. Then it is refused.",
			example: "wait: 200ms",
			default: "500ms",
		}),
		skipAt: key(duration, {
			field: "skipAtMs",
			description:
				"How late requests may be begun before optional parts are left out. Steps with `optional` or `fallback` then fail with `overloaded`.",
			example: "skipAt: 100ms",
			default: "200ms",
		}),
		refuseAt: key(duration, {
			field: "refuseAtMs",
			description:
				"How late requests may be begun before further ones are refused. Not below `skipAt`.",
			example: "refuseAt: 1s",
			default: "500ms",
		}),
	},
	{
		finish(read, say) {
			const { skipAtMs, refuseAtMs } = read;
			if (refuseAtMs < skipAtMs) {
				say(
					null,
					`requests would be refused (\`refuseAt\` ${refuseAtMs} ms) before optional parts are left out (\`skipAt\` ${skipAtMs} ms): set both`,
				);
			}
			return read;
		},
	},
);
