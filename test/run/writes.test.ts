import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import {
	type Behaviour,
	byPath,
	hanging,
	type Reply,
	seen,
	testGateway,
	testRoute,
} from "../kit/gateway.ts";

/** A write that is sent, and takes 500 ms. */
const writing: Reply = { json: "written", afterMs: 500 };
const failsLate: Reply = { status: 500, afterMs: 100 };

const endsOf = (calls: Parameters<typeof seen>[0]) =>
	seen(calls, ({ endedMs, aborted }) => [endedMs, codeOf(aborted)]);

function codeOf(reason: unknown): string | null {
	return reason instanceof GatewayError ? reason.code : null;
}

describe("a write", () => {
	for (const method of ["post", "put", "patch", "delete"]) {
		it(`by ${method.toUpperCase()} may be unread, and is waited for`, async () => {
			const { ask, calls } = testRoute(
				{
					steps: { log: { [method]: "users/log" }, a: { get: "orders/a" } },
					respond: "${a}",
				},
				byPath({ "/log": writing, "/a": { json: 1 } }),
			);
			const answer = await ask("/x");
			assert.deepEqual([answer.json, answer.atMs], [1, 500]);
			assert.equal(calls[0]?.request.method, method.toUpperCase());
		});
	}

	it("unread fails the route where it fails", async () => {
		const { ask } = testRoute(
			{
				steps: { log: { post: "users/log" }, a: { get: "orders/a" } },
				respond: "${a}",
			},
			byPath({ "/log": failsLate }),
		);
		assert.equal((await ask("/x")).code, "upstream_status");
	});

	it("unread makes the answer partial where it is optional", async () => {
		const { ask } = testRoute(
			{
				steps: {
					log: { post: "users/log", optional: true },
					a: { get: "orders/a" },
				},
				respond: "${a}",
			},
			byPath({ "/log": failsLate }),
		);
		const missing = (await ask("/x")).header("sluice-missing");
		assert.equal(missing, "log;error=upstream_status");
	});

	it("is not dropped when nobody reads it any more", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					key: { get: "users/key" },
					write: { post: "users/write", query: { key: "${key}" } },
					a: { get: "orders/a", fallback: "${write}" },
				},
				respond: "${a}",
			},
			byPath({ "/write": writing, "/key": { json: 1, afterMs: 100 } }),
		);
		assert.equal((await ask("/x")).atMs, 600);
		assert.deepEqual(endsOf(calls)["/write"], [600, null]);
	});
});

const besideFailing = (b: object = { post: "users/b" }) => ({
	steps: { a: { get: "orders/a" }, b },
	respond: ["${a}", "${b}"],
});

describe("a write that was sent", () => {
	it("is not aborted by a failing sibling, and the answer does not wait for it", async () => {
		const { ask, calls } = testRoute(
			besideFailing(),
			byPath({ "/a": failsLate, "/b": writing }),
		);
		const answer = await ask("/x");
		assert.deepEqual([answer.status, answer.atMs], [502, 100]);
		assert.deepEqual(endsOf(calls), { "/a": [100, null], "/b": [500, null] });
	});

	it("is not aborted by a client that leaves, nor is the rest of its run", async () => {
		const { send, clock, calls, assertNothingLeft } = testRoute(
			besideFailing(),
			byPath({ "/a": { json: 1, afterMs: 700 }, "/b": writing }),
		);
		const { answer, leave } = send("/x");
		await clock.advance(50);
		leave();
		await clock.settle();
		const { status, atMs } = await answer;
		assert.deepEqual([status, atMs], [499, 700]);
		assert.deepEqual(endsOf(calls), { "/a": [700, null], "/b": [500, null] });
		assertNothingLeft();
	});

	it("is not aborted by within, which ends its step", async () => {
		const { ask, calls } = testRoute(
			{
				steps: { b: { post: "users/b", within: "50ms", fallback: "unknown" } },
			},
			() => writing,
		);
		const answer = await ask("/x");
		assert.deepEqual([answer.json, answer.atMs], ["unknown", 50]);
		assert.deepEqual(endsOf(calls), { "/b": [500, null] });
	});

	it("is aborted by its own timeout, whoever has gone before", async () => {
		const { ask, calls } = testRoute(
			besideFailing({ post: "users/b", timeout: "300ms" }),
			byPath({ "/a": failsLate, "/b": hanging }),
		);
		assert.equal((await ask("/x")).atMs, 100);
		assert.deepEqual(endsOf(calls)["/b"], [300, "upstream_timeout"]);
	});

	it("is aborted by the deadline, whoever has gone before", async () => {
		const { ask, calls } = testRoute(
			{ deadline: "300ms", ...besideFailing() },
			byPath({ "/a": failsLate, "/b": hanging }),
		);
		assert.equal((await ask("/x")).atMs, 100);
		assert.deepEqual(endsOf(calls)["/b"], [300, "deadline_exceeded"]);
	});

	it("is aborted by the deadline while it is waited for", async () => {
		const { ask, calls } = testRoute(
			{ deadline: "300ms", steps: { b: { post: "users/b" } } },
			() => hanging,
		);
		const answer = await ask("/x");
		assert.deepEqual([answer.code, answer.atMs], ["deadline_exceeded", 300]);
		assert.deepEqual(endsOf(calls)["/b"], [300, "deadline_exceeded"]);
	});

	it("is aborted where the gateway closes", async () => {
		const { send, clock, gateway, calls, assertNothingLeft } = testRoute(
			{ steps: { b: { post: "users/b" } } },
			() => hanging,
		);
		const { answer } = send("/x");
		await clock.advance(10);
		await gateway.close();
		const { status, code } = await answer;
		assert.deepEqual([status, code], [503, "gateway_draining"]);
		assert.deepEqual(endsOf(calls)["/b"], [10, "gateway_draining"]);
		assertNothingLeft();
	});

	it("goes on for each item", async () => {
		const { ask, calls } = testRoute(
			besideFailing({ each: [1, 2, 3], parallel: 2, put: "users/${item}" }),
			byPath({ "/a": failsLate, "/1": writing, "/2": writing }),
		);
		assert.equal((await ask("/x")).atMs, 100);
		assert.deepEqual(endsOf(calls), {
			"/a": [100, null],
			"/1": [500, null],
			"/2": [500, null],
		});
	});

	it("goes on where another item fails", async () => {
		const { ask, calls } = testRoute(
			{ steps: { b: { each: [1, 2], put: "users/${item}" } } },
			byPath({ "/1": failsLate, "/2": writing }),
		);
		assert.equal((await ask("/x")).atMs, 100);
		assert.deepEqual(endsOf(calls)["/2"], [500, null]);
	});
});

