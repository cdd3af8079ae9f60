import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../../src/core/http/messages.ts";
import { type Budget, createBudget } from "../../src/policy/budget.ts";
import { type HedgeOptions, hedge } from "../../src/policy/hedge.ts";
import { Latencies } from "../../src/policy/latency.ts";
import { type PromisedCall, promised } from "../../src/policy/promised.ts";
import { type Outcome, openScope, outcomeOf } from "../../src/tasks/index.ts";
import {
	answer,
	codeOf,
	contextOf,
	endless,
	fault,
	policySetting,
	reply,
	requestOf,
} from "../kit/policy.ts";
import { conforms } from "./conformance.ts";

const options: HedgeOptions = { percentile: 95, calls: 20 };
const free = { budget: endless, hasFree: () => true };

conforms("hedge", (clock) => hedge(options, { ...contextOf(clock), ...free }));

let setting = policySetting("hedge");
let { clock, scope, told, begun } = setting;
let budget: Budget;
let hasFree: boolean;
let call: PromisedCall;
let seen: UpstreamRequest[];

/** A hedged call whose upstream was measured: its calls take 100 ms. */
beforeEach(async () => {
	setting = policySetting("hedge");
	({ clock, scope, told, begun } = setting);
	seen = [];
	budget = endless;
	hasFree = true;
	const { context, next } = setting;
	const policy = hedge(options, {
		...context,
		budget: { earn: () => budget.earn(), take: () => budget.take() },
		hasFree: () => hasFree,
	});
	call = promised(
		policy((request, inside, ended) => {
			seen.push(request);
			next(request, inside, ended);
		}),
	);
	for (let time = 0; time < 20; time++) {
		begun.length = 0;
		const measured = begin();
		await clock.advance(100);
		begun[0]?.resolve(answer);
		await measured;
	}
	begun.length = 0;
	seen.length = 0;
	told.length = 0;
});

afterEach(() => setting.assertNothingLeft());

function begin(
	request: Partial<UpstreamRequest> = { idempotent: true },
	inside = scope,
): Promise<Outcome<UpstreamResponse>> {
	return outcomeOf(call(requestOf(request), inside));
}

describe("the estimate", () => {
	test("is there with so many calls, and not with one less", () => {
		for (const count of [19, 20, 21]) {
			const latencies = new Latencies(0.95, 20);
			for (let time = 0; time < count; time++) latencies.add(100);
			assert.equal(latencies.estimateMs === null, count < 20);
		}
	});

	test("is at most 5 % above what so many calls take, and never below", () => {
		const latencies = new Latencies(0.95, 20);
		for (let ms = 1; ms <= 1600; ms++) latencies.add(ms);
		const estimateMs = latencies.estimateMs ?? 0;
		assert.ok(estimateMs >= 1520 && estimateMs <= 1520 * 1.06, `${estimateMs}`);
	});

	test("follows an upstream that has become slower, and one that has become faster", () => {
		const latencies = new Latencies(0.95, 20);
		const is = (ms: number) => {
			const estimateMs = latencies.estimateMs ?? 0;
			assert.ok(estimateMs >= ms && estimateMs < ms * 1.06, `${estimateMs}`);
		};
		for (let time = 0; time < 5000; time++) latencies.add(10);
		is(10);
		for (let time = 0; time < 200; time++) latencies.add(500);
		is(500);
		for (let time = 0; time < 8000; time++) latencies.add(10);
		is(10);
	});

	test("knows the shortest and the longest", () => {
		const latencies = new Latencies(0.95, 1);
		latencies.add(0);
		assert.ok((latencies.estimateMs ?? 1) < 0.11);
		const slow = new Latencies(0.95, 1);
		slow.add(1e12);
		assert.ok((slow.estimateMs ?? 0) > 200_000);
	});
});

test("makes a second attempt when the first is slower than most, and gives the answer that comes first", async () => {
	for (const winner of [0, 1]) {
		begun.length = 0;
		const outcome = begin();
		await clock.advance(99);
		assert.equal(begun.length, 1);
		await clock.advance(10);
		assert.equal(begun.length, 2);
		await clock.advance(50);
		begun[winner]?.resolve(reply(200 + winner));
		const ended = await outcome;
		assert.ok(ended.ok && ended.value.status === 200 + winner);
		// The other was aborted, and only it.
		assert.equal(begun[1 - winner]?.scope.cancelled, true);
		assert.equal(begun[winner]?.scope.cancelled, false);
		assert.equal(clock.pending, 0);
	}
	assert.deepEqual(told, ["attempt 2: slow", "attempt 2: slow", "won"]);
});

test("makes none where the first is as fast as most", async () => {
	const outcome = begin();
	await clock.advance(100);
	begun[0]?.resolve(answer);
	assert.equal((await outcome).ok, true);
	assert.equal(begun.length, 1);
	assert.deepEqual(told, []);
});

