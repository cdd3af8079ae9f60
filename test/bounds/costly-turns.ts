import assert from "node:assert/strict";
import fc from "fast-check";
import { testRoute } from "../kit/gateway.ts";
import { repeatableRandom } from "../kit/random.ts";
import { turnsOf } from "../kit/turns.ts";
import { type CostlyRoute, costlyRoute } from "./costly-routes.ts";

/**
 * Fails if a turn of the loop takes too long while a costly route by chance is carried out. On a busy machine fewer are
 * tried: after `begunWithinMs` no other is begun.
 */
export function keepCostlyTurnsShort(
	parameters: fc.Parameters<[number]>,
	begunWithinMs = Number.POSITIVE_INFINITY,
): Promise<void> {
	const lastMs = performance.now() + begunWithinMs;
	return fc.assert(
		fc.asyncProperty(fc.nat(), async (seed) => {
			// An interrupt of fast-check would leave the one that has begun, and it would go on after its test.
			if (performance.now() > lastMs) return;
			const made = costlyRoute(repeatableRandom(seed));
			const { turns, value } = await turnsOf(() => carryOut(made));
			for (const { code } of value) assert.notEqual(code, "internal");
			const route = JSON.stringify(made.route);
			assert.ok(turns < 1, `${turns} times 100 ms: ${route}`);
		}),
		{ endOnFailure: true, ...parameters },
	);
}

async function carryOut({
	route,
	answers,
	body,
	upstream,
	atOnce,
}: CostlyRoute) {
	const { send, settle } = testRoute(
		{ deadline: "30s", ...route },
		({ request }) => ({
			text: answers[request.target.split("?", 1)[0] ?? ""] ?? "null",
		}),
		{
			key: "POST /x",
			upstreams: { users: { url: "http://users.test", ...upstream } },
		},
	);
	const sent = Array.from({ length: atOnce }, () =>
		send("/x", { method: "POST", body }),
	);
	await settle();
	return Promise.all(sent.map(({ answer }) => answer));
}
