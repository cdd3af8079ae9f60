import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import { headerOf } from "../../src/core/http/headers.ts";
import { byPath, hanging, type Reply, testRoute } from "../kit/gateway.ts";

/** The answer of a route whose only step makes one call, which is replied to so. */
async function called(step: object, reply: Reply) {
	return testRoute(
		{ steps: { a: { get: "users/a", ...step } } },
		() => reply,
	).ask("/x");
}

describe("a call", () => {
	for (const status of [200, 201, 204, 206, 299]) {
		it(`succeeds with ${status}`, async () => {
			const answer = await called({}, { status, json: { ok: true } });
			assert.deepEqual(answer.json, { ok: true });
			assert.equal(answer.header("sluice-complete"), "?1");
		});
	}

	for (const status of [300, 302, 304, 400, 404, 500, 599]) {
		it(`fails with ${status}, whatever the body says`, async () => {
			const answer = await called({}, { status, json: { ok: true } });
			assert.equal(answer.status, 502);
			assert.equal(answer.code, "upstream_status");
		});
	}

	it("takes the value itself where answers is a map, and pick does not run", async () => {
		const step = {
			answers: { 404: { found: false, told: "${answer.reason}" } },
			pick: "${answer.nothing.length + 1}",
		};
		const answer = await called(step, {
			status: 404,
			json: { reason: "no such user" },
		});
		assert.deepEqual(answer.json, { found: false, told: "no such user" });
		assert.equal(answer.header("sluice-complete"), "?1");
	});

	it("takes null where a map of answers says so", async () => {
		assert.equal(
			(await called({ answers: { 404: null } }, { status: 404 })).json,
			null,
		);
	});

	it("takes a success's value from a map of answers too", async () => {
		const step = { answers: { 202: "later" }, pick: "${answer.now}" };
		assert.equal((await called(step, { status: 202 })).json, "later");
		const now = await called(step, { status: 200, json: { now: 1 } });
		assert.equal(now.json, 1);
	});

	it("goes on to pick with a status in a list of answers", async () => {
		const step = {
			answers: [404, 410],
			pick: { status: "${response.status}", name: "${answer.name}" },
		};
		for (const status of [200, 404, 410]) {
			const answer = await called(step, { status, json: { name: "n" } });
			assert.deepEqual(answer.json, { status, name: "n" });
		}
		assert.equal((await called(step, { status: 409 })).code, "upstream_status");
	});

	it("takes a redirect as an answer, and does not follow it", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					a: {
						get: "users/a",
						answers: [302],
						pick: "${response.headers.location}",
					},
				},
			},
			() => ({
				status: 302,
				headers: ["Location", "http://other.test/"],
				text: "",
			}),
		);
		assert.equal((await ask("/x")).json, "http://other.test/");
		assert.equal(calls.length, 1);
	});

	it("is the decoded body without pick", async () => {
		for (const json of [null, 0, "", false, [1, { a: null }]]) {
			assert.deepEqual((await called({}, { json })).json, json);
		}
	});

	it("fails with a body that is not JSON", async () => {
		const bodies: Reply[] = [
			{ text: "<html>" },
			{ text: "{" },
			{ text: "NaN" },
			{ text: " " },
			{ text: "[1e400]" },
			{ bytes: Uint8Array.of(0x22, 0xff, 0x22) },
		];
		for (const reply of bodies) {
			const answer = await called({}, reply);
			assert.equal(answer.status, 502);
			assert.equal(answer.code, "upstream_invalid");
		}
	});

	it("is null on a listed status with a body that is not JSON", async () => {
		const reply = { status: 503, text: "<html>busy</html>" };
		assert.equal((await called({ answers: [503] }, reply)).json, null);
		const step = { answers: { 503: ["busy", "${answer}"] } };
		assert.deepEqual((await called(step, reply)).json, ["busy", null]);
	});

	it("is null with an empty body, which is valid", async () => {
		const step = { pick: ["${answer}", "${response.status}"] };
		for (const status of [200, 204]) {
			const answer = await called(step, { status, text: "" });
			assert.deepEqual(answer.json, [null, status]);
		}
		const unchanged = await called(
			{ ...step, answers: [304] },
			{ status: 304, text: "" },
		);
		assert.deepEqual(unchanged.json, [null, 304]);
	});

	it("sees a HEAD's headers in pick", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					a: { head: "users/a", pick: "${Number(response.headers.x_total)}" },
				},
			},
			() => ({ headers: ["X-Total", "12"], text: "" }),
		);
		assert.equal((await ask("/x")).json, 12);
		assert.equal(calls[0]?.request.method, "HEAD");
	});

	it("joins repeated headers, but lists cookies", async () => {
		const headers = [
			"Via",
			"1.1 a",
			"set-cookie",
			"a=1",
			"VIA",
			"1.1 b",
			"Set-Cookie",
			"b=2",
		];
		const step = {
			pick: ["${response.headers.via}", "${response.headers.set_cookie}"],
		};
		const answer = await called(step, { headers });
		assert.deepEqual(answer.json, ["1.1 a, 1.1 b", ["a=1", "b=2"]]);
		const none = await called({ pick: "${response.headers}" }, {});
		assert.deepEqual(none.json, { set_cookie: [] });
	});

	it("fails where pick fails", async () => {
		const text = { pick: "total ${answer.total}" };
		const missing = await called(text, { json: {} });
		assert.deepEqual(
			[missing.status, missing.code],
			[502, "reference_missing"],
		);
		const wrong = await called(text, { json: { total: [] } });
		assert.deepEqual([wrong.status, wrong.code], [500, "step_failed"]);
	});

	it("fails with the error of the wire", async () => {
		const error = new GatewayError(
			"upstream_unreachable",
			"refused by 10.0.0.1",
		);
		const answer = await called({}, { error });
		assert.deepEqual(
			[answer.status, answer.code],
			[502, "upstream_unreachable"],
		);
		assert.ok(!answer.text.includes("10.0.0.1"));
	});

	it("is bounded by its own timeout, else by its upstream's", async () => {
		const own = await called({ timeout: "300ms" }, hanging);
		assert.deepEqual(
			[own.status, own.code, own.atMs],
			[504, "upstream_timeout", 300],
		);
		const upstreams = await called({}, hanging);
		assert.deepEqual(
			[upstreams.code, upstreams.atMs],
			["upstream_timeout", 2000],
		);
		const longer = await called({ timeout: "5s" }, { json: 1, afterMs: 4000 });
		assert.equal(longer.json, 1);
	});

	it("is not bounded by its timeout while pick waits for another step", async () => {
		const { ask } = testRoute(
			{
				steps: {
					slow: { get: "orders/slow" },
					a: { get: "users/a", timeout: "100ms", pick: "${[answer, slow]}" },
				},
				respond: "${a}",
			},
			byPath({ "/slow": { json: 2, afterMs: 1500 }, "/a": { json: 1 } }),
		);
		assert.deepEqual((await ask("/x")).json, [1, 2]);
	});
});

