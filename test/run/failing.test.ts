import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	type Answer,
	byPath,
	hanging,
	type Reply,
	testRoute,
} from "../kit/gateway.ts";

const fails: Reply = { status: 500 };
const failsLate: Reply = { status: 500, afterMs: 100 };

function marks(answer: Answer): (string | null)[] {
	return [answer.header("sluice-complete"), answer.header("sluice-missing")];
}

describe("a condition", () => {
	for (const when of ["${false}", "${null}", "${body.nothing}", false, null]) {
		it(`skips the step where it is ${when}`, async () => {
			const { ask, calls } = testRoute(
				{
					request: { "body?": { type: "object" } },
					steps: { a: { when, get: "users/a" } },
					respond: ["${a}"],
				},
				() => ({ json: 1 }),
			);
			const answer = await ask("/x");
			assert.deepEqual(answer.json, [null]);
			assert.deepEqual(marks(answer), ["?1", null]);
			assert.equal(calls.length, 0);
		});
	}

	for (const when of ["${0}", "${''}", "${[]}", "${true}", "${'text'}"]) {
		it(`does not skip the step where it is ${JSON.stringify(when)}`, async () => {
			const { ask } = testRoute({ steps: { a: { when, value: 1 } } });
			assert.equal((await ask("/x")).json, 1);
		});
	}

	it("is asked before anything else of the step is looked at", async () => {
		const { ask } = testRoute({
			steps: {
				a: { when: false, get: "users/${null}", query: { q: "${null}" } },
			},
			respond: ["${a}"],
		});
		assert.deepEqual((await ask("/x")).json, [null]);
	});

	it("that fails fails the step", async () => {
		const a = { when: "${null + 1}", get: "users/a" };
		const required = testRoute({ steps: { a } });
		assert.equal((await required.ask("/x")).code, "reference_missing");
		const filled = testRoute({ steps: { a: { ...a, fallback: "other" } } });
		assert.deepEqual(marks(await filled.ask("/x")), [
			"?0",
			"a;error=reference_missing",
		]);
	});

	it("skipping takes no fallback", async () => {
		const { ask } = testRoute({
			steps: { a: { when: false, get: "users/a", fallback: 1 } },
			respond: ["${a}"],
		});
		assert.deepEqual((await ask("/x")).json, [null]);
	});
});

describe("a step that fails", () => {
	it("fails the route at once, and aborts its siblings", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					a: { get: "users/a" },
					b: { get: "users/b" },
					c: { get: "users/c", query: { b: "${b}" } },
				},
				respond: ["${a}", "${b}", "${c}"],
			},
			byPath({ "/a": failsLate, "/b": hanging }),
		);
		const answer = await ask("/x");
		assert.deepEqual([answer.status, answer.atMs], [502, 100]);
		assert.equal(calls.length, 2);
		assert.notEqual(calls[1]?.aborted, null);
	});

	it("fails the route with the first failure in time, not in the order written", async () => {
		const { ask, ended } = testRoute(
			{
				steps: { a: { get: "users/a" }, b: { get: "users/b" } },
				respond: ["${a}", "${b}"],
			},
			byPath({ "/a": failsLate, "/b": { text: "?", afterMs: 50 } }),
		);
		assert.equal((await ask("/x")).code, "upstream_invalid");
		assert.equal(ended[0]?.error?.facts.step, "b");
	});

	it("is null where it is optional, and the answer is partial", async () => {
		const { ask } = testRoute(
			{
				steps: {
					a: { get: "users/a", optional: true },
					b: { value: ["${a}"] },
				},
				respond: { a: "${a}", b: "${b}" },
			},
			() => fails,
		);
		const answer = await ask("/x");
		assert.equal(answer.status, 200);
		assert.deepEqual(answer.json, { a: null, b: [null] });
		assert.deepEqual(marks(answer), ["?0", "a;error=upstream_status"]);
	});

	it("has its fallback's value, and the answer is partial", async () => {
		const { ask } = testRoute(
			{
				request: { query: { "name?": { type: "string" } } },
				steps: {
					a: { get: "users/a", fallback: { name: "${query.name}" } },
					b: { get: "users/b", fallback: null },
				},
				respond: ["${a}", "${b}"],
			},
			() => fails,
		);
		const answer = await ask("/x?name=n");
		assert.deepEqual(answer.json, [{ name: "n" }, null]);
		assert.deepEqual(marks(answer), [
			"?0",
			"a;error=upstream_status, b;error=upstream_status",
		]);
	});

	it("does not use its fallback where it ends well", async () => {
		const a = { get: "users/a", fallback: "${null + 1}" };
		const { ask } = testRoute({ steps: { a } }, () => ({ json: "a" }));
		assert.equal((await ask("/x")).json, "a");
	});

	it("fails with what failed first where its fallback fails too", async () => {
		const { ask, ended } = testRoute(
			{ steps: { a: { get: "users/a", fallback: "${null + 1}" } } },
			() => fails,
		);
		const answer = await ask("/x");
		assert.deepEqual([answer.status, answer.code], [502, "upstream_status"]);
		assert.match(ended[0]?.error?.message ?? "", /500.*fallback failed/);
	});

	it("is null where its fallback fails too, but it is optional", async () => {
		const a = { get: "users/a", fallback: "${null + 1}", optional: true };
		const { ask } = testRoute({ steps: { a }, respond: ["${a}"] }, () => fails);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, [null]);
		assert.deepEqual(marks(answer), ["?0", "a;error=upstream_status"]);
	});

	it("waits for what its fallback reads, and fails the route where that fails", async () => {
		const { ask } = testRoute(
			{
				steps: {
					backup: { get: "orders/backup" },
					a: { get: "users/a", fallback: "${backup}" },
				},
				respond: "${a}",
			},
			byPath({ "/a": fails, "/backup": { text: "?", afterMs: 300 } }),
		);
		const answer = await ask("/x");
		assert.deepEqual([answer.code, answer.atMs], ["upstream_invalid", 300]);
	});

	it("of a second source that nothing read leaves the answer whole", async () => {
		const { ask } = testRoute(
			{
				steps: {
					backup: { get: "orders/backup", optional: true },
					a: { get: "users/a", fallback: "${backup}" },
				},
				respond: "${a}",
			},
			byPath({ "/a": { json: 1, afterMs: 300 }, "/backup": fails }),
		);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, 1);
		assert.deepEqual(marks(answer), ["?1", null]);
	});

	it("is a value step too", async () => {
		const a = { value: "${null + 1}", optional: true };
		const { ask } = testRoute({ steps: { a }, respond: ["${a}"] });
		assert.deepEqual((await ask("/x")).json, [null]);
	});

	it("names its step and its cause to the operator only", async () => {
		const { ask, ended } = testRoute(
			{ steps: { a: { get: "users/a" } } },
			() => ({
				status: 503,
				text: "db-7 is down",
			}),
		);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, {
			type: "urn:sluice:error:upstream_status",
			title: "A service this route needs answered with an error",
			status: 502,
			code: "upstream_status",
			instance: "test-request",
		});
		const facts = ended[0]?.error?.facts;
		assert.deepEqual(
			[facts?.step, facts?.upstream, facts?.upstreamStatus],
			["a", "users", 503],
		);
	});
});

