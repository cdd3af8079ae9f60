import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkValue, configOrThrow } from "../../src/config/load.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { headerOf } from "../../src/core/http/headers.ts";
import { defineGateway } from "../../src/index.ts";
import {
	type Answer,
	type Behaviour,
	hanging,
	type Reply,
	testGateway,
	testRoute,
} from "../kit/gateway.ts";

const down: Reply = {
	error: new GatewayError("upstream_unreachable", "refused"),
};

/** Replies one after another, the last for ever. */
function inTurn(...replies: Reply[]): Behaviour {
	let count = 0;
	return () => replies[Math.min(count++, replies.length - 1)] ?? {};
}

function marks(answer: Answer): (string | null)[] {
	return [
		answer.header("sluice-complete"),
		answer.header("sluice-missing"),
		answer.header("cache-control"),
	];
}

const cachedUsers = (cache: unknown) => ({
	upstreams: { users: { url: "http://users.test", timeout: "2s", cache } },
});

const told = (control: string, json: unknown = 1): Reply => ({
	json,
	headers: ["cache-control", control],
});

const step = { steps: { now: { get: "users/a" } } };

describe("a route from the cache", () => {
	it("asks its upstream once", async () => {
		const { ask, calls, clock } = testRoute(
			step,
			() => told("max-age=10", { a: 1 }),
			cachedUsers(true),
		);
		for (let time = 0; time < 10; time++) {
			assert.deepEqual((await ask("/x")).json, { a: 1 });
			await clock.advance(999);
		}
		assert.equal(calls.length, 1);
		await clock.advance(10);
		await ask("/x");
		assert.equal(calls.length, 2);
	});

	it("asks each time where `cache` is not written, or `false`", async () => {
		for (const cache of [undefined, false]) {
			const { ask, calls } = testRoute(
				step,
				() => told("max-age=10"),
				cachedUsers(cache),
			);
			await ask("/x");
			await ask("/x");
			assert.equal(calls.length, 2);
		}
	});

	it("keeps for each user what is that user's", async () => {
		const { ask, calls } = testRoute(
			{
				request: { headers: { "x-user": { type: "string" } } },
				steps: {
					it: { get: "users/me", headers: { "x-user": "${headers.x_user}" } },
				},
			},
			({ request }) => ({
				json: headerOf(request.headers, "x-user"),
			}),
			cachedUsers({ for: "1m" }),
		);
		for (const user of ["ann", "bob", "ann", "bob"]) {
			const answer = await ask("/x", { headers: ["x-user", user] });
			assert.equal(answer.json, user);
		}
		assert.equal(calls.length, 2);
	});

	it("is the same whatever function of the author's has had it", async () => {
		const config = defineGateway({
			upstreams: { users: { url: "http://users.test", cache: { for: "1m" } } },
			routes: {
				"GET /reads": { steps: { a: { get: "users/a" } } },
				"GET /changes": {
					steps: {
						a: {
							async run(_args, { call }) {
								const { body } = await call("users/a");
								(body as { list: number[] }).list.push(3);
								return body;
							},
						},
					},
				},
				"GET /copies": {
					steps: {
						a: { get: "users/a" },
						b: {
							args: "${a}",
							run(args: { list: number[] }) {
								args.list.push(3);
								return args;
							},
						},
					},
					respond: "${b}",
				},
			},
		});
		const { ask, calls } = testGateway(
			configOrThrow(checkValue(config, "config", {})),
			() => ({ json: { list: [1, 2] } }),
		);
		assert.deepEqual((await ask("/reads")).json, { list: [1, 2] });
		assert.equal((await ask("/changes")).code, "step_failed");
		assert.deepEqual((await ask("/copies")).json, { list: [1, 2, 3] });
		assert.deepEqual((await ask("/reads")).json, { list: [1, 2] });
		assert.equal(calls.length, 1);
	});

	it("tells what it decided", async () => {
		const all = testRoute(
			step,
			inTurn(told("max-age=1, stale-if-error=9"), down),
			cachedUsers(true),
		);
		const decisions: string[] = [];
		all.gateway.events.policyDecided.push(({ policy, decision, reason }) =>
			decisions.push(`${policy} ${decision} ${reason}`),
		);
		await all.ask("/x");
		await all.ask("/x");
		await all.clock.advance(1000);
		await all.ask("/x");
		assert.deepEqual(decisions, [
			"cache miss null",
			"cache hit null",
			"cache stale upstream_unreachable",
		]);
	});
});

