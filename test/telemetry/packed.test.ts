import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import type { TrailEnded } from "../../src/core/events.ts";
import {
	type AttemptTrail,
	type CallTrail,
	type StepTrail,
	Trail,
} from "../../src/core/trail.ts";
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

/** A request with one step that is as most are, and then changed by `change`. */
function endWith(
	name: string,
	change: (step: StepTrail, call: CallTrail, attempt: AttemptTrail) => void,
): TrailEnded {
	let nowMs = 10;
	const clock = { now: () => nowMs++ };
	const of = { requestId: "1", method: "GET", arrivedMs: 10 };
	const trail = new Trail(clock, of);
	const step = trail.step(name, [], null) as StepTrail;
	step.started();
	const called = { upstream: name, method: "PATCH", template: name } as const;
	const call = step.call(called);
	const attempt = call.attempt();
	attempt.placed(1);
	attempt.sent(true);
	attempt.head(203);
	attempt.bytes = 70_000;
	attempt.ended(null);
	call.answered(203);
	step.ended("ok");
	change(step, call, attempt);
	return {
		...{ requestId: "1", method: "GET", route: "GET /x", status: 200, trail },
		...{ durationMs: 30, error: null, missing: [], outlived: false },
		...{ writes: [], parts: null },
	};
}

describe("a packed step", () => {
	const error = new GatewayError("upstream_timeout", "late");
	const decided = { policy: "cache", decision: "miss" } as const;
	const changes: readonly [string, Parameters<typeof endWith>[1]][] = [
		["is as most are", () => {}],
		["has nothing done", (step) => Object.assign(step, { calls: [] })],
		["has failed", (step) => Object.assign(step, { error, end: "failed" })],
		["was filled in", (step) => Object.assign(step, { error, end: "filled" })],
		["was dropped", (step) => Object.assign(step, { end: "dropped" })],
		["has not ended", (step) => Object.assign(step, { endedMs: null })],
		["has an index", (step) => Object.assign(step, { index: [3, 0] })],
		["waits", (step) => step.waitFor(["a"])()],
		["calls twice", (step, call) => step.call(call).ended(error)],
		["has a call that failed", (_, call) => Object.assign(call, { error })],
		["has no status", (_, call) => Object.assign(call, { status: null })],
		["has no template", (_, call) => Object.assign(call, { template: null })],
		["needs no attempt", (_, call) => Object.assign(call, { attempts: [] })],
		["tries twice", (_, call) => call.attempt().ended(error)],
		[
			"has a decision",
			(_, call) => call.decided({ ...decided, number: null, reason: null }),
		],
		[
			"has an attempt that failed",
			(_, _1, attempt) => Object.assign(attempt, { error, status: null }),
		],
	];
	for (const [title, change] of changes) {
		test(`that ${title} is the JSON of its lists`, () => {
			for (const name of ["now", 'a "b"', "Ω\u2028", "x".repeat(300)]) {
				const end = endWith(name, change);
				const times = (...all: readonly (number | null)[]) =>
					all.map((ms) => (ms === null ? null : Math.round((ms - 10) * 100)));
				const errorOf = (one: GatewayError | null) =>
					one && [one.code, one.message, one.status];
				const attemptOf = (one: AttemptTrail) => [
					one.url,
					...times(one.startedMs, one.placedMs, one.sentMs),
					...times(one.headMs, one.endedMs),
					...[one.kept ? 1 : 0, one.bytes, one.status, errorOf(one.error)],
				];
				const callOf = (one: CallTrail) => [
					...[one.upstream, one.method, one.template],
					...times(one.startedMs, one.endedMs),
					...[one.status, errorOf(one.error), one.attempts.map(attemptOf)],
					one.decisions.map(({ atMs, policy, decision, number, reason }) => [
						...[...times(atMs), policy, decision, number, reason],
					]),
				];
				const [step] = end.trail.steps as [StepTrail];
				const wanted = [
					...[step.path, step.index, -1],
					...times(step.readyMs, step.startedMs, step.endedMs),
					...[step.end, errorOf(step.error)],
					step.waits.map(({ steps, fromMs, toMs }) => [
						...[steps, ...times(fromMs, toMs)],
					]),
					step.calls.map(callOf),
				];
				const text = packEnd(end, true);
				assert.match(text, /^[ -~]*$/);
				assert.deepEqual(JSON.parse(text)[9], [wanted]);
			}
		});
	}
});

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
