import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkText } from "../../src/config/load.ts";
import { printProblem } from "../../src/config/problem.ts";
import { testRoute } from "../kit/gateway.ts";
import { serve } from "../kit/serve.ts";

describe("an answer whose body may be left out", () => {
	it("has no body and no type if the value is null, and else the value", async () => {
		for (const value of [null, 0, "", false, [], { a: null }]) {
			const { ask } = testRoute(
				{ steps: { a: { get: "users/a" } }, "respond?": "${a}" },
				() => ({ json: value }),
			);
			const answer = await ask("/x");
			const type = answer.header("content-type");
			assert.equal(answer.status, 200);
			assert.equal(answer.header("sluice-complete"), "?1");
			if (value === null) assert.deepEqual([answer.text, type], ["", null]);
			else {
				assert.equal(answer.text, JSON.stringify(value));
				assert.equal(type, "application/json; charset=utf-8");
			}
		}
	});

	it("keeps the type and status that the author says", async () => {
		const { ask } = testRoute({
			steps: {},
			"respond?": null,
			status: 202,
			headers: { "content-type": "application/json" },
		});
		const answer = await ask("/x");
		assert.deepEqual([answer.status, answer.text], [202, ""]);
		assert.equal(answer.header("content-type"), "application/json");
	});

	it("is a reply's by `body?`, and says what is missing", async () => {
		const { ask } = testRoute(
			{
				steps: {
					a: { get: "users/a", optional: true },
					done: { reply: { status: 200, "body?": "${a}" } },
				},
				respond: 1,
			},
			() => ({ status: 500 }),
		);
		const answer = await ask("/x");
		assert.deepEqual([answer.status, answer.text], [200, ""]);
		assert.equal(answer.header("sluice-complete"), "?0");
		assert.equal(answer.header("content-type"), null);
	});

	it("goes over the wire with a length of 0", async () => {
		await using gateway = await serve(
			"routes:\n  GET /x:\n    respond?: null\n",
		);
		const answer = await fetch(`${gateway.url}/x`);
		assert.deepEqual([answer.status, await answer.text()], [200, ""]);
		assert.equal(answer.headers.get("content-length"), "0");
		assert.equal(answer.headers.get("content-type"), null);
	});

	it("is written in one way, and not beside `proxy`", () => {
		const problemsOf = (route: string) =>
			checkText(
				`upstreams: { u: { url: "http://u.test" } }\nroutes: { GET /x: ${route} }`,
				"a.yaml",
				{},
			)
				.problems.filter(({ warning }) => !warning)
				.map(printProblem);
		assert.deepEqual(problemsOf("{ respond?: null }"), []);
		assert.deepEqual(problemsOf("{ respond: 1, respond?: null }"), [
			"a.yaml:2:33: `respond` and `respond?` are the same key: keep one",
		]);
		assert.match(
			problemsOf(
				"{ respond: 1, steps: { a: { reply: { body?: 1, body: 2 } } } }",
			).join(),
			/`body` and `body\?` are the same key/,
		);
		assert.match(
			problemsOf("{ proxy: u/x, respond?: null }").join(),
			/respond\?/,
		);
	});
});