describe("what a call sends of itself", () => {
	async function sent(
		step: object,
		headers: readonly string[] = [],
		users: object = {},
	) {
		const { ask, calls } = testRoute(
			{ steps: { a: { get: "users/a", ...step } } },
			() => ({}),
			{ upstreams: { users: { url: "http://users.test/v1/", ...users } } },
		);
		await ask("/x", { headers });
		return calls[0]?.request;
	}

	it("is what it accepts and who asks, and nothing of the client's", async () => {
		const client = [
			"cookie",
			"a=1",
			"authorization",
			"Bearer x",
			"user-agent",
			"curl",
		];
		assert.deepEqual((await sent({}, client))?.headers, [
			"accept",
			"application/json",
			"accept-encoding",
			"identity",
			"user-agent",
			"sluice",
		]);
	});

	it("gives way to what the upstream or the step says", async () => {
		const users = {
			headers: {
				...{ Accept: "text/*", "Accept-Encoding": "br" },
				...{ "User-Agent": "theirs", "x-key": "k" },
			},
		};
		assert.deepEqual(
			(await sent({ headers: { "user-agent": "mine", "X-Own": 1 } }, [], users))
				?.headers,
			[
				...["accept", "text/*", "accept-encoding", "br", "x-key", "k"],
				...["user-agent", "mine", "x-own", "1"],
			],
		);
	});

	it("announces a JSON body, and none without one", async () => {
		const { ask, calls } = testRoute({
			steps: {
				a: { post: "users/a", body: { n: 1, "none?": null, nil: null } },
				b: { post: "users/b" },
				c: { post: "users/c", body: null },
			},
			respond: 1,
		});
		await ask("/x");
		assert.deepEqual(
			calls.map(({ request }) => [
				request.body,
				headerOf(request.headers, "content-type"),
			]),
			[
				['{"n":1,"nil":null}', "application/json"],
				[null, null],
				["null", "application/json"],
			],
		);
	});

	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
	it("carries a well-formed trace on", async () => {
		const request = await sent({}, ["Traceparent", trace, "tracestate", "a=1"]);
		assert.equal(request?.headers.length, 6);
		assert.match(
			request?.along ?? "",
			/^x-request-id: .*\r\nvia: .*\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[\da-f]{16}-01\r\ntracestate: a=1\r\n$/,
		);
	});

	it("leaves the trace to an author who sets it", async () => {
		const headers = { traceparent: "mine" };
		const request = await sent({ headers }, ["traceparent", trace]);
		assert.deepEqual(request?.headers.slice(6), ["traceparent", "mine"]);
		assert.doesNotMatch(request?.along ?? "", /trace/);
	});

	it("has the upstream's query before the step's, which replaces it by name", async () => {
		const users = { query: { key: "k&1", units: "metric" } };
		const step = { query: { units: "imperial", q: "x" } };
		assert.equal(
			(await sent(step, [], users))?.target,
			"/v1/a?key=k%261&units=imperial&q=x",
		);
	});

	it("goes to the upstream's own path without one of its own", async () => {
		assert.equal((await sent({ get: "users" }))?.target, "/v1");
		assert.equal((await sent({ get: "users/" }))?.target, "/v1");
		assert.equal(
			(await sent({ get: "users" }, [], { url: "http://users.test" }))?.target,
			"/",
		);
		assert.equal((await sent({ get: "users/a/" }))?.target, "/v1/a/");
	});
});

describe("a listener that throws", () => {
	for (const status of [200, 500]) {
		it(`fails the request whose call ended with ${status}, and nothing else`, async () => {
			const { ask, gateway } = testRoute(
				{ steps: { a: { get: "users/a" } } },
				() => ({ status }),
			);
			const listener = () => {
				gateway.events.callEnded.pop();
				throw new Error("a listener's bug");
			};
			gateway.events.callEnded.push(listener);
			assert.equal((await ask("/x")).code, "internal");
			assert.equal((await ask("/x")).status, status === 200 ? 200 : 502);
		});
	}
});
