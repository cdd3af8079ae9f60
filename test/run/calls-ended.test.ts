import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Behaviour, byPath, hanging, testRoute } from "../kit/gateway.ts";

/** What listeners hear of the ends of calls, by step. */
async function endsOf(route: object, behave: Behaviour, leaveMs?: number) {
	const { send, clock, settle, callsEnded } = testRoute(route, behave);
	const { answer, leave } = send("/x");
	const leaving = leaveMs === undefined ? null : clock.after(leaveMs, leave);
	void answer.then(() => leaving?.cancel());
	await settle();
	await answer;
	return Object.fromEntries(
		callsEnded.map(({ step, status, error }) => [
			step,
			error ? `${error.code}: ${error.message}` : status,
		]),
	);
}

const unread = "call_aborted: nothing reads its step any more";
const beside = "call_aborted: another step or item has failed";
const fails = { status: 500, afterMs: 50 };
const failed = "upstream_status: users answered 500";

describe("the end of a call that the gateway aborted says so", () => {
	const replies = byPath({ "/a": { json: 1, afterMs: 50 }, "/b": hanging });

	it("if nothing reads its step any more", async () => {
		const ends = await endsOf(
			{
				steps: {
					a: { get: "users/a", fallback: "${b}" },
					b: { get: "users/b", optional: true },
				},
				respond: "${a}",
			},
			replies,
		);
		assert.deepEqual(ends, { a: 200, b: unread });
	});

	it("if a reply was the answer", async () => {
		const ends = await endsOf(
			{
				steps: {
					a: { get: "users/a" },
					r: { when: "${a}", reply: { body: "${a}" } },
					b: { get: "users/b" },
				},
				respond: "${b}",
			},
			replies,
		);
		assert.deepEqual(ends, {
			a: 200,
			b: "call_aborted: the answer is there",
		});
	});

	it("if a reply that fails has failed the route", async () => {
		const ends = await endsOf(
			{
				steps: {
					a: { get: "users/a" },
					r: { when: "${a}", reply: { body: "${a + null}" } },
					b: { get: "users/b" },
				},
				respond: "${b}",
			},
			replies,
		);
		assert.deepEqual(ends, { a: 200, b: beside });
	});

	const behave = byPath({ "/a": fails, "/b": hanging, "/c": hanging });
	const siblings = { a: { get: "users/a" }, b: { get: "users/b" } };

	it("if another step has failed the route", async () => {
		const c = { steps: { d: { get: "users/c" } } };
		const route = {
			steps: { ...siblings, c },
			respond: ["${a}", "${b}", "${c}"],
		};
		const ends = await endsOf(route, behave);
		assert.deepEqual(ends, { a: failed, b: beside, "c.d": beside });
	});

	it("if another step has failed its group, and not the route", async () => {
		const g = { steps: siblings, optional: true };
		const ends = await endsOf({ steps: { g }, respond: "${g}" }, behave);
		assert.deepEqual(ends, { "g.a": failed, "g.b": beside });
	});

	it("if another item has failed its list", async () => {
		const { ask, callsEnded } = testRoute(
			{
				steps: { all: { each: ["a", "b", "c"], get: "users/${item}" } },
				respond: "${all}",
			},
			behave,
		);
		await ask("/x");
		assert.deepEqual(callsEnded.map(({ error }) => error?.code).toSorted(), [
			"call_aborted",
			"call_aborted",
			"upstream_status",
		]);
	});

	it("if its function has not waited for it", async () => {
		const run = (_: unknown, { call }: { call(to: string): unknown }) => {
			call("users/b");
			return 1;
		};
		const ends = await endsOf(
			{ steps: { f: { run } }, respond: "${f}" },
			replies,
		);
		assert.deepEqual(ends, { f: "call_aborted: its function has returned" });
	});

	it("and a time that was over, or a client that left, as what it is", async () => {
		const steps = { b: { get: "users/b", optional: true } };
		const ended = async (more: object, leaveMs?: number) => {
			const route = { steps, respond: "${b}", ...more };
			const { b } = await endsOf(route, replies, leaveMs);
			return String(b).split(":")[0];
		};
		assert.equal(await ended({ deadline: "99ms" }), "deadline_exceeded");
		assert.equal(await ended({}), "upstream_timeout");
		const within = { steps: { b: { ...steps.b, within: "99ms" } } };
		assert.equal(await ended(within), "upstream_timeout");
		assert.equal(await ended({}, 10), "client_closed");
	});

	it("nor does the client hear of it, or `missing`", async () => {
		const { ask } = testRoute(
			{
				steps: {
					g: { steps: siblings, optional: true },
					h: { value: "${missing.g}" },
				},
				respond: ["${g}", "${h}"],
			},
			behave,
		);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, [null, "upstream_status"]);
		assert.equal(answer.header("sluice-missing"), "g;error=upstream_status");
	});
});

describe("a call of a list", () => {
	it("is told with the positions of its items", async () => {
		const { ask, callsEnded } = testRoute(
			{
				steps: {
					outer: {
						each: "${['a', 'b']}",
						steps: {
							inner: { each: "${[1, 2]}", as: "n", get: "users/${item}/${n}" },
						},
					},
					alone: { get: "users/alone" },
				},
				respond: "${[outer, alone]}",
			},
			() => ({ json: 1 }),
		);
		assert.equal((await ask("/x")).status, 200);
		assert.deepEqual(
			callsEnded.map(({ step, index }) => `${step}[${index.join(".")}]`).sort(),
			[
				...["alone[]", "outer.inner[0.0]", "outer.inner[0.1]"],
				...["outer.inner[1.0]", "outer.inner[1.1]"],
			],
		);
	});
});
