import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { UserContext } from "../../src/config/config.ts";
import { filled, short } from "../kit/costly-json.ts";
import { testRoute } from "../kit/gateway.ts";
import { turnsOf } from "../kit/turns.ts";
import { keepCostlyTurnsShort } from "./costly-turns.ts";

/** One request of each route, at the default limits. `of` is what `users` answers. */
const cases: readonly {
	readonly title: string;
	readonly route: object;
	readonly of: string;
	readonly upstream?: object;
}[] = [
	{
		title: "prints integers of 1,000 digits, many times over",
		of: filled(1_000_000, () => "9".repeat(1000)),
		route: { respond: "${'x'.repeat(80).split('').map(x => a)}" },
	},
	{
		title: "prints one map of many keys",
		of: filled(700_000, (index) => `"${short(index)}":1`, "{}"),
		route: { respond: "${[a, a, a]}" },
	},
	{
		title: "prints maps whose keys are numbers, many times over",
		of: filled(220_000, () => '{"1022":1}'),
		route: { respond: "${a.slice(0, 100).map(x => a)}" },
	},
	{
		title: "gives maps whose keys are numbers to a function",
		of: filled(220_000, () => '{"1022":1}'),
		route: {
			steps: {
				a: { get: "users/" },
				b: { run: ({ a }: { a: unknown }) => a, args: { a: "${a}" } },
			},
			respond: "${b.length}",
		},
	},
	{
		title: "gives one map of many keys to a function",
		of: filled(700_000, (index) => `"${short(index)}":1`, "{}"),
		route: {
			steps: {
				a: { get: "users/" },
				b: { run: ({ a }: { a: unknown }) => a, args: { a: "${a}" } },
			},
			respond: "${Object.keys(b).length}",
		},
	},
	{
		title: "sends a long body many times from a function",
		of: filled(500_000, (index) => `{"k":${index}}`),
		route: {
			calls: 200,
			steps: {
				a: { get: "users/" },
				b: {
					run: async ({ a: body }: { a: unknown }, { call }: UserContext) => {
						const calls = Array.from({ length: 200 }, () =>
							call("search/", { body }),
						);
						return (await Promise.allSettled(calls)).length;
					},
					args: { a: "${a}" },
				},
			},
			respond: "${b}",
		},
	},
	{
		title: "reads an answer that others read too",
		of: filled(500_000, (index) => `{"${short(index)}":1}`),
		upstream: { coalesce: true },
		route: {
			steps: {
				a: { get: "users/" },
				b: { get: "users/" },
				c: { get: "users/" },
			},
			respond: "${[a, b, c].length}",
		},
	},
];

describe("a request keeps nobody waiting at the default limits", () => {
	for (const { title, route, of, upstream = {} } of cases) {
		it(`where it ${title}`, async () => {
			const { turns, value } = await turnsOf(() => {
				const { ask } = testRoute(
					{ steps: { a: { get: "users/" } }, ...route },
					({ upstream: name }) => ({ text: name === "users" ? of : "1" }),
					{ upstreams: { users: { url: "http://users.test", ...upstream } } },
				);
				return ask("/x");
			});
			assert.notEqual(value.code, "upstream_invalid");
			assert.ok(turns < 1, `${turns} times 100 ms`);
		});
	}

	it("whatever its route computes of whatever data, four at once too", () =>
		keepCostlyTurnsShort({ numRuns: 16, seed: 1 }, 30_000));
});
