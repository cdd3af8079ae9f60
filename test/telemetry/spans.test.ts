import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { UserContext } from "../../src/config/config.ts";
import type { SpanFacts } from "../../src/telemetry/traces/span.ts";
import {
	type Behaviour,
	byPath,
	type TestGateway,
	testGateway,
	testRoute,
} from "../kit/gateway.ts";
import { sentId, tracing } from "../kit/spans.ts";

const traceId = "12345678901234567890123456789012";
const parentId = "1234567890123456";
const sampled = ["traceparent", `00-${traceId}-${parentId}-01`];

/** A gateway that traces each request, and the spans of those that have ended. */
function traced(test: TestGateway, spansMax?: number) {
	return { ...test, spans: tracing(test, spansMax) };
}

function tracedRoute(
	route: object,
	behave?: Behaviour,
	options?: Parameters<typeof testRoute>[2],
) {
	return traced(testRoute(route, behave, options));
}

/** The spans by their names; those of one name in the order in which they began. */
function named(spans: readonly SpanFacts[], name: string): SpanFacts[] {
	return spans.filter((span) => span.name === name);
}

function only(spans: readonly SpanFacts[], name: string): SpanFacts {
	const found = named(spans, name);
	assert.equal(found.length, 1, name);
	return found[0] as SpanFacts;
}

const idOf = ({ context }: SpanFacts) => context.spanId;
const parentOf = ({ parent }: SpanFacts) => parent?.spanId;
const attribute = (span: SpanFacts, name: string) => span.attributes[name];
const eventsOf = ({ events = [] }: SpanFacts) =>
	events.map(({ name, atMs }) => [name, atMs]);
const linksOf = ({ links = [] }: SpanFacts) =>
	links.map(({ context, attributes = {} }) => [
		context.spanId,
		attributes["sluice.link"],
		...(attributes["sluice.last"] ? ["last"] : []),
	]);

