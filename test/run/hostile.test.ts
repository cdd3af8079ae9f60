import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testRoute } from "../kit/gateway.ts";

/** Passes an upstream's answer on: as it is, and through expressions. */
async function passed(text: string) {
	const { ask } = testRoute(
		{
			steps: {
				a: { get: "users/a" },
				spread: { value: "${({...a})}" },
				rebuilt: { value: "${Object.fromEntries(Object.entries(a ?? {}))}" },
			},
			respond: {
				a: "${a}",
				spread: "${spread}",
				rebuilt: "${rebuilt}",
				admin: "${a.admin}",
				to_string: "${a.toString}",
			},
		},
		() => ({ text }),
	);
	return ask("/x");
}

function assertUntouched(): void {
	const fresh = {} as Record<string, unknown>;
	assert.equal(fresh["admin"], undefined);
	assert.equal(Object.getPrototypeOf(fresh), Object.prototype);
	assert.equal(fresh.constructor, Object);
}

describe("data of an upstream", () => {
	for (const text of [
		'{"__proto__":{"admin":true}}',
		'{"constructor":{"prototype":{"admin":true}}}',
		'{"a":{"__proto__":{"admin":true},"toString":1}}',
	]) {
		it(`is data, and changes no prototype: ${text}`, async () => {
			const answer = await passed(text);
			const whole = `{"a":${text},"spread":${text},"rebuilt":${text},"admin":null,"to_string":null}`;
			assert.equal(answer.text, whole);
			assertUntouched();
		});
	}

	for (const digits of [
		"9223372036854775807",
		"-9223372036854775808",
		"12345678901234567890123",
	]) {
		it(`keeps its digits: ${digits}`, async () => {
			const { ask, calls } = testRoute(
				{
					steps: {
						a: { get: "users/a" },
						b: {
							post: "users/${a.id}",
							query: { id: "${a.id}", list: "${a.ids}" },
							headers: { "x-id": "id ${a.id}" },
							body: "${a}",
						},
					},
					respond: ["${a}", "${b}"],
				},
				() => ({ text: `{"id":${digits},"ids":[${digits}]}` }),
			);
			const answer = await ask("/x");
			const whole = `{"id":${digits},"ids":[${digits}]}`;
			assert.equal(answer.text, `[${whole},${whole}]`);
			const sent = calls[1]?.request;
			assert.equal(sent?.target, `/${digits}?id=${digits}&list=${digits}`);
			assert.equal(sent?.headers.at(-1), `id ${digits}`);
			assert.equal(sent?.body, whole);
		});
	}

	it("has one value under a key given twice: the last", async () => {
		assert.match(
			(await passed('{"a":1,"b":2,"a":3}')).text,
			/^\{"a":\{"a":3,"b":2\},/,
		);
	});

	const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
	it("may nest 64 levels deep, and no deeper", async () => {
		const status = async (levels: number) => {
			const { ask } = testRoute({ steps: { a: { get: "users/a" } } }, () => ({
				text: nested(levels),
			}));
			const answer = await ask("/x");
			if (answer.status === 200) assert.equal(answer.text, nested(levels));
			else assert.equal(answer.code, "upstream_invalid");
			return answer.status;
		};
		assert.deepEqual(
			[
				await status(63),
				await status(64),
				await status(65),
				await status(10_000),
			],
			[200, 200, 502, 502],
		);
	});

	it("that nests too deep is null on a listed status", async () => {
		const { ask } = testRoute(
			{ steps: { a: { get: "users/a", answers: [500] } }, respond: ["${a}"] },
			() => ({ status: 500, text: nested(10_000) }),
		);
		assert.equal((await ask("/x")).text, "[null]");
	});

	it("names no header that would reach a prototype", async () => {
		const { ask } = testRoute(
			{ steps: { a: { get: "users/a", pick: "${response.headers}" } } },
			() => ({ headers: ["__proto__", "x", "constructor", "y"], json: 1 }),
		);
		assert.equal((await ask("/x")).text, '{"set_cookie":[],"constructor":"y"}');
		assertUntouched();
	});
});

describe("data of a client", () => {
	const route = {
		request: { body: { type: "object" } },
		steps: { a: { post: "users/a", body: "${body}" } },
		respond: ["${body}", "${a}"],
	};

	for (const text of [
		'{"__proto__":{"admin":true}}',
		'{"constructor":{"prototype":{"admin":true}}}',
		'{"id":9223372036854775807}',
	]) {
		it(`goes on unchanged: ${text}`, async () => {
			const { ask, calls } = testRoute(route, ({ request }) => ({
				text: request.body ?? "",
			}));
			const answer = await ask("/x", { body: text });
			assert.equal(answer.text, `[${text},${text}]`);
			assert.equal(calls[0]?.request.body, text);
			assertUntouched();
		});
	}
});