describe("within", () => {
	it("bounds everything a step does", async () => {
		const { ask, calls } = testRoute(
			{ steps: { a: { get: "users/a", within: "150ms" } } },
			() => hanging,
		);
		const answer = await ask("/x");
		assert.deepEqual(
			[answer.status, answer.code, answer.atMs],
			[504, "upstream_timeout", 150],
		);
		assert.equal(calls[0]?.endedMs, 150);
	});

	it("begins when the step starts", async () => {
		const { ask } = testRoute(
			{
				steps: {
					a: { get: "users/a" },
					b: { get: "users/b", query: { a: "${a}" }, within: "150ms" },
				},
				respond: "${b}",
			},
			byPath({
				"/a": { json: 1, afterMs: 400 },
				"/b": { json: 2, afterMs: 149 },
			}),
		);
		const answer = await ask("/x");
		assert.deepEqual([answer.json, answer.atMs], [2, 549]);
	});

	it("ends the waiting of pick for another step", async () => {
		const { ask } = testRoute(
			{
				steps: {
					slow: { get: "orders/slow" },
					a: {
						get: "users/a",
						within: "100ms",
						pick: "${[answer, slow]}",
						fallback: "gave up",
					},
				},
				respond: { a: "${a}", slow: "${slow}" },
			},
			byPath({ "/slow": { json: 2, afterMs: 300 }, "/a": { json: 1 } }),
		);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, { a: "gave up", slow: 2 });
		assert.deepEqual(marks(answer), ["?0", "a;error=upstream_timeout"]);
	});

	it("does not bound what a fallback waits for: that begins when the step has failed", async () => {
		const { ask } = testRoute(
			{
				steps: {
					backup: { get: "orders/backup" },
					a: { get: "users/a", within: "100ms", fallback: "${backup}" },
				},
				respond: "${a}",
			},
			byPath({ "/a": hanging, "/backup": { json: "late", afterMs: 300 } }),
		);
		const answer = await ask("/x");
		assert.deepEqual([answer.json, answer.atMs], ["late", 300]);
	});
});