describe("the spans of a request", () => {
	it("hang below each other, and each call names the span of its attempt", async () => {
		const test = tracedRoute(
			{
				steps: { a: { get: "users/a/${query.q}" }, b: { value: 1 } },
				request: { query: { q: { type: "string" } } },
				respond: ["${a}", "${b}"],
			},
			() => ({ json: 1, afterMs: 20 }),
		);
		await test.ask("/x?q=1", { headers: [...sampled, "tracestate", "v=1"] });
		const spans = test.spans();
		const request = only(spans, "GET /x");
		const a = only(spans, "a");
		const attempt = only(spans, "GET /a/${query.q}");
		assert.equal(spans.length, 4);
		assert.deepEqual(
			spans.map(({ context }) => [context.traceId, context.traceFlags]),
			spans.map(() => [traceId, 1]),
		);
		assert.equal(request.context.traceState?.serialize(), "v=1");
		assert.equal(request.parent?.isRemote, true);
		assert.equal(parentOf(request), parentId);
		assert.equal(parentOf(a), idOf(request));
		assert.equal(parentOf(only(spans, "b")), idOf(request));
		assert.equal(parentOf(attempt), idOf(a));
		assert.deepEqual(test.calls.map(sentId), [idOf(attempt)]);
		assert.deepEqual(
			[request, a, attempt].map(({ kind, startMs, endMs, failed }) => [
				...[kind, startMs, endMs, failed],
			]),
			[
				[1, 0, 20, false],
				[0, 0, 20, false],
				[2, 0, 20, false],
			],
		);
	});

	it("say route, method, status and completeness, and no target", async () => {
		const test = tracedRoute(
			{
				steps: {
					a: { get: "users/a/${params.id}" },
					b: { get: "users/b", optional: true },
				},
				respond: ["${a}", "${b}"],
			},
			byPath({ "/b": { status: 503 } }),
			{ key: "GET /x/{id}" },
		);
		await test.ask("/x/secret", { id: "r1" });
		const spans = test.spans();
		assert.deepEqual(only(spans, "GET /x/{id}").attributes, {
			"http.request.method": "GET",
			"http.response.status_code": 200,
			"http.route": "/x/{id}",
			"sluice.request_id": "r1",
			"sluice.completeness": "partial",
			"sluice.missing": ["b"],
		});
		assert.deepEqual(only(spans, "GET /a/${params.id}").attributes, {
			"http.request.method": "GET",
			"peer.service": "users",
			"url.template": "/a/${params.id}",
			"http.response.status_code": 200,
			"http.response.body.size": 0,
		});
		assert.deepEqual(only(spans, "b").attributes, {
			"sluice.end": "filled",
			"error.type": "upstream_status",
		});
		const failed = only(spans, "GET /b");
		assert.equal(failed.failed, true);
		assert.equal(attribute(failed, "error.type"), "503");
		assert.ok(!JSON.stringify(spans).includes("secret"));
	});

	it("of a failure are failed up to the request, by the codes of the table", async () => {
		const test = tracedRoute({ steps: { a: { get: "users/a" } } }, () => ({
			status: 503,
		}));
		await test.ask("/x");
		const spans = test.spans();
		for (const [name, code] of [
			["GET /x", "upstream_status"],
			["a", "upstream_status"],
			["GET /a", "503"],
		] as const) {
			const span = only(spans, name);
			assert.deepEqual(
				[span.failed, attribute(span, "error.type")],
				[true, code],
			);
		}
		assert.equal(
			attribute(only(spans, "GET /x"), "sluice.completeness"),
			"failed",
		);
	});

	it("of a status that the call takes for an answer are no failures, but of 5xx", async () => {
		const answers = { 404: null, 503: null };
		const test = tracedRoute(
			{
				steps: {
					a: { get: "users/a", answers },
					b: { get: "users/b", answers },
					c: { get: "users/c", optional: true },
				},
				respond: ["${a}", "${b}", "${c}"],
			},
			byPath({
				"/a": { status: 404 },
				"/b": { status: 503 },
				"/c": { status: 404 },
			}),
		);
		assert.equal((await test.ask("/x")).status, 200);
		const spans = test.spans();
		assert.deepEqual(
			["GET /a", "GET /b", "GET /c"].map((name) => {
				const span = only(spans, name);
				return [span.failed, attribute(span, "error.type")];
			}),
			[
				[false, undefined],
				[true, "503"],
				[true, "404"],
			],
		);
	});

	it("of a client that leaves are no failures", async () => {
		const test = tracedRoute({ steps: { a: { get: "users/a" } } }, () => ({
			afterMs: 100,
		}));
		const sent = test.send("/x");
		await test.clock.advance(10);
		sent.leave();
		await sent.answer;
		const spans = test.spans();
		const [request, attempt] = [only(spans, "GET /x"), only(spans, "GET /a")];
		assert.equal(attribute(request, "http.response.status_code"), 499);
		assert.equal(attribute(only(spans, "a"), "sluice.end"), "aborted");
		assert.deepEqual(
			spans.map(({ failed, attributes }) => [failed, attributes["error.type"]]),
			spans.map(() => [false, undefined]),
		);
		assert.equal(attribute(attempt, "sluice.cancelled"), "client_closed");
	});

	it("have a name without a route, and none that a client made up", async () => {
		const test = traced(testGateway({ routes: { "GET /x": { respond: 1 } } }));
		await test.ask("/none");
		await test.ask("/x", { method: "SECRET" });
		assert.deepEqual(
			test
				.spans()
				.map(({ name, attributes }) => [
					name,
					attributes["http.request.method"],
				]),
			[
				["GET", "GET"],
				["HTTP", "_OTHER"],
			],
		);
	});

	it("link a step to all that it waited for, and say which was last", async () => {
		const test = tracedRoute(
			{
				steps: {
					a: { get: "users/a" },
					b: { get: "users/b" },
					c: { get: "users/c/${a.id}/${b.id}" },
					d: { get: "users/d", pick: "${answer.id + c.id}" },
				},
				respond: ["${c}", "${d}"],
			},
			byPath({
				"/a": { json: { id: 1 }, afterMs: 10 },
				"/b": { json: { id: 2 }, afterMs: 30 },
				"/c/1/2": { json: { id: 3 }, afterMs: 20 },
				"/d": { json: { id: 4 }, afterMs: 5 },
			}),
		);
		await test.ask("/x");
		const spans = test.spans();
		const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => only(spans, name));
		assert.ok(a && b && c && d);
		assert.deepEqual(linksOf(a), []);
		assert.deepEqual(linksOf(c), [
			[idOf(a), "starts_after"],
			[idOf(b), "starts_after", "last"],
		]);
		assert.deepEqual(linksOf(d), [[idOf(c), "waited_for"]]);
		const [wait] = d.events ?? [];
		assert.deepEqual(
			[wait?.name, wait?.atMs, wait?.attributes],
			["sluice.wait", 5, { "sluice.wait_ms": 45, "sluice.wait_for": ["c"] }],
		);
		assert.deepEqual([c.startMs, c.endMs, d.endMs], [30, 50, 50]);
		// Of the chain of 50 ms b took the first 30, and c the rest.
		assert.deepEqual(
			[a, b, c, d].map((one) => attribute(one, "sluice.critical_ms")),
			[undefined, 30, 20, undefined],
		);
	});

	it("of a retry are siblings, with the pause between them", async () => {
		const statuses = [503, 503, 200];
		const test = tracedRoute(
			{ steps: { a: { get: "users/a" } } },
			() => ({ status: statuses.shift() ?? 200, json: 1, afterMs: 10 }),
			{
				upstreams: {
					users: { url: "http://users.test", retry: { attempts: 3 } },
				},
			},
		);
		await test.ask("/x");
		const spans = test.spans();
		const step = only(spans, "a");
		const attempts = named(spans, "GET /a");
		assert.deepEqual(
			attempts.map((one) => [
				parentOf(one),
				attribute(one, "http.request.resend_count"),
				attribute(one, "http.response.status_code"),
				one.failed,
			]),
			[
				[idOf(step), undefined, 503, true],
				[idOf(step), 1, 503, true],
				[idOf(step), 2, 200, false],
			],
		);
		assert.deepEqual(test.calls.map(sentId), attempts.map(idOf));
		assert.equal(new Set(attempts.map(idOf)).size, 3);
		const told = (step.events ?? []).filter(({ name }) =>
			name.startsWith("sluice.retry"),
		);
		assert.deepEqual(
			told.map(({ name, attributes }) => [name, attributes]),
			[2, 3].map((number) => [
				"sluice.retry.attempt",
				{
					"sluice.upstream": "users",
					"sluice.number": number,
					"sluice.reason": "upstream_status",
				},
			]),
		);
	});

	it("of a hedge are siblings, and the one that lost is no error", async () => {
		let slow = false;
		const test = tracedRoute(
			{ steps: { a: { get: "users/a" } } },
			({ startedMs }) => {
				const lasts = slow && startedMs < 1_001;
				return { json: 1, afterMs: lasts ? 500 : 10 };
			},
			{
				upstreams: {
					users: { url: "http://users.test", hedge: { calls: 20 } },
				},
			},
		);
		for (let call = 0; call < 20; call++) await test.ask("/x");
		await test.clock.advance(1_000 - test.clock.now());
		slow = true;
		await test.ask("/x");
		const spans = test.spans();
		const [lost, won] = named(spans, "GET /a").slice(20);
		const step = named(spans, "a")[20];
		assert.ok(lost && won && step);
		assert.deepEqual([lost, won].map(parentOf), [idOf(step), idOf(step)]);
		assert.deepEqual(test.calls.slice(20).map(sentId), [lost, won].map(idOf));
		assert.deepEqual(
			[lost.failed, attribute(lost, "sluice.cancelled")],
			[false, "call_aborted"],
		);
		assert.deepEqual(
			[attribute(lost, "sluice.hedge"), attribute(won, "sluice.hedge")],
			[undefined, true],
		);
		assert.equal(lost.startMs, 1_000);
		assert.ok(won.startMs > lost.startMs);
		assert.deepEqual([won.endMs, lost.endMs], [won.startMs + 10, won.endMs]);
	});

	it("of items are below their list, and of a group's steps below its item", async () => {
		const test = tracedRoute(
			{
				steps: {
					list: {
						each: "${[1,2]}",
						as: "item",
						steps: {
							one: { get: "users/one/${item}" },
							two: { get: "users/two/${one.id}", each: [1], as: "inner" },
						},
					},
				},
				respond: "${list}",
			},
			() => ({ json: { id: 5 } }),
		);
		await test.ask("/x");
		const spans = test.spans();
		const [list, first, second] = named(spans, "list");
		assert.ok(list && first && second);
		assert.deepEqual([first, second].map(parentOf), [idOf(list), idOf(list)]);
		assert.deepEqual(
			[list, first, second].map((one) => attribute(one, "sluice.index")),
			[undefined, [0], [1]],
		);
		const ones = named(spans, "list.one");
		assert.deepEqual(ones.map(parentOf), [first, second].map(idOf));
		const twos = named(spans, "list.two");
		const lists = twos.filter(
			(two) =>
				attribute(two, "sluice.index")?.toString() === "0" ||
				attribute(two, "sluice.index")?.toString() === "1",
		);
		assert.equal(lists.length, 2);
		assert.deepEqual(
			lists.map((two) => linksOf(two).map(([id]) => id)),
			ones.map((one) => [idOf(one)]),
		);
		const inner = twos.filter((two) => !lists.includes(two));
		assert.deepEqual(inner.map(parentOf), lists.map(idOf));
		assert.deepEqual(inner.map(linksOf), [[], []]);
	});

	it("tell which steps were skipped, dropped and never begun", async () => {
		const test = tracedRoute(
			{
				steps: {
					quick: { get: "users/quick" },
					skipped: { get: "users/s", when: "${quick === 2}" },
					slow: { get: "users/slow" },
					later: { get: "users/${slow.id}" },
					done: { after: ["skipped"], reply: { body: "${quick}" } },
				},
				respond: ["${later}", "${skipped}"],
			},
			byPath({
				"/quick": { json: 1, afterMs: 5 },
				"/slow": { json: { id: 1 }, afterMs: 500 },
			}),
		);
		await test.ask("/x");
		const spans = test.spans();
		const ends = ["quick", "skipped", "slow", "later", "done"].map((name) =>
			attribute(only(spans, name), "sluice.end"),
		);
		assert.equal(ends[0], "ok");
		assert.equal(ends[1], "skipped");
		assert.ok(
			["dropped", "aborted"].includes(String(ends[2])),
			String(ends[2]),
		);
		assert.ok(
			["never_begun", "dropped"].includes(String(ends[3])),
			String(ends[3]),
		);
		assert.equal(ends[4], "ok");
	});

	it("have no attempt of a kept answer, and say that it was kept", async () => {
		const test = tracedRoute(
			{ steps: { a: { get: "users/a" } } },
			() => ({ json: 1, headers: ["cache-control", "max-age=60"] }),
			{ upstreams: { users: { url: "http://users.test", cache: true } } },
		);
		await test.ask("/x");
		await test.ask("/x");
		const spans = test.spans();
		assert.equal(named(spans, "GET /a").length, 1);
		const [, second] = named(spans, "a");
		assert.deepEqual(
			eventsOf(second ?? assert.fail()).map(([name]) => name),
			["sluice.cache.hit"],
		);
	});

	for (const [spansMax, steps, attempts, leftOut] of [
		[5, 3, 2, 1],
		[6, 3, 3, undefined],
		[7, 3, 3, undefined],
	] as const) {
		it(`are ${spansMax} at most, and calls without one name the request's`, async () => {
			const test = traced(
				testRoute({
					steps: {
						a: { get: "users/a" },
						b: { get: "users/b" },
						c: { get: "users/c" },
					},
					respond: ["${a}", "${b}", "${c}"],
				}),
				spansMax,
			);
			await test.ask("/x");
			const spans = test.spans();
			const request = only(spans, "GET /x");
			assert.equal(spans.length, 1 + steps + attempts);
			assert.equal(attribute(request, "sluice.spans_left_out"), leftOut);
			const known = new Set(spans.map(idOf));
			assert.deepEqual(
				test.calls.map(sentId).map((id) => known.has(id)),
				[true, true, true],
			);
			assert.equal(
				test.calls.map(sentId).filter((id) => id === idOf(request)).length,
				3 - attempts,
			);
		});
	}

	it("say how many are left out of a request with more steps than a trail has", async () => {
		const test = traced(
			testRoute({
				steps: {
					a: {
						value: "${n}",
						each: "${'x'.repeat(5010).split('')}",
						as: "n",
						max: 6_000,
					},
				},
				respond: "${a.length}",
			}),
			1_000,
		);
		await test.ask("/x");
		const spans = test.spans();
		assert.equal(spans.length, 1_001);
		// The list itself is a step, too.
		const left = 1 + 5_010 - 1_000;
		assert.equal(
			attribute(only(spans, "GET /x"), "sluice.spans_left_out"),
			left,
		);
	});

	it("name no attempt of a request that is not sampled, which has no trail", async () => {
		const test = tracedRoute({ steps: { a: { get: "users/a" } } });
		const flags = `00-${traceId}-${parentId}-00`;
		await test.ask("/x", { headers: ["traceparent", flags] });
		assert.deepEqual(test.spans(), []);
		const [call] = test.calls;
		assert.equal(call?.request.traced, null);
		assert.match(
			call?.request.along ?? "",
			RegExp(`traceparent: 00-${traceId}-(?!${parentId})[\\da-f]{16}-00\r\n`),
		);
	});

	it("of a function's calls are below its step, without a template", async () => {
		const test = tracedRoute(
			{
				steps: {
					a: {
						run: async (_args: unknown, { call }: UserContext) =>
							(await call("users/secret")).body,
					},
				},
			},
			() => ({ json: 1, afterMs: 5 }),
		);
		await test.ask("/x");
		const spans = test.spans();
		const attempt = spans.find(({ kind }) => kind === 2) ?? assert.fail();
		assert.equal(attempt.name, "GET");
		assert.equal(attribute(attempt, "url.template"), undefined);
		assert.equal(parentOf(attempt), idOf(only(spans, "a")));
		assert.deepEqual(test.calls.map(sentId), [idOf(attempt)]);
		assert.ok(!JSON.stringify(spans).includes("secret"));
	});

	it("are the parents of an undo, which is made after the answer", async () => {
		const test = tracedRoute(
			{
				steps: {
					write: { post: "users/w", undo: { delete: "users/w" } },
					fails: { get: "users/f/${write.id}" },
				},
				respond: "${fails}",
			},
			({ request }) =>
				request.target.startsWith("/f") ? { status: 500 } : { json: { id: 1 } },
			{ key: "POST /x" },
		);
		await test.ask("/x", { method: "POST" });
		const request = only(test.spans(), "POST /x");
		const undo = test.calls.find(
			({ request: { method } }) => method === "DELETE",
		);
		assert.equal(sentId(undo ?? assert.fail()), idOf(request));
	});

	it("hold nothing of what was sent and answered", async () => {
		const secret = "s3cr3t";
		const test = tracedRoute(
			{
				request: {
					query: { q: { type: "string" } },
					headers: { "x-q": { type: "string" } },
					body: { type: "object" },
				},
				steps: {
					a: {
						post: "users/${query.q}",
						query: { k: "${query.q}" },
						headers: { authorization: "Bearer ${headers.x_q}" },
						body: "${body}",
						optional: true,
					},
					b: { get: "orders/b", expect: "${answer.ok}", optional: true },
				},
				respond: ["${a}", "${b}"],
			},
			({ upstream }) =>
				upstream === "orders"
					? { json: { ok: false, secret } }
					: { error: new Error(secret) },
			{ key: "POST /x" },
		);
		const answer = await test.ask(`/x?q=${secret}`, {
			method: "POST",
			headers: [
				"x-q",
				secret,
				"authorization",
				secret,
				"cookie",
				`a=${secret}`,
			],
			body: { secret },
		});
		assert.equal(answer.status, 200, answer.text);
		const spans = test.spans();
		assert.equal(named(spans, "a").length, 1);
		assert.ok(!JSON.stringify(spans).includes(secret));
	});
});
