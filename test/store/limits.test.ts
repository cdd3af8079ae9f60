import assert from "node:assert/strict";
import crypto from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
	type Counted,
	type LimitRule,
	LocalLimits,
} from "../../src/store/limit.ts";
import {
	argumentsOf,
	limitScript,
	readCounted,
} from "../../src/store/limit-script.ts";
import { openRedis } from "../../src/store/redis.ts";
import { SharedLimits } from "../../src/store/shared-limits.ts";
import { Store } from "../../src/store/store.ts";
import { realClock, virtualClock } from "../../src/tasks/clock.ts";
import {
	startStore,
	type TestStore,
	untilUp,
	withoutStore,
} from "../kit/store.ts";

const skip = withoutStore();

async function open(url: string) {
	const changed: (() => void)[] = [];
	const context = { clock: realClock(), changed, open: openRedis(url) };
	const store = new Store({ prefix: "test:", timeoutMs: 10_000 }, context);
	await untilUp(store, changed);
	return store;
}

/**
 * The script, told the time instead of asking the store for it. The store lets go of keys by its own time, which goes on
 * while the test's stands still, so they last longer here.
 */
const timed = (() => {
	const { text: own } = limitScript;
	const told = own.replace(
		"redis.call('TIME')",
		"{ ARGV[#ARGV - 1], ARGV[#ARGV] }",
	);
	const text = told.replace("math.ceil(debt) + 1", "math.ceil(debt) + 60000");
	assert.ok(told !== own && text !== told);
	return { text, sha1: crypto.hash("sha1", text) };
})();

const holderOf = (identity: string, rules: readonly LimitRule[]) => ({
	...{ identity, rules },
	local: new LocalLimits(rules, 1000),
});

const rule = fc.record({
	limit: fc.oneof(
		fc.integer({ min: 1, max: 5 }),
		fc.integer({ min: 1, max: 1e6 }),
	),
	perMs: fc.integer({ min: 1, max: 86_400 }).map((s) => 1000 * s),
});

describe("limits in a store", { skip }, () => {
	const inside = async (work: (server: TestStore) => Promise<void>) => {
		await using server = await startStore();
		await work(server);
	};

	it("count as those in memory do, whatever the limits, the keys and the times", () =>
		inside(async ({ url }) => {
			const store = await open(url);
			let round = 0;
			const groups = fc.array(fc.array(rule, { minLength: 1, maxLength: 3 }), {
				minLength: 1,
				maxLength: 2,
			});
			const steps = fc.array(
				fc.record({
					after: fc.oneof(
						fc.constant(0),
						fc.integer({ min: 0, max: 3 }),
						fc.integer({ min: 0, max: 100_000 }),
					),
					who: fc.integer({ min: 0, max: 1 }),
				}),
				{ maxLength: 40 },
			);
			await fc.assert(
				fc.asyncProperty(groups, steps, async (groups, steps) => {
					round++;
					const locals = groups.map((rules) => new LocalLimits(rules, 1000));
					let nowMs = 0;
					for (const { after, who } of steps) {
						nowMs += after;
						const asked = groups.map((rules, at) => ({
							rules,
							keys: rules.map((_, index) => `${round} ${at} ${index} ${who}`),
						}));
						const expected: Counted[] = [];
						for (const [at, local] of locals.entries()) {
							const keys = (asked[at] as { keys: string[] }).keys;
							const one = local.count(keys, nowMs);
							expected.push(one);
							if (one.earlyMs > 0) break;
						}
						const shared = await store.script(
							timed,
							asked.flatMap(({ keys }) => keys),
							[
								...argumentsOf([asked]),
								String(1_800_000_000 + Math.floor(nowMs / 1000)),
								String((nowMs % 1000) * 1000),
							],
							(reply) => readCounted(reply, [asked]),
						);
						const got = shared[0] as typeof expected;
						assert.equal(got.length, expected.length);
						got.forEach((one, at) => {
							const other = expected[at] as typeof one;
							assert.equal(one.earlyMs > 0, other.earlyMs > 0);
							assert.ok(Math.abs(one.earlyMs - other.earlyMs) < 0.002);
							one.debtsMs.forEach((ms, index) => {
								const otherMs = other.debtsMs[index] as number;
								assert.ok(Math.abs(ms - otherMs) < 0.002, `${ms} ${otherMs}`);
							});
						});
					}
				}),
				{ numRuns: 60 },
			);
			store.close();
		}));

	it("are one limit for all who share the store", () =>
		inside(async ({ url }) => {
			const rules = [{ limit: 10, perMs: 3_600_000 }];
			const gateways = await Promise.all([open(url), open(url), open(url)]);
			const limits = gateways.map((store) => new SharedLimits(store));
			const holders = gateways.map(() => holderOf("x", rules));
			const all = await Promise.all(
				Array.from({ length: 300 }, (_, at) =>
					(limits[at % 3] as SharedLimits).count([
						{ holder: holders[at % 3] as (typeof holders)[0], keys: ["k"] },
					]),
				),
			);
			const passed = all.filter(([one]) => one?.earlyMs === 0);
			assert.equal(passed.length, 10);
			for (const store of gateways) {
				assert.equal(store.state().local.limits, 0);
				store.close();
			}
		}));

	it("go on from what was last heard of a key when the store is gone", () =>
		inside(async (server) => {
			const store = await open(server.url);
			const limits = new SharedLimits(store);
			const holder = holderOf("x", [{ limit: 5, perMs: 3_600_000 }]);
			const count = async (keys: string[]) =>
				(await limits.count([{ holder, keys }]))[0]?.earlyMs === 0;
			for (let times = 0; times < 4; times++) assert.ok(await count(["k"]));
			await server.kill();
			assert.equal(await count(["k"]), true);
			assert.equal(await count(["k"]), false);
			assert.equal(await count(["other"]), true);
			assert.ok(store.state().local.limits >= 2);
			store.close();
		}));

	it("are not harmed by what somebody else has written under their keys", () =>
		inside(async (server) => {
			const store = await open(server.url);
			const limits = new SharedLimits(store);
			const holder = holderOf("x", [{ limit: 2, perMs: 3_600_000 }]);
			const count = async () =>
				(await limits.count([{ holder, keys: ["k"] }]))[0];
			await count();
			const answer = await server.command("KEYS", "test:limit:*");
			const key = /test:limit:\S+/.exec(answer)?.[0] as string;
			for (const value of ["", "x", "1e999 5", "-5 7", "nan 1", "7", "1 2 3"]) {
				await server.command("SET", key, value);
				const { earlyMs } = (await count()) ?? {};
				assert.ok(earlyMs !== undefined);
				assert.ok(earlyMs <= 3_600_000);
			}
			await server.command("DEL", key);
			await server.command("LPUSH", key, "a");
			assert.equal((await count())?.earlyMs, 0);
			assert.equal(store.state().state, "up");
			store.close();
		}));

	it("outlive no client: a key expires when it owes nothing", () =>
		inside(async (server) => {
			const store = await open(server.url);
			const limits = new SharedLimits(store);
			const holder = holderOf("x", [{ limit: 2, perMs: 1_000 }]);
			await limits.count([{ holder, keys: ["k"] }]);
			const listed = await server.command("KEYS", "test:limit:*");
			const key = /test:limit:\S+/.exec(listed)?.[0] as string;
			const left = Number((await server.command("PTTL", key)).slice(1));
			assert.ok(left > 0 && left <= 501, `${left}`);
			store.close();
		}));

	it("do not move when the store's clock is set back", () =>
		inside(async ({ url }) => {
			const store = await open(url);
			const rules = [{ limit: 2, perMs: 60_000 }];
			const asked = [{ rules, keys: ["back"] }];
			const at = (seconds: number) =>
				store.script(
					timed,
					["back"],
					[...argumentsOf([asked]), String(seconds), "0"],
					(reply) => readCounted(reply, [asked]),
				);
			await at(1_800_000_000);
			const [counted] = await at(1_799_990_000);
			assert.deepEqual(counted, [{ earlyMs: 0, debtsMs: [60_000] }]);
			const [refused] = await at(1_799_990_000);
			assert.deepEqual(refused, [{ earlyMs: 30_000, debtsMs: [60_000] }]);
			const [later] = await at(1_799_990_030);
			assert.equal(later?.[0]?.earlyMs, 0);
			store.close();
		}));
});

