import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { byPath, type Reply, testRoute } from "../kit/gateway.ts";

const request = {
	query: { "q?": { type: "string" }, "n?": { type: "integer" } },
	"body?": {},
};

/** The answer of a route without steps. */
function respond(route: object, query = "") {
	return testRoute({ request, respond: 1, ...route }).ask(`/x${query}`);
}

describe("an answer", () => {
	it("that is a text is refused where half a surrogate pair would become another character", async () => {
		const { ask } = testRoute(
			{
				request,
				steps: { a: { get: "users/a" } },
				headers: { "content-type": "text/plain" },
				respond: "${a}${body ?? ''}",
			},
			() => ({ text: '"\\ud83e"' }),
		);
		assert.equal((await ask("/x")).code, "step_failed");
	});

	it("is the only step's value where nothing else is said", async () => {
		const { ask } = testRoute({ steps: { a: { value: { b: [1, null] } } } });
		const { status, headers, body } = await ask("/x");
		assert.deepEqual(
			{ status, headers, body },
			{
				status: 200,
				headers: [
					"x-content-type-options",
					"nosniff",
					"content-type",
					"application/json; charset=utf-8",
					"sluice-complete",
					"?1",
				],
				body: '{"b":[1,null]}',
			},
		);
	});

	it("keeps the order of respond's keys, whichever part came first", async () => {
		const texts = [];
		for (const [a, b] of [
			[10, 20],
			[20, 10],
		]) {
			const { ask } = testRoute(
				{
					steps: { a: { get: "users/a" }, b: { get: "users/b" } },
					respond: { z: "${b}", a: "${a}", "left_out?": null },
				},
				byPath({
					"/a": { json: 1, afterMs: a as number },
					"/b": { json: 2, afterMs: b as number },
				}),
			);
			texts.push((await ask("/x")).text);
		}
		assert.deepEqual(texts, ['{"z":2,"a":1}', '{"z":2,"a":1}']);
	});

	it("has the status its template gives", async () => {
		assert.equal((await respond({ status: 201 })).status, 201);
		const status = "${query.n}";
		assert.equal((await respond({ status }, "?n=418")).status, 418);
		for (const n of [199, 600, -1]) {
			const answer = await respond({ status }, `?n=${n}`);
			assert.deepEqual([answer.status, answer.code], [500, "step_failed"]);
		}
		const text = await respond({ status: "${query.q}" }, "?q=200");
		assert.equal(text.code, "step_failed");
	});

	for (const status of [204, 205, 304]) {
		it(`has no body where its status is ${status}`, async () => {
			const answer = await respond({ status });
			assert.equal(answer.body, null);
			assert.equal(answer.header("content-type"), null);
			assert.equal(answer.header("sluice-complete"), "?1");
		});
	}

	it("has the headers its templates give", async () => {
		const headers = {
			"X-Q": "q is ${query.q}",
			vary: ["accept", "${query.q}"],
			"x-n?": "${query.n}",
			"set-cookie": "${[1, 2].map(n => 'c' + n)}",
		};
		const answer = await respond({ headers }, "?q=a");
		assert.deepEqual(answer.headers.slice(2, -4), [
			"x-q",
			"q is a",
			"vary",
			"accept",
			"vary",
			"a",
			"set-cookie",
			"c1",
			"set-cookie",
			"c2",
		]);
	});

	it("refuses a header value that is no header value", async () => {
		const headers = { location: "/u/${query.q}" };
		for (const q of ["%0d%0aset-cookie:a=1", "%F0%9F%8F%94", "%C3%A9"]) {
			const answer = await respond({ headers }, `?q=${q}`);
			assert.deepEqual([answer.status, answer.code], [400, "request_invalid"]);
		}
		const missing = await respond({ headers });
		assert.deepEqual(
			[missing.status, missing.code],
			[400, "reference_missing"],
		);
	});

	it("fails where respond fails", async () => {
		const answer = await respond({ respond: "Hello ${query.q}" });
		assert.deepEqual([answer.status, answer.code], [400, "reference_missing"]);
		const { ask } = testRoute({
			steps: { a: { get: "users/a" } },
			respond: "Hello ${a.name}",
		});
		assert.equal((await ask("/x")).status, 502);
	});

	it("keeps null in respond", async () => {
		const answer = await respond({ respond: { q: "${query.q}", l: [null] } });
		assert.deepEqual(answer.json, { q: null, l: [null] });
	});
});

