import assert from "node:assert/strict";
import { test } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import type { Send } from "../../src/policy/policy.ts";
import { promised } from "../../src/policy/promised.ts";
import { timeout } from "../../src/policy/timeout.ts";
import { openScope, outcomeOf, virtualClock } from "../../src/tasks/index.ts";
import {
	answer,
	hangs,
	policySetting,
	requestOf,
	sentBy,
} from "../kit/policy.ts";
import { conforms } from "./conformance.ts";

conforms(
	"timeout",
	(clock) => (next) => timeout("weather")(sentBy(next, clock)),
);

const timedOut = (error: unknown) =>
	error instanceof GatewayError &&
	error.code === "upstream_timeout" &&
	error.facts.upstream === "weather";

test("ends an attempt that takes longer than its request allows, and not before", async () => {
	const { clock, next, begun } = policySetting(null);
	for (const [round, waitedMs] of [999, 1000, 1001].entries()) {
		const scope = openScope({ clock });
		const outcome = outcomeOf(
			promised(timeout("weather")(sentBy(next, clock)))(
				requestOf({ timeoutMs: 1000 }),
				scope,
			),
		);
		await clock.advance(waitedMs);
		begun[round]?.resolve(answer);
		const ended = await outcome;
		if (waitedMs < 1000) assert.deepEqual(ended, { ok: true, value: answer });
		else assert.ok(!ended.ok && timedOut(ended.error));
		assert.equal(scope.cancelled, false);
		assert.equal(scope.listeners, 0);
		assert.equal(clock.pending, 0);
	}
});

test("counts from when it is called, not from when its scope was opened", async () => {
	const { clock, scope, next, begun } = policySetting(null);
	await clock.advance(5000);
	const call = promised(timeout("weather")(sentBy(next, clock)))(
		requestOf({ timeoutMs: 10 }),
		scope,
	);
	await clock.advance(9);
	begun[0]?.resolve(answer);
	assert.equal(await call, answer);
});

test("leaves the reason to an outer scope whose deadline comes first, or at the same time", async () => {
	for (const deadline of [500, 1000]) {
		const clock = virtualClock();
		const reason = new Error("the route's time is over");
		const scope = openScope({ clock, deadline, deadlineReason: () => reason });
		const outcome = outcomeOf(
			promised(timeout("weather")(sentBy(hangs, clock)))(
				requestOf({ timeoutMs: 1000 }),
				scope,
			),
		);
		await clock.settle();
		assert.deepEqual(await outcome, { ok: false, error: reason });
		assert.equal(clock.now(), deadline);
	}
});

test("gives its own reason where the outer deadline comes later", async () => {
	const clock = virtualClock();
	const scope = openScope({ clock, deadline: 1001 });
	const outcome = outcomeOf(
		promised(timeout("weather")(sentBy(hangs, clock)))(
			requestOf({ timeoutMs: 1000 }),
			scope,
		),
	);
	await clock.advance(1000);
	const ended = await outcome;
	assert.ok(!ended.ok && timedOut(ended.error));
	scope.close();
	assert.equal(clock.pending, 0);
});

test("ends an attempt whose scope is cancelled while it is being sent", async () => {
	const clock = virtualClock();
	const scope = openScope({ clock });
	const reason = new Error("left");
	const ends: unknown[] = [];
	const send: Send = (_request, ended) => {
		scope.cancel(reason);
		assert.equal(ends.length, 0);
		return {
			end(why) {
				ends.push(why);
				ended.failed(why);
			},
		};
	};
	const call = promised(timeout("weather")(send))(requestOf(), scope);
	await assert.rejects(call, (thrown) => thrown === reason);
	assert.deepEqual(ends, [reason]);
	assert.equal(scope.listeners, 0);
	assert.equal(clock.pending, 0);
});