describe("an answer with a stale part", () => {
	const sie = "max-age=1, stale-if-error=9";
	const swr = "max-age=1, stale-while-revalidate=9";
	async function second(route: object, ...replies: Reply[]) {
		const all = testRoute(route, inTurn(...replies), cachedUsers(true));
		const first = await all.ask("/x");
		assert.equal(first.header("sluice-missing"), null);
		await all.clock.advance(1000);
		return { ...all, answer: await all.ask("/x") };
	}

	it("is partial where the upstream has failed, and names the code", async () => {
		const { answer, ended } = await second(step, told(sie, "old"), down);
		assert.equal(answer.status, 200);
		assert.equal(answer.json, "old");
		assert.deepEqual(marks(answer), [
			"?0",
			"now;stale;error=upstream_unreachable",
			"no-store",
		]);
		assert.equal(ended[1]?.missing[0]?.error.facts.step, "now");
	});

	it("is whole while the upstream is only asked anew", async () => {
		const slow = { ...told(swr, "new"), afterMs: 500 };
		const { answer, ended, ask } = await second(step, told(swr, "old"), slow);
		assert.equal(answer.json, "old");
		assert.equal(answer.atMs, 1000, "nobody waits for the refresh");
		assert.deepEqual(marks(answer).slice(0, 2), ["?1", "now;stale"]);
		assert.deepEqual(ended[1]?.missing, []);
		const third = await ask("/x");
		assert.equal(third.json, "new");
		assert.equal(third.header("sluice-missing"), null);
	});

	it("is named by the timeout that the upstream ran into", async () => {
		const { answer } = await second(step, told(sie, "old"), hanging);
		assert.deepEqual(marks(answer).slice(0, 2), [
			"?0",
			"now;stale;error=upstream_timeout",
		]);
		assert.equal(answer.atMs, 3000);
	});

	it("comes at the step's `within`, and at the route's deadline", async () => {
		for (const [route, code] of [
			[
				{ steps: { now: { get: "users/a", within: "300ms" } } },
				"upstream_timeout",
			],
			[{ ...step, deadline: "300ms" }, "deadline_exceeded"],
		] as const) {
			const { answer } = await second(route, told(sie, "old"), hanging);
			assert.equal(answer.status, 200);
			assert.equal(answer.header("sluice-missing"), `now;stale;error=${code}`);
			assert.equal(answer.atMs, 1300);
		}
	});

	it("does not use the step's fallback", async () => {
		const route = { steps: { now: { get: "users/a", fallback: "none" } } };
		const { answer } = await second(route, told(sie, "old"), { status: 503 });
		assert.equal(answer.json, "old");
		assert.equal(
			answer.header("sluice-missing"),
			"now;stale;error=upstream_status",
		);
	});

	it("says only what the value was made of where the step fails all the same", async () => {
		const pick = "${answer.list[0].name + '!'}";
		const route = {
			steps: { now: { get: "users/a", pick, fallback: "none" } },
		};
		const all = testRoute(
			route,
			inTurn(told(sie, { list: [] }), down),
			cachedUsers(true),
		);
		await all.ask("/x");
		await all.clock.advance(1000);
		const answer = await all.ask("/x");
		assert.equal(
			answer.header("sluice-missing"),
			"now;error=reference_missing",
		);
	});

	it("tells the route itself by `missing`, where the upstream has failed", async () => {
		const route = {
			...step,
			respond: { now: "${now}", why: "${missing.now}" },
		};
		const failed = await second(route, told(sie), down);
		assert.deepEqual(failed.answer.json, {
			now: 1,
			why: "upstream_unreachable",
		});
		const asked = await second(route, told(swr), told(swr));
		assert.deepEqual(asked.answer.json, { now: 1, why: null });
	});

	it("names the item of a list and the step of a group", async () => {
		const each = {
			steps: {
				many: { each: [7, 8], get: "users/${item}" },
				group: { steps: { inner: { get: "users/9" } } },
			},
			respond: ["${many}", "${group}"],
		};
		const all = testRoute(
			each,
			({ request, startedMs }) =>
				startedMs > 0 && request.target !== "/7" ? down : told(sie),
			cachedUsers(true),
		);
		await all.ask("/x");
		await all.clock.advance(1000);
		const answer = await all.ask("/x");
		assert.equal(
			answer.header("sluice-missing"),
			"many;index=1;stale;error=upstream_unreachable, group.inner;stale;error=upstream_unreachable",
		);
	});

	it("is not marked for what is not in it", async () => {
		const route = {
			steps: {
				first: { get: "users/first", fallback: "${backup}" },
				backup: { get: "users/backup", optional: true },
			},
			respond: "${first}",
		};
		const all = testRoute(
			route,
			({ request, startedMs }) =>
				startedMs > 0 && request.target === "/backup"
					? down
					: { ...told(sie), afterMs: 5 },
			cachedUsers(true),
		);
		await all.ask("/x");
		await all.clock.advance(1000);
		const answer = await all.ask("/x");
		assert.equal(answer.header("sluice-missing"), null);
	});

	it("is marked where a function has called", async () => {
		const config = defineGateway({
			upstreams: { users: { url: "http://users.test", cache: true } },
			routes: {
				"GET /x": {
					steps: {
						now: {
							run: async (_args, { call }) => (await call("users/a")).body,
						},
					},
				},
			},
		});
		const all = testGateway(
			configOrThrow(checkValue(config, "config", {})),
			inTurn(told(sie, "old"), down),
		);
		await all.ask("/x");
		await all.clock.advance(1000);
		const answer = await all.ask("/x");
		assert.equal(answer.json, "old");
		assert.equal(
			answer.header("sluice-missing"),
			"now;stale;error=upstream_unreachable",
		);
	});
});

describe("a refresh", () => {
	it("goes on when its client has been answered, and ends with the gateway", async () => {
		const all = testRoute(
			step,
			inTurn(told("max-age=1, stale-while-revalidate=9"), hanging),
			cachedUsers(true),
		);
		await all.ask("/x");
		await all.clock.advance(1000);
		const { answer } = all.send("/x");
		assert.equal((await answer).status, 200);
		assert.equal(all.calls[1]?.endedMs, null);
		await all.gateway.close();
		await all.clock.advance(0);
		assert.notEqual(all.calls[1]?.aborted, null);
		all.assertNothingLeft();
	});
});