test("gives the second the time that the first has left, and tells it where that went", async () => {
	const outcome = begin({ idempotent: true, timeoutMs: 500 });
	seen[0]?.tried?.push(2);
	await clock.advance(110);
	assert.deepEqual(seen[1]?.tried, [2]);
	const leftMs = seen[1]?.timeoutMs ?? 0;
	assert.ok(leftMs > 390 && leftMs <= 400, `${leftMs}`);
	begun[0]?.resolve(answer);
	await outcome;
});

test("makes none where there would be no time for it", async () => {
	const outcome = begin({ idempotent: true, timeoutMs: 100 });
	await clock.advance(1000);
	assert.equal(begun.length, 1);
	begun[0]?.resolve(answer);
	await outcome;
});

test("makes none of what may not be sent twice", async () => {
	const outcome = begin({ method: "POST" });
	await clock.advance(10_000);
	assert.equal(begun.length, 1);
	begun[0]?.resolve(answer);
	await outcome;
});

test("makes none where no place is free, nor where the budget is empty", async () => {
	budget = createBudget({ ratio: 0, perSecond: 1 }, clock);
	hasFree = false;
	const first = begin();
	await clock.advance(110);
	assert.equal(begun.length, 1);
	hasFree = true;
	// What was not made has cost nothing.
	const second = begin();
	await clock.advance(110);
	assert.equal(begun.length, 3);
	const third = begin();
	await clock.advance(110);
	assert.equal(begun.length, 4);
	for (const { resolve } of begun) resolve(answer);
	await Promise.all([first, second, third]);
	assert.deepEqual(told, [
		"no_slot: slow",
		"attempt 2: slow",
		"no_budget: slow",
	]);
});

describe("a failure of one attempt", () => {
	for (const [what, fails] of [
		[
			"an error",
			(at: number) => begun[at]?.reject(fault("upstream_unreachable")),
		],
		["a 503", (at: number) => begun[at]?.resolve(reply(503))],
		["a 429", (at: number) => begun[at]?.resolve(reply(429))],
	] as const) {
		for (const loser of [0, 1]) {
			test(`is not the end while the other runs: ${what} of the ${loser === 0 ? "first" : "second"}`, async () => {
				const outcome = begin();
				await clock.advance(110);
				fails(loser);
				await clock.advance(50);
				begun[1 - loser]?.resolve(answer);
				const ended = await outcome;
				assert.equal(ended.ok && ended.value, answer);
			});
		}
	}

	test("is the end where it comes before there is another", async () => {
		const outcome = begin();
		await clock.advance(50);
		begun[0]?.reject(fault("upstream_unreachable"));
		assert.equal(codeOf(await outcome), "upstream_unreachable");
		await clock.settle();
		assert.equal(begun.length, 1);
	});

	test("is the end where the other fails too, with what the upstream said last", async () => {
		const outcome = begin();
		await clock.advance(110);
		begun[1]?.reject(fault("upstream_unreachable"));
		await clock.advance(1);
		begun[0]?.reject(fault("upstream_invalid"));
		assert.equal(codeOf(await outcome), "upstream_invalid");
	});

	test("says what the upstream said where the other was refused by us", async () => {
		for (const refused of [0, 1]) {
			begun.length = 0;
			const outcome = begin();
			await clock.advance(110);
			const last = (at: number) =>
				begun[at]?.reject(
					fault(at === refused ? "limiter_full" : "upstream_unreachable"),
				);
			last(1 - refused);
			await clock.advance(1);
			last(refused);
			assert.equal(codeOf(await outcome), "upstream_unreachable");
		}
	});
});

test("ends both attempts with the reason where it is cancelled", async () => {
	for (const afterMs of [50, 110]) {
		begun.length = 0;
		const inside = openScope({ clock });
		const outcome = begin(undefined, inside);
		await clock.advance(afterMs);
		const reason = new Error("left");
		inside.cancel(reason);
		assert.deepEqual(await outcome, { ok: false, error: reason });
		await clock.advance(0);
		assert.equal(inside.listeners, 0);
		assert.equal(clock.pending, 0);
		assert.ok(begun.every((one) => one.scope.cancelled));
	}
});

test("counts a first attempt that lost at its age, so that slow ones stay slow", async () => {
	// Each first attempt hangs, each second answers in 10 ms: were only answers counted, 10 ms would become the usual.
	for (let time = 0; time < 200; time++) {
		begun.length = 0;
		const outcome = begin();
		while (begun.length < 2) await clock.advance(10);
		await clock.advance(10);
		begun[1]?.resolve(answer);
		assert.equal((await outcome).ok, true);
	}
	// It has learnt that they take longer than it took them for.
	begun.length = 0;
	const outcome = begin();
	await clock.advance(120);
	assert.equal(begun.length, 1);
	begun[0]?.resolve(answer);
	await outcome;
});
