import assert from "node:assert/strict";
import { test } from "node:test";
import type { PolicyDecided } from "../src/core/events.ts";
import { testRoute } from "./kit/gateway.ts";

/** A gateway's decisions, as `policy upstream decision reason`. */
function decisionsOf({ gateway }: ReturnType<typeof testRoute>): string[] {
	const decisions: string[] = [];
	gateway.events.policyDecided.push((event: PolicyDecided) => {
		assert.equal(event.requestId, "test-request");
		const { policy, upstream, decision, reason } = event;
		decisions.push([policy, upstream, decision, reason ?? "-"].join(" "));
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
		"breaker users opened upstream_status",
		"breaker users refused breaker_open",
	]);
});
