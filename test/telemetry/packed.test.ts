import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TrailEnded } from "../../src/core/events.ts";
import { packEnd, unpackEnd } from "../../src/telemetry/trail/packed.ts";
import {
	detailOf,
	summaryOf,
} from "../../src/telemetry/trail/shown-request.ts";
import {
	type Behaviour,
	byPath,
	hanging,
	testGateway,
} from "../kit/gateway.ts";

async function endOf(
	route: object,
	behave: Behaviour,
	{ key = "GET /x", target = "/x" } = {},
): Promise<TrailEnded> {
	const users = {
		...{ url: "http://users.test", timeout: "1s" },
		...{ retry: { attempts: 3 }, cache: { for: "1m", stale: "1h" } },
	};
	const orders = {
		url: "http://orders.test",
		hedge: true,
		limiter: { concurrent: 2 },
	};
	const gateway = testGateway(
		{ upstreams: { users, orders }, routes: { [key]: route } },
		behave,
	);
	const method = key.split(" ")[0] ?? "GET";
	await gateway.ask(target, { method });
	const [end] = gateway.trails;
	assert.ok(end);
	return end;
}

/** Through the text that stands in the database. */
function kept(end: TrailEnded): TrailEnded {
	const { requestId: id, route, status, durationMs } = end;
	const text = packEnd(end, true);
	return unpackEnd({ id, route, status, durationMs }, JSON.parse(text));
}

const each = { each: "${[1, 2, 3]}", as: "n", parallel: 2, optional: true };

const ends: readonly [string, () => Promise<TrailEnded>][] = [
	[
		"retries, fallbacks, skipped and waiting steps",
		() =>
			endOf(
				{
					steps: {
						a: { get: "users/1", optional: true },
						b: { get: "users/2", pick: "${answer.x ?? c}", fallback: 1 },
						c: { value: "${[a, 2]}" },
						d: { get: "users/3", when: "${a === 7}" },
					},
					respond: "${[a, b, c, d]}",
				},
				byPath({
					"/1": { status: 503, afterMs: 20 },
					"/2": { json: {}, afterMs: 5 },
				}),
			),
	],
	[
		"items, groups and a failure",
		() =>
			endOf(
				{
					steps: {
						all: { ...each, steps: { one: { get: "orders/${n}" } } },
						late: { get: "orders/late" },
						bad: { get: "users/bad" },
						after: { get: "users/${late}" },
					},
					respond: "${[all, bad, after]}",
				},
				byPath({
					"/1": { json: 1, afterMs: 40 },
					"/2": { status: 404, afterMs: 10 },
					"/late": hanging,
					"/bad": { status: 400, afterMs: 60 },
				}),
			),
	],
	[
		"writes and rounds",
		() =>
			endOf(
				{
					steps: {
						job: { post: "orders/jobs" },
						done: {
							get: "orders/jobs/1",
							after: ["job"],
							repeat: {
								while: "${answer.state === 'new'}",
								max: 3,
								wait: "50ms",
							},
						},
					},
					respond: "${done}",
				},
				byPath({
					"/jobs": { json: {} },
					"/jobs/1": { json: { state: "new" } },
				}),
				{ key: "POST /x" },
			),
	],
	["no route", () => endOf({ respond: 1 }, byPath({}), { target: "/none" })],
];

describe("a packed request", () => {
	for (const [title, end] of ends) {
		test(`with ${title} says the same when it is unpacked`, async () => {
			const ended = await end();
			assert.deepEqual(detailOf(kept(ended), 5000), detailOf(ended, 5000));
		});

		test(`with ${title} has the same summary without its steps`, async () => {
			const ended = await end();
			const { calls, slowest, ...summary } = summaryOf(ended, 5000);
			const packed = JSON.parse(packEnd(ended, false));
			assert.deepEqual(packed.slice(9), [[], calls, slowest]);
			const { requestId: id, route, status, durationMs } = ended;
			const again = unpackEnd({ id, route, status, durationMs }, packed);
			const { calls: _, slowest: _1, ...rest } = summaryOf(again, 5000);
			assert.deepEqual(rest, summary);
		});
	}
});