describe("a write that was not sent", () => {
	const unsent: Behaviour = byPath({
		"/a": failsLate,
		"/b": { ...hanging, neverSent: true },
	});

	it("is aborted by a failing sibling", async () => {
		const { ask, calls } = testRoute(besideFailing(), unsent);
		await ask("/x");
		assert.deepEqual(endsOf(calls)["/b"], [100, "call_aborted"]);
	});

	it("is aborted by a client that leaves", async () => {
		const { send, clock, calls, assertNothingLeft } = testRoute(
			besideFailing(),
			unsent,
		);
		const { leave } = send("/x");
		await clock.advance(50);
		leave();
		await clock.advance(0);
		assert.deepEqual(endsOf(calls)["/b"], [50, "client_closed"]);
		assertNothingLeft();
	});

	it("is aborted by within", async () => {
		const step = { post: "users/b", within: "50ms", optional: true };
		const { ask, calls } = testRoute(besideFailing(step), unsent);
		await ask("/x");
		assert.deepEqual(endsOf(calls)["/b"], [50, "upstream_timeout"]);
	});

	it("never is where it still waits for a connection", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					a: { get: "orders/a" },
					b: { post: "users/b" },
					c: { post: "users/c" },
				},
				respond: "${a}",
			},
			byPath({ "/a": failsLate, "/b": writing }),
			{ upstreams: { users: { url: "http://users.test", connections: 1 } } },
		);
		await ask("/x");
		assert.deepEqual(endsOf(calls), { "/a": [100, null], "/b": [500, null] });
	});

	it("never is where its step had not started", async () => {
		const { ask, calls } = testRoute(
			besideFailing({ post: "users/b", after: ["a"] }),
			unsent,
		);
		await ask("/x");
		assert.deepEqual(Object.keys(endsOf(calls)), ["/a"]);
	});
});

describe("a POST of a safe upstream", () => {
	it("reads: it is aborted by a failing sibling though it was sent", async () => {
		const { ask, calls } = testRoute(
			besideFailing({ post: "search/b" }),
			byPath({ "/a": failsLate, "/b": hanging }),
		);
		await ask("/x");
		assert.deepEqual(endsOf(calls)["/b"], [100, "call_aborted"]);
	});

	it("reads: it is dropped when nobody waits for it", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					b: { post: "search/b" },
					a: { get: "orders/a", fallback: "${b}" },
				},
				respond: "${a}",
			},
			byPath({ "/b": hanging }),
		);
		assert.equal((await ask("/x")).atMs, 0);
		assert.equal(endsOf(calls)["/b"]?.[0], 0);
	});

	it("must be read by somebody", () => {
		for (const step of [
			{ post: "search/b" },
			{ get: "users/b" },
			{ value: 1 },
		]) {
			assert.throws(
				() => testRoute({ steps: { b: step }, respond: 1 }),
				/nobody reads `b`/,
			);
		}
	});
});

