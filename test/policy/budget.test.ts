import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type BudgetOptions, createBudget } from "../../src/policy/budget.ts";
import { virtualClock } from "../../src/tasks/index.ts";

/** How many there are to take, taking them. */
function takeAll(budget: { take(): boolean }): number {
	let taken = 0;
	while (budget.take()) taken++;
	return taken;
}

test("begins with what one second gives", () => {
	for (const perSecond of [0, 0.5, 1, 10]) {
		const budget = createBudget({ ratio: 0.2, perSecond }, virtualClock());
		assert.equal(takeAll(budget), Math.floor(perSecond));
	}
});

test("gives one more for every fifth call, and none for the fourth", () => {
	const budget = createBudget({ ratio: 0.2, perSecond: 0 }, virtualClock());
	for (let round = 0; round < 50; round++) {
		for (let call = 0; call < 4; call++) budget.earn();
		assert.equal(budget.take(), false);
		budget.earn();
		assert.equal(takeAll(budget), 1);
	}
});

test("gives so many a second, however few the calls", async () => {
	const clock = virtualClock();
	const budget = createBudget({ ratio: 0, perSecond: 10 }, clock);
	takeAll(budget);
	await clock.advance(99);
	assert.equal(budget.take(), false);
	await clock.advance(1);
	assert.equal(takeAll(budget), 1);
	await clock.advance(1000);
	assert.equal(takeAll(budget), 10);
});

test("saves up no more than ten seconds give, nor fewer than ten", async () => {
	const clock = virtualClock();
	const budget = createBudget({ ratio: 0.2, perSecond: 10 }, clock);
	await clock.advance(1_000_000);
	assert.equal(takeAll(budget), 100);
	for (let call = 0; call < 10_000; call++) budget.earn();
	assert.equal(takeAll(budget), 100);
	const small = createBudget({ ratio: 0.2, perSecond: 0 }, clock);
	for (let call = 0; call < 10_000; call++) small.earn();
	assert.equal(takeAll(small), 10);
});

test("gives nothing where it has nothing", async () => {
	const clock = virtualClock();
	const budget = createBudget({ ratio: 0, perSecond: 0 }, clock);
	for (let call = 0; call < 100; call++) budget.earn();
	await clock.advance(1_000_000);
	assert.equal(budget.take(), false);
});

test("never gives more than its start, its calls and its time come to", async () => {
	const events = fc.array(
		fc.oneof(
			fc.constant("earn" as const),
			fc.constant("take" as const),
			fc.integer({ min: 1, max: 3000 }),
		),
		{ maxLength: 200 },
	);
	const options: fc.Arbitrary<BudgetOptions> = fc.record({
		ratio: fc.double({ min: 0, max: 1, noNaN: true }),
		perSecond: fc.double({ min: 0, max: 50, noNaN: true }),
	});
	await fc.assert(
		fc.asyncProperty(options, events, async (drawn, happens) => {
			const clock = virtualClock();
			const budget = createBudget(drawn, clock);
			let calls = 0;
			let taken = 0;
			for (const event of happens) {
				if (event === "earn") {
					calls++;
					budget.earn();
				} else if (event === "take") {
					if (budget.take()) taken++;
				} else await clock.advance(event);
				const { ratio, perSecond } = drawn;
				const seconds = 1 + clock.now() / 1000;
				assert.ok(taken <= ratio * calls + perSecond * seconds + 1e-6);
			}
		}),
	);
});
