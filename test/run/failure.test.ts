import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { byPath, type Reply, testRoute } from "../kit/gateway.ts";

/** The answer of a route whose only step falls back to what it knows of its failure. */
async function failureOf(step: object, reply: Reply, upstreams = {}) {
	const { ask } = testRoute(
		{ steps: { a: { get: "users/a", fallback: "${failure}", ...step } } },
		() => reply,
		{ upstreams },
	);
	return (await ask("/x")).json;
}

describe("the failure that a fallback reads", () => {
	it("has the code, and the status if an answer failed the step", async () => {
		assert.deepEqual(await failureOf({}, { status: 503, json: { a: 1 } }), {
			code: "upstream_status",
			status: 503,
			body: null,
		});
		assert.deepEqual(
			await failureOf({}, { afterMs: Number.POSITIVE_INFINITY }),
			{
				code: "upstream_timeout",
				status: null,
				body: null,
			},
		);
		const within = { within: "1ms", fallback: "${failure.code}" };
		assert.equal(await failureOf(within, { afterMs: 5 }), "upstream_timeout");
	});

	it("has the body with `keepBody`, as `decode` reads it", async () => {
		const body = async (reply: Reply, step: object = {}) => {
			const keep = { keepBody: true, fallback: "${[failure.body]}", ...step };
			return failureOf(keep, reply);
		};
		const failed = { status: 422 };
		assert.deepEqual(await body({ ...failed, json: { a: [1] } }), [{ a: [1] }]);
		assert.deepEqual(await body({ ...failed, text: "<html>" }), [null]);
		assert.deepEqual(await body(failed), [null]);
		assert.deepEqual(
			await body({ ...failed, text: "<a>1</a>" }, { decode: "xml" }),
			[{ a: "1" }],
		);
		assert.deepEqual(
			await body({ json: { ok: false } }, { expect: "${answer.ok}" }),
			[{ ok: false }],
		);
		// It is no answer's fault.
		assert.deepEqual(await body({ json: 1 }, { pick: "${null + 1}" }), [null]);
	});

	it("has no body that takes more than is allowed, and is told all the same", async () => {
		const values = JSON.stringify(Array(1000).fill(0));
		const reply = { status: 500, text: values };
		const keep = { keepBody: true };
		const told = { code: "upstream_status", status: 500, body: null };
		const users = { url: "http://users.test", maxValues: 1000 };
		assert.deepEqual(await failureOf(keep, reply, { users }), told);
		const { ask } = testRoute(
			{
				maxRead: "1KiB",
				steps: { a: { get: "users/a", fallback: "${failure}", ...keep } },
			},
			() => reply,
		);
		assert.deepEqual((await ask("/x")).json, told);
	});

	it("is each item's own", async () => {
		const { ask } = testRoute(
			{
				steps: {
					a: {
						each: [1, 2, 3],
						get: "users/${item}",
						keepBody: true,
						fallback: "${[item, failure.status, failure.body]}",
					},
				},
			},
			byPath({
				"/1": { status: 500, json: "one", afterMs: 30 },
				"/2": { json: "two" },
				"/3": { status: 404, json: "three" },
			}),
		);
		assert.deepEqual((await ask("/x")).json, [
			[1, 500, "one"],
			"two",
			[3, 404, "three"],
		]);
	});

	it("is of a group the failure inside it, without a body", async () => {
		const { ask } = testRoute(
			{
				steps: {
					group: {
						steps: {
							a: { get: "users/a" },
							b: {
								get: "users/b",
								keepBody: true,
								fallback: "${failure.body.x + null}",
							},
						},
						fallback: "${failure}",
					},
				},
			},
			byPath({ "/b": { status: 503, json: { x: 1 } }, "/a": { afterMs: 50 } }),
		);
		assert.deepEqual((await ask("/x")).json, {
			code: "upstream_status",
			status: 503,
			body: null,
		});
	});

	it("is of the whole list where enough items cannot succeed", async () => {
		const { ask } = testRoute(
			{
				steps: {
					a: {
						each: [1, 2],
						enough: 2,
						get: "users/${item}",
						fallback: "${failure.code}",
					},
				},
			},
			byPath({ "/1": { status: 500 }, "/2": { json: 1 } }),
		);
		assert.equal((await ask("/x")).json, "upstream_status");
	});

	it("is still there when the fallback had to wait for another step", async () => {
		const { ask } = testRoute(
			{
				steps: {
					a: {
						get: "users/a",
						keepBody: true,
						fallback: "${[failure.body, b]}",
					},
					b: { get: "users/b" },
				},
				respond: "${a}",
			},
			byPath({
				"/a": { status: 500, json: "why" },
				"/b": { json: "b", afterMs: 50 },
			}),
		);
		assert.deepEqual((await ask("/x")).json, ["why", "b"]);
	});

	it("is that of the last attempt, and never of an answer that a cache gave instead", async () => {
		let count = 0;
		const { ask } = testRoute(
			{
				steps: {
					a: { get: "users/a", keepBody: true, fallback: "${failure.body}" },
				},
			},
			() => ({ status: 503, json: ++count }),
			{ upstreams: { users: { url: "http://users.test", retry: true } } },
		);
		assert.equal((await ask("/x")).json, count);
		assert.ok(count > 1, String(count));
	});

	it("shows its body to nobody but the fallback", async () => {
		const { ask, callsEnded, ended } = testRoute(
			{
				steps: {
					a: {
						get: "users/a",
						keepBody: true,
						fallback: "${failure.body + null}",
					},
				},
			},
			() => ({ status: 500, json: "secret" }),
		);
		const answer = await ask("/x");
		assert.equal(answer.code, "upstream_status");
		const shown = inspect([answer.text, callsEnded, ended], { depth: 20 });
		assert.doesNotMatch(shown, /secret/);
	});
});