describe("another attempt of a write", () => {
	/** A route whose upstream has a policy of its own. Its clients come one after the other. */
	function guarded(policy: object, step: object, behave: Behaviour) {
		const users = { url: "http://users.test", timeout: "600ms", ...policy };
		return testGateway(
			{
				upstreams: { users, orders: { url: "http://orders.test" } },
				routes: {
					"PUT /x": { steps: { b: { put: "users/b", ...step } } },
					"GET /slow": { steps: { a: { get: "users/slow" } } },
				},
			},
			behave,
		);
	}
	const retry = { retry: { attempts: 3 } };
	const unavailable: Reply = { status: 503, afterMs: 50 };
	const startsOf = (calls: Parameters<typeof seen>[0]) =>
		calls.map(({ startedMs }) => startedMs);

	it("is made as long as its client waits", async () => {
		const { ask, calls } = guarded(retry, {}, () => unavailable);
		assert.equal((await ask("/x", { method: "PUT" })).status, 502);
		assert.deepEqual(startsOf(calls), [0, 75, 175]);
	});

	it("is made all the same, whenever the client leaves after the first", async () => {
		for (let leaveMs = 1; leaveMs < 240; leaveMs += 3) {
			const kit = guarded(retry, {}, () => unavailable);
			const { answer, leave } = kit.send("/x", { method: "PUT" });
			await kit.clock.advance(leaveMs);
			leave();
			await kit.clock.settle();
			const { status } = await answer;
			assert.equal(status, leaveMs < 225 ? 499 : 502);
			assert.deepEqual(startsOf(kit.calls), [0, 75, 175], `left at ${leaveMs}`);
			kit.assertNothingLeft();
		}
	});

	it("is not made if `within` has ended its step", async () => {
		const step = { within: "20ms", optional: true };
		const kit = guarded(retry, step, () => unavailable);
		const { answer } = kit.send("/x", { method: "PUT" });
		await kit.clock.settle();
		assert.equal((await answer).atMs, 20);
		assert.deepEqual(startsOf(kit.calls), [0]);
		kit.assertNothingLeft();
	});

	it("is not made if another step has failed", async () => {
		const kit = testGateway(
			{
				upstreams: {
					users: { url: "http://users.test", ...retry },
					orders: { url: "http://orders.test" },
				},
				routes: {
					"PUT /x": { ...besideFailing({ put: "users/b" }) },
				},
			},
			byPath({ "/a": { status: 500, afterMs: 60 }, "/b": unavailable }),
		);
		const { answer } = kit.send("/x", { method: "PUT" });
		await kit.clock.settle();
		assert.equal((await answer).atMs, 60);
		assert.equal(
			kit.calls.filter(({ request }) => request.method === "PUT").length,
			1,
		);
		kit.assertNothingLeft();
	});

	it("that waits for its turn is sent although the client leaves", async () => {
		const kit = guarded({ ...retry, connections: 1 }, {}, ({ request }) =>
			request.target === "/slow" ? { afterMs: 500 } : unavailable,
		);
		const { answer, leave } = kit.send("/x", { method: "PUT" });
		await kit.clock.advance(60);
		const slow = kit.send("/slow");
		await kit.clock.advance(60);
		leave();
		await kit.clock.settle();
		assert.equal((await answer).status, 499);
		assert.equal((await slow.answer).status, 200);
		assert.deepEqual(
			kit.calls.map(({ request }) => request.method),
			["PUT", "GET", "PUT", "PUT"],
		);
		kit.assertNothingLeft();
	});

	it("of a function is not made if its function has returned", async () => {
		type Call = (target: string, options: object) => unknown;
		const run = (_: unknown, { call }: { call: Call }) => {
			void call("users/b", { method: "PUT" });
			return new Promise((resolve) => setImmediate(resolve, 1));
		};
		const kit = testGateway(
			{
				upstreams: { users: { url: "http://users.test", ...retry } },
				routes: { "PUT /x": { steps: { b: { run } } } },
			},
			() => unavailable,
		);
		const { answer } = kit.send("/x", { method: "PUT" });
		assert.equal((await answer).status, 200);
		await kit.clock.settle();
		assert.deepEqual(startsOf(kit.calls), [0]);
		kit.assertNothingLeft();
	});

	it("is made by `hedge`, whether or not the client has left", async () => {
		const hedge = { hedge: { calls: 10 } };
		for (const leaves of [false, true]) {
			let afterMs = 10;
			const kit = guarded(hedge, {}, () => ({ afterMs }));
			for (let call = 0; call < 10; call++) {
				await kit.ask("/x", { method: "PUT" });
			}
			afterMs = 500;
			const { answer, leave } = kit.send("/x", { method: "PUT" });
			await kit.clock.advance(5);
			if (leaves) leave();
			await kit.clock.settle();
			assert.equal((await answer).status, leaves ? 499 : 200);
			assert.equal(kit.calls.length, 12);
			kit.assertNothingLeft();
		}
	});
});