describe("the deadline", () => {
	it("fails what runs, and the route where that is required", async () => {
		const { ask, calls } = testRoute(
			{ deadline: "500ms", steps: { a: { get: "users/a" } } },
			() => hanging,
		);
		const answer = await ask("/x");
		assert.deepEqual(
			[answer.status, answer.code, answer.atMs],
			[504, "deadline_exceeded", 500],
		);
		assert.equal(calls[0]?.endedMs, 500);
	});

	it("counts from the request's arrival", async () => {
		const { ask, clock } = testRoute(
			{ deadline: "500ms", steps: { a: { get: "users/a" } } },
			() => hanging,
		);
		await clock.advance(300);
		assert.equal((await ask("/x")).atMs, 800);
	});

	it("sends the partial answer where all that is required is there", async () => {
		const { ask } = testRoute(
			{
				deadline: "500ms",
				steps: {
					a: { get: "users/a" },
					b: { get: "users/b", optional: true },
					c: { get: "users/c", query: { "b?": "${b}" }, fallback: "none" },
					d: { value: "${[a, b, c]}" },
				},
				respond: "${d}",
			},
			byPath({ "/a": { json: 1 }, "/b": hanging }),
		);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, [1, null, "none"]);
		assert.equal(answer.atMs, 500);
		assert.equal(
			answer.header("sluice-missing"),
			"b;error=deadline_exceeded, c;error=deadline_exceeded",
		);
	});

	it("tells what is wrong with a call before it tells that there is no time for it", async () => {
		const { ask, calls } = testRoute(
			{
				deadline: "500ms",
				steps: {
					b: { get: "users/b", optional: true },
					c: { get: "users/c", query: { b: "${b}" }, optional: true },
				},
				respond: ["${c}"],
			},
			() => hanging,
		);
		assert.equal(
			(await ask("/x")).header("sluice-missing"),
			"b;error=deadline_exceeded, c;error=reference_missing",
		);
		assert.equal(calls.length, 1);
	});

	it("lets a pick have what a fallback fills in at that instant", async () => {
		const { ask } = testRoute(
			{
				deadline: "500ms",
				steps: {
					slow: { get: "orders/slow", fallback: "filled" },
					a: { get: "users/a", pick: "${[answer, slow]}" },
				},
				respond: "${a}",
			},
			byPath({ "/a": { json: 1 }, "/slow": hanging }),
		);
		const answer = await ask("/x");
		assert.deepEqual([answer.json, answer.atMs], [[1, "filled"], 500]);
		assert.deepEqual(marks(answer), ["?0", "slow;error=deadline_exceeded"]);
	});

	it("has the smallest bound of an attempt give the error", async () => {
		const codes = async (deadline: string, within: string, timeout: string) => {
			const a = { get: "users/a", within, timeout };
			const { ask } = testRoute({ deadline, steps: { a } }, () => hanging);
			const answer = await ask("/x");
			return [answer.code, answer.atMs];
		};
		const deadline = ["deadline_exceeded", 100];
		const timeout = ["upstream_timeout", 100];
		assert.deepEqual(await codes("100ms", "200ms", "300ms"), deadline);
		assert.deepEqual(await codes("100ms", "100ms", "100ms"), deadline);
		assert.deepEqual(await codes("200ms", "100ms", "300ms"), timeout);
		assert.deepEqual(await codes("300ms", "200ms", "100ms"), timeout);
	});
});

describe("a client that leaves", () => {
	it("ends the run, and every call that only reads", async () => {
		const { send, clock, calls, ended, assertNothingLeft } = testRoute(
			{
				steps: {
					a: { get: "users/a" },
					b: { post: "search/b", optional: true },
					c: { get: "users/c", query: { a: "${a}" }, fallback: 1 },
				},
				respond: ["${a}", "${b}", "${c}"],
			},
			() => hanging,
		);
		const { answer, leave } = send("/x");
		await clock.advance(100);
		leave();
		await clock.advance(0);
		assertNothingLeft();
		assert.deepEqual(
			calls.map(({ request, endedMs }) => [request.target, endedMs]),
			[
				["/a", 100],
				["/b", 100],
			],
		);
		assert.equal((await answer).status, 499);
		assert.deepEqual(
			[ended[0]?.status, ended[0]?.error?.code],
			[499, "client_closed"],
		);
	});

	it("before the run has begun makes no call at all", async () => {
		const { send, clock, calls, assertNothingLeft } = testRoute({
			request: { body: { type: "object" } },
			steps: { a: { get: "users/a" } },
		});
		const { answer, leave } = send("/x", { body: {}, bodyAfterMs: 50 });
		leave();
		await clock.settle();
		assert.equal((await answer).status, 499);
		assert.equal(calls.length, 0);
		assertNothingLeft();
	});

	it("at the deadline's instant leaves nothing behind", async () => {
		const { send, clock, assertNothingLeft } = testRoute(
			{
				deadline: "100ms",
				steps: {
					a: { get: "users/a", fallback: "${b}" },
					b: { get: "users/b", fallback: 2 },
				},
				respond: ["${a}", "${b}"],
			},
			() => hanging,
		);
		const { answer, leave, scope } = send("/x");
		scope.clock.after(100, leave);
		await clock.settle();
		await answer;
		assertNothingLeft();
	});
});