describe("an answer of another content type", () => {
	it("is the text itself", async () => {
		const answer = await respond(
			{
				headers: { "Content-Type": "text/html; charset=utf-8" },
				respond: "<p>${query.q}</p>",
			},
			"?q=%F0%9F%8F%94",
		);
		assert.equal(answer.body, "<p>🏔</p>");
		assert.equal(
			answer.headers.filter((name) => name === "content-type").length,
			1,
		);
	});

	it("fails where it is no text", async () => {
		for (const value of [1, null, ["a"], { a: 1 }]) {
			const answer = await respond({
				headers: { "content-type": "text/plain" },
				respond: value,
			});
			assert.deepEqual([answer.status, answer.code], [500, "step_failed"]);
		}
	});

	for (const type of [
		"application/json",
		"application/geo+json; v=1",
		"text/JSON",
	]) {
		it(`is JSON where it is ${type}`, async () => {
			const answer = await respond({
				headers: { "content-type": type },
				respond: "text",
			});
			assert.equal(answer.body, '"text"');
			assert.equal(answer.header("content-type"), type);
		});
	}

	for (const type of [
		"application/x-ndjson",
		"text/plain; a=/json",
		"application/jsonp",
	]) {
		it(`is no JSON where it is ${type}`, async () => {
			const answer = await respond({
				headers: { "content-type": type },
				respond: "text",
			});
			assert.equal(answer.body, "text");
		});
	}

	it("is told by the header's name, not by a value that reads the same", async () => {
		const answer = await respond({
			headers: { vary: "content-type", "x-after": "1" },
			respond: { a: 1 },
		});
		assert.deepEqual(answer.json, { a: 1 });
		assert.equal(
			answer.header("content-type"),
			"application/json; charset=utf-8",
		);
	});
});

describe("a partial answer", () => {
	const fails: Reply = { status: 500 };

	it("is not to be kept, whatever the author says", async () => {
		const headers = { "Cache-Control": ["max-age=60", "public"], etag: '"1"' };
		const step = { get: "users/a", optional: true };
		const route = { headers, steps: { a: step }, respond: ["${a}"] };
		const whole = await testRoute(route).ask("/x");
		assert.deepEqual(whole.headers.slice(2), [
			"cache-control",
			"max-age=60",
			"cache-control",
			"public",
			"etag",
			'"1"',
			"content-type",
			"application/json; charset=utf-8",
			"sluice-complete",
			"?1",
			"vary",
			"accept",
		]);
		const partial = await testRoute(route, () => fails).ask("/x");
		assert.deepEqual(partial.headers.slice(2), [
			"etag",
			'"1"',
			"content-type",
			"application/json; charset=utf-8",
			"cache-control",
			"no-store",
			"sluice-complete",
			"?0",
			"sluice-missing",
			"a;error=upstream_status",
		]);
	});

	it("names what is missing by plan and index, however it came", async () => {
		const { ask } = testRoute(
			{
				steps: {
					z: { get: "users/z", optional: true },
					m: { each: [3, 2, 1], get: "users/m/${item}", optional: true },
					a: { get: "users/a", timeout: "1s", fallback: 1 },
				},
				respond: ["${z}", "${m}", "${a}"],
			},
			({ request }) => {
				if (request.target === "/z") return { text: "?", afterMs: 500 };
				if (request.target === "/a") return { afterMs: 5000 };
				return { status: 500, afterMs: Number(request.target.slice(3)) };
			},
		);
		assert.equal(
			(await ask("/x")).header("sluice-missing"),
			[
				"z;error=upstream_invalid",
				"m;index=0;error=upstream_status",
				"m;index=1;error=upstream_status",
				"m;index=2;error=upstream_status",
				"a;error=upstream_timeout",
			].join(", "),
		);
	});

	async function missing(count: number): Promise<string | null> {
		const { ask } = testRoute(
			{
				steps: {
					a: {
						each: Array.from({ length: count }, (_, index) => index),
						get: "users/a",
						optional: true,
					},
				},
			},
			() => fails,
		);
		return (await ask("/x")).header("sluice-missing");
	}

	it("names 16 parts, and counts those beyond", async () => {
		const named = (count: number) =>
			Array.from(
				{ length: count },
				(_, index) => `a;index=${index};error=upstream_status`,
			);
		assert.equal(await missing(15), named(15).join(", "));
		assert.equal(await missing(16), named(16).join(", "));
		assert.equal(await missing(17), [...named(16), "more;count=1"].join(", "));
		assert.equal(await missing(99), [...named(16), "more;count=83"].join(", "));
	});

	it("tells the operator of every part, with its cause", async () => {
		const { ask, ended } = testRoute(
			{ steps: { a: { each: [1, 2], get: "users/a", optional: true } } },
			() => fails,
		);
		await ask("/x");
		assert.deepEqual(
			ended[0]?.missing.map(({ step, index, error }) => [
				step,
				index,
				error.facts.upstreamStatus,
			]),
			[
				["a", [0], 500],
				["a", [1], 500],
			],
		);
	});
});
