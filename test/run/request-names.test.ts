import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { headerOf } from "../../src/core/http/headers.ts";
import { testGateway, testRoute } from "../kit/gateway.ts";

const uuid = /^[\da-f]{8}-[\da-f]{4}-5[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;

describe("`uuid(name)`", () => {
	it("is the same for each attempt of a call, and another in the next request", async () => {
		let attempts = 0;
		const { ask, calls } = testGateway(
			{
				upstreams: {
					pay: { url: "http://pay.test", retry: { attempts: 3 } },
				},
				routes: {
					"POST /x": {
						steps: {
							charge: {
								post: "pay/charges",
								idempotent: true,
								headers: { "idempotency-key": "${uuid('charge')}" },
								body: { mail: "${uuid('mail')}" },
							},
						},
						respond: "${uuid('charge')}",
					},
				},
			},
			() => (++attempts % 3 === 0 ? { json: 1 } : { status: 503 }),
		);
		const answers = [
			await ask("/x", { id: "r1", method: "POST" }),
			await ask("/x", { id: "r2", method: "POST" }),
		];
		const keys = calls.map(({ request }) =>
			headerOf(request.headers, "idempotency-key"),
		);
		const [first, second] = answers.map(({ json }) => json);
		assert.deepEqual(keys, [first, first, first, second, second, second]);
		assert.notEqual(first, second);
		for (const key of keys) assert.match(String(key), uuid);
		assert.ok(!String(calls[0]?.request.body).includes(String(first)));
	});

	it("is the same again for a request of the same id, and differs from name to name", async () => {
		const { ask } = testRoute(
			{ steps: {}, respond: ["${uuid('a')}", "${uuid('b')}"] },
			() => ({}),
		);
		const id = "chosen";
		const [one, other] = [await ask("/x", { id }), await ask("/x", { id })];
		assert.deepEqual(one.json, other.json);
		assert.notEqual((one.json as string[])[0], (one.json as string[])[1]);
		assert.notDeepEqual((await ask("/x")).json, one.json);
	});
});

describe("`request.time`", () => {
	it("is a whole number of milliseconds since 1970, the same wherever it is read", async () => {
		const { ask } = testRoute(
			{
				steps: { a: { get: "users/a" } },
				respond: [
					"${request.time}",
					"${request.time + 0 * a}",
					"${isoTime(request.time)}",
				],
			},
			() => ({ json: 1, afterMs: 40.5 }),
		);
		const before = Date.now() - 1;
		const { json } = await ask("/x");
		const [time, again, printed] = json as [number, number, string];
		assert.ok(Number.isInteger(time) && time >= before, String(time));
		assert.equal(again, time);
		assert.equal(Date.parse(printed), time);
	});
});
