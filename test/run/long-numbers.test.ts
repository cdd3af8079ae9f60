import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testRoute } from "../kit/gateway.ts";

const text = "1234567890123456.78";

const errorsIn = (json: unknown) =>
	(json as { errors: readonly { at: string; message: string }[] }).errors;

describe("a number of many digits", () => {
	it("passes from an upstream to the client, and into each part of a call", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					a: { get: "users/a" },
					b: {
						post: "users/b/${a.n}",
						query: { n: "${a.n}" },
						headers: { "x-n": "${a.n}" },
						body: { n: "${a.n}" },
					},
				},
				respond: { n: "${a.n}", id: "${a.id}", same: "${a.n === b}" },
			},
			({ request }) => ({
				text: request.method === "GET" ? `{"n":${text},"id":1e2}` : text,
			}),
		);
		const answer = await ask("/x");
		assert.equal(answer.text, `{"n":${text},"id":100,"same":true}`);
		const { target, headers, body } = calls[1]?.request ?? {};
		assert.equal(target, `/b/${text}?n=${text}`);
		assert.ok(headers?.includes(text));
		assert.equal(String(body), `{"n":${text}}`);
	});

	it("is judged as the nearest number, and read with its digits", async () => {
		const { ask } = testRoute(
			{
				request: {
					query: { "n?": { type: "number", maximum: 2e15 } },
					body: { properties: { n: { type: "number", maximum: 2e15 } } },
				},
				steps: {},
				respond: ["${query.n}", "${body.n}"],
			},
			() => ({}),
			{ key: "POST /x" },
		);
		const post = (query: string, body: string) =>
			ask(`/x${query}`, { method: "POST", body });
		const answer = await post(`?n=${text}`, `{"n":${text}}`);
		assert.equal(answer.text, `[${text},${text}]`);
		const wrong = await post(`?n=3${text}`, `{"n":3${text}}`);
		assert.deepEqual(
			errorsIn(wrong.json).map(({ at }) => at),
			["query.n", "body/n"],
		);
	});

	it("is told as too large if no double holds it", async () => {
		const { ask } = testRoute(
			{ request: { body: {} }, steps: {}, respond: "${body}" },
			() => ({}),
			{ key: "POST /x" },
		);
		const { json, status } = await ask("/x", {
			method: "POST",
			body: "[1e400]",
		});
		assert.equal(status, 400);
		assert.deepEqual(errorsIn(json), [
			{ at: "body", message: "is JSON in which a number is too large" },
		]);
		const other = testRoute(
			{ steps: { a: { get: "users/a" } }, respond: "${a}" },
			() => ({ text: "[1e400]" }),
		);
		const answer = await other.ask("/x");
		assert.equal(answer.code, "upstream_invalid");
		assert.match(
			String(other.ended[0]?.error?.message),
			/answered JSON in which a number is too large/,
		);
	});
});