describe("what a store answers about limits", () => {
	const asked = [
		[{ rules: [{ limit: 1, perMs: 1000 }], keys: ["a"] }],
		[{ rules: [{ limit: 1, perMs: 1000 }], keys: ["b"] }],
	];
	for (const lie of [
		null,
		"OK",
		[],
		[0],
		[0, 5, 0],
		[0, 5, 0, 5, 0],
		[0, 5, 0, "5"],
		[0, -1, 0, 0],
		[0, 1e15, 0, 0],
		[0, Number.NaN, 0, 0],
	]) {
		it(`is nothing if it is ${JSON.stringify(lie)}`, () => {
			assert.equal(readCounted(lie, asked), null);
		});
	}

	it("has an item for each group up to the first refusal", () => {
		assert.deepEqual(readCounted([0, 1_000_000, 500, 1_000_000], asked), [
			[{ earlyMs: 0, debtsMs: [1000] }],
			[{ earlyMs: 0.5, debtsMs: [1000] }],
		]);
	});
});

describe("limits while the store does not answer", () => {
	it("count in this process once the time of the store is over, and then at once", async () => {
		const clock = virtualClock();
		let commands = 0;
		const store = new Store(
			{ prefix: "test:", timeoutMs: 50 },
			{
				clock,
				changed: [],
				open: async () => ({
					command: (words) => {
						if (words[0] === "SET") return Promise.resolve("OK");
						commands++;
						return new Promise(() => {});
					},
					subscribe: async () => {},
					destroy: () => {},
				}),
			},
		);
		await clock.advance(0);
		const limits = new SharedLimits(store);
		const holder = holderOf("x", [{ limit: 3, perMs: 60_000 }]);
		const all = Array.from({ length: 200 }, () =>
			limits.count([{ holder, keys: ["k"] }]),
		);
		let done = false;
		void Promise.all(all).then(() => {
			done = true;
		});
		await clock.advance(49);
		assert.equal(done, false);
		await clock.advance(1);
		assert.equal(done, true);
		// 200 requests of one turn are four calls.
		assert.equal(commands, 4);
		const passed = (await Promise.all(all)).filter(
			([one]) => one?.earlyMs === 0,
		);
		assert.equal(passed.length, 3);
		assert.equal(store.state().local.limits, 200);
		const [next] = await limits.count([{ holder, keys: ["other"] }]);
		assert.equal(next?.earlyMs, 0);
		assert.equal(commands, 4);
		assert.equal(clock.pending, 0);
	});
});
