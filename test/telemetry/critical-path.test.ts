import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Trail } from "../../src/core/trail.ts";
import { criticalPath } from "../../src/telemetry/trail/critical-path.ts";
import {
	type AskOptions,
	type Behaviour,
	byPath,
	hanging,
	testRoute,
} from "../kit/gateway.ts";

/** The parts as words: `0-100 a upstream`. */
async function pathOf(
	route: object,
	behave: Behaviour,
	options: AskOptions & { readonly leaveMs?: number } = {},
	users: object = {},
): Promise<string[]> {
	const { send, settle, clock, trails } = testRoute(route, behave, {
		key: options.method === "POST" ? "POST /x" : "GET /x",
		upstreams: { users: { url: "http://users.test", timeout: "2s", ...users } },
	});
	const { answer, leave } = send("/x", options);
	const { leaveMs = null } = options;
	const leaving = leaveMs === null ? null : clock.after(leaveMs, leave);
	await settle();
	await answer;
	leaving?.cancel();
	const [ended] = trails;
	assert.ok(ended);
	return criticalPath(ended).map(({ fromMs, toMs, step, index, spent }) => {
		const where = step && step + (index.length > 0 ? `[${index}]` : "");
		return `${fromMs}-${toMs} ${where ?? "request"} ${spent}`;
	});
}

const get = (name: string) => ({ get: `users/${name}` });
const takes = (afterMs: number, json: unknown = 1) => ({ json, afterMs });

/** The record of a request with one step, and of its call. */
function oneCall(now: () => number) {
	const trail = new Trail(
		{ now },
		{ requestId: "1", method: "GET", arrivedMs: 0 },
	);
	trail.read();
	trail.begun();
	const step = trail.step("a", [], null) ?? assert.fail();
	step.started();
	const of = { upstream: "users", method: "GET", template: "/a" };
	const call = step.call(of);
	trail.last = step;
	return { trail, call, step };
}

const spentOf = (trail: Trail, durationMs: number) =>
	criticalPath({ trail, durationMs, error: null }).map(({ toMs, spent }) => [
		toMs,
		spent,
	]);

describe("the critical path", () => {
	it("is the chain of steps that waited for each other, whatever else ran", async () => {
		const path = await pathOf(
			{
				steps: {
					a: get("a"),
					b: { get: "users/b/${a}" },
					c: get("c"),
				},
				respond: ["${b}", "${c}"],
			},
			byPath({ "/a": takes(100), "/b/1": takes(50), "/c": takes(120) }),
		);
		assert.deepEqual(path, ["0-100 a upstream", "100-150 b upstream"]);
	});

	it("goes through the step that another read after its call", async () => {
		const path = await pathOf(
			{
				steps: {
					a: get("a"),
					b: { get: "users/b", pick: "${answer + a}" },
				},
				respond: "${b}",
			},
			byPath({ "/a": takes(100), "/b": takes(30) }),
		);
		assert.deepEqual(path, ["0-100 a upstream"]);
	});

	it("goes through groups and lists, and says when an item waited for its place", async () => {
		const path = await pathOf(
			{
				steps: {
					ids: { ...get("ids"), pick: "${[1, 2]}" },
					all: {
						each: "${ids}",
						parallel: 1,
						steps: {
							one: { get: "users/one/${item}" },
							two: { get: "users/two/${one}" },
						},
						value: "${two}",
					},
				},
				respond: "${all}",
			},
			byPath({
				"/ids": takes(10),
				"/one/1": takes(20, 1),
				"/one/2": takes(5, 2),
				"/two/1": takes(7),
				"/two/2": takes(8),
			}),
		);
		assert.deepEqual(path, [
			"0-10 ids upstream",
			"10-37 all[1] parallel",
			"37-42 all.one[1] upstream",
			"42-50 all.two[1] upstream",
		]);
	});

	it("tells attempts, the pause between them, and the wait for a place apart", async () => {
		let asked = 0;
		const path = await pathOf(
			{
				steps: { a: get("a"), b: { get: "users/b", after: ["a"] } },
				respond: ["${a}", "${b}"],
			},
			(call) => {
				const { target } = call.request;
				if (target === "/a") return takes(40);
				return asked++ === 0 ? { status: 503, afterMs: 20 } : takes(30);
			},
			{},
			{ retry: { attempts: 2 } },
		);
		assert.deepEqual(path, [
			"0-40 a upstream",
			"40-60 b upstream",
			"60-85 b retry",
			"85-115 b upstream",
		]);
		const waits = await pathOf(
			{ steps: { a: get("a"), b: get("b") }, respond: ["${a}", "${b}"] },
			() => takes(40),
			{},
			{ connections: 1 },
		);
		assert.deepEqual(waits, ["0-40 b slot", "40-80 b upstream"]);
	});

	it("ends at the step that failed the route, or whose time was over", async () => {
		const path = await pathOf(
			{
				steps: { a: get("a"), b: { ...get("b"), within: "70ms" } },
				respond: ["${a}", "${b}"],
			},
			byPath({ "/a": takes(100), "/b": hanging }),
		);
		assert.deepEqual(path, ["0-70 b upstream"]);
	});

	it("says what was under way when the client left", async () => {
		const path = await pathOf(
			{
				steps: { a: get("a"), b: { get: "users/b/${a}" } },
				respond: "${b}",
			},
			byPath({ "/a": takes(20), "/b/1": hanging }),
			{ leaveMs: 50 },
		);
		assert.deepEqual(path, ["0-20 a upstream", "20-50 b upstream"]);
	});

	it("begins with the client's own body", async () => {
		const path = await pathOf(
			{
				request: { body: { type: "object" } },
				steps: { a: get("a") },
				respond: "${a}",
			},
			byPath({ "/a": takes(20) }),
			{ method: "POST", body: {}, bodyAfterMs: 15 },
		);
		assert.deepEqual(path, ["0-15 request reading", "15-35 a upstream"]);
	});

	it("names what a call waited for before its first attempt, also if that was not the last", async () => {
		let atMs = 0;
		const { trail, call, step } = oneCall(() => atMs);
		// The loop was busy.
		atMs = 4;
		for (const [endMs, status] of [
			[10, 503],
			[30, 200],
		] as const) {
			const attempt = call.attempt();
			attempt.placed(0);
			attempt.sent(true);
			atMs = endMs;
			attempt.head(status);
			attempt.ended(null);
			atMs += 5;
		}
		atMs = 30;
		call.answered(200);
		step.ended("ok");
		assert.deepEqual(spentOf(trail, 30), [
			...[
				[4, "slot"],
				[10, "upstream"],
			],
			...[
				[15, "retry"],
				[30, "upstream"],
			],
		]);
	});

	it("tells the pause before another attempt from the time in which an answer is taken over", async () => {
		let atMs = 0;
		const { trail, call, step } = oneCall(() => atMs);
		const attempt = call.attempt();
		attempt.placed(0);
		attempt.sent(false);
		atMs = 40;
		attempt.head(200);
		attempt.ended(null);
		// The loop was busy with other requests.
		atMs = 46;
		call.answered(200);
		step.ended("ok");
		assert.deepEqual(spentOf(trail, 46), [
			[40, "upstream"],
			[46, "computing"],
		]);
	});

	it("names the pause before an attempt that was never begun, because the client left", async () => {
		const path = await pathOf(
			{ steps: { a: get("a") }, respond: "${a}" },
			() => ({ status: 503, afterMs: 60 }),
			{ leaveMs: 70 },
			{ retry: { attempts: 2 } },
		);
		assert.deepEqual(path, ["0-60 a upstream", "60-70 a retry"]);
	});
});
