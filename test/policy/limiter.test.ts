import assert from "node:assert/strict";
import { test } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import { limiter } from "../../src/policy/limiter.ts";
import { openScope, outcomeOf, virtualClock } from "../../src/tasks/index.ts";
import { answer, conforms, controlled, requestOf } from "./conformance.ts";

const limits = { upstream: "weather", runningMax: 2, waitingMax: 3 };

conforms("limiter", () => limiter(limits).call);

conforms(
	"limiter of one",
	() => limiter({ ...limits, runningMax: 1, waitingMax: 0 }).call,
);

test("lets so many run, so many wait, and refuses the rest at once", async () => {
	const clock = virtualClock();
	const scope = openScope({ clock });
	const { call: next, begun } = controlled();
	const call = limiter(limits).call(next);
	const outcomes = Array.from({ length: 6 }, () =>
		outcomeOf(call(requestOf(), scope)),
	);
	const refused = await outcomes[5];
	assert.ok(refused && !refused.ok && refused.error instanceof GatewayError);
	assert.equal(refused.error.code, "limiter_full");
	assert.equal(refused.error.facts.upstream, "weather");
	for (let ended = 0; ended < 5; ended++) {
		assert.equal(begun.length, Math.min(5, ended + 2));
		begun[ended]?.resolve(answer);
		await clock.advance(0);
	}
	assert.ok((await Promise.all(outcomes.slice(0, 5))).every(({ ok }) => ok));
	assert.equal(scope.listeners, 0);
});

test("lets the one that has waited longest go first, and forgets one that was cancelled", async () => {
	const clock = virtualClock();
	const scopes = Array.from({ length: 4 }, () => openScope({ clock }));
	const { call: next, begun } = controlled();
	const call = limiter({ ...limits, runningMax: 1 }).call(next);
	const outcomes = scopes.map((scope) => outcomeOf(call(requestOf(), scope)));
	const reason = new Error("left");
	scopes[1]?.cancel(reason);
	assert.deepEqual(await outcomes[1], { ok: false, error: reason });
	begun[0]?.resolve(answer);
	await clock.advance(0);
	assert.deepEqual(
		begun.map(({ scope }) => scopes.indexOf(scope)),
		[0, 2],
	);
	begun[1]?.reject(new Error("failed"));
	await clock.advance(0);
	assert.deepEqual(
		begun.map(({ scope }) => scopes.indexOf(scope)),
		[0, 2, 3],
	);
	begun[2]?.resolve(answer);
	assert.equal((await outcomes[3])?.ok, true);
});
