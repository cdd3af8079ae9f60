import assert from "node:assert/strict";
import { test } from "node:test";
import type { PolicyDecided } from "../../src/core/events.ts";
import { testRoute } from "../kit/gateway.ts";

/** A gateway's decisions, as `policy upstream decision number reason`. */
function decisionsOf({ gateway }: ReturnType<typeof testRoute>): string[] {
	const decisions: string[] = [];
	gateway.events.policyDecided.push((event: PolicyDecided) => {
		assert.equal(event.requestId, "test-request");
		const { policy, upstream, decision, number, reason } = event;
		decisions.push(
			[policy, upstream, decision, number ?? "-", reason].join(" "),
		);
	});
	return decisions;
}

test("a breaker that is open answers 503 at once and says when to ask again; other upstreams are asked as ever", async () => {
	const all = testRoute(
		{ steps: { it: { get: "users/7" } } },
		() => ({ status: 500 }),
		{ upstreams: { users: { url: "http://users.test", breaker: true } } },
	);
	for (let time = 0; time < 20; time++) {
		assert.equal((await all.ask("/x")).code, "upstream_status");
	}
	await all.clock.advance(700);
	const answer = await all.ask("/x");
	assert.equal(answer.status, 503);
	assert.equal(answer.code, "breaker_open");
	assert.equal(answer.header("retry-after"), "2");
	assert.equal(answer.atMs, 700);
	assert.equal(all.calls.length, 20);
	await all.clock.advance(1300);
	assert.equal((await all.ask("/x")).code, "upstream_status");
	assert.equal(all.calls.length, 21);
});

test("a step whose upstream's breaker is open is missing with that code", async () => {
	const all = testRoute(
		{
			steps: { user: { get: "users/7", optional: true } },
			respond: "${user}",
		},
		() => ({ status: 500 }),
		{
			upstreams: {
				users: { url: "http://users.test", breaker: { calls: 2 } },
			},
		},
	);
	const decisions = decisionsOf(all);
	await all.ask("/x");
	await all.ask("/x");
	const answer = await all.ask("/x");
	assert.equal(answer.header("sluice-missing"), "user;error=breaker_open");
	assert.equal(all.calls.length, 2);
	assert.deepEqual(decisions, [
		"breaker users opened - upstream_status",
		"breaker users refused - breaker_open",
	]);
});

test("a step whose first attempt fails is whole all the same, and says so to whoever listens", async () => {
	const all = testRoute(
		{ steps: { user: { get: "users/7" } } },
		({ startedMs }) => (startedMs === 0 ? { status: 503 } : { json: "ann" }),
		{ upstreams: { users: { url: "http://users.test", retry: true } } },
	);
	const decisions = decisionsOf(all);
	const answer = await all.ask("/x");
	assert.equal(answer.json, "ann");
	assert.equal(answer.header("sluice-complete"), "?1");
	assert.equal(answer.atMs, 25);
	assert.deepEqual(decisions, ["retry users attempt 2 upstream_status"]);
	assert.equal(all.callsEnded.length, 1);
});

test("a breaker that opens ends the attempts, and the answer is what the upstream said", async () => {
	const all = testRoute(
		{ steps: { user: { get: "users/7" } } },
		() => ({ status: 503 }),
		{
			upstreams: {
				users: { url: "http://users.test", retry: true, breaker: { calls: 2 } },
			},
		},
	);
	assert.equal((await all.ask("/x")).code, "upstream_status");
	assert.equal(all.calls.length, 2);
});

test("a write that may not be sent twice is sent once", async () => {
	const all = testRoute(
		{ steps: { order: { post: "orders/new", body: {} } } },
		() => ({ status: 503 }),
		{ upstreams: { orders: { url: "http://orders.test", retry: true } } },
	);
	assert.equal((await all.ask("/x")).code, "upstream_status");
	assert.equal(all.calls.length, 1);
});

test("attempts end at the deadline, the step's or the route's", async () => {
	for (const [bounds, step] of [
		[{ deadline: "1s" }, {}],
		[{}, { within: "1s" }],
	]) {
		const all = testRoute(
			{ ...bounds, steps: { user: { get: "users/7", ...step } } },
			() => ({ status: 503, afterMs: 300 }),
			{ upstreams: { users: { url: "http://users.test", retry: true } } },
		);
		// 300, 325–625, and for a third that would end at 975 there is time: it begins at 675.
		assert.equal((await all.ask("/x")).code, "upstream_status");
		assert.equal(all.clock.now(), 975);
		assert.equal(all.calls.length, 3);
	}
});
