import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
	createSemaphore,
	openScope,
	outcomeOf,
	virtualClock,
} from "../../src/tasks/index.ts";

const reason = new Error("the test's reason");

/** Lets all promises run that can. */
const promisesToRun = () => new Promise((resolve) => setImmediate(resolve));

test("gives out as many slots as it has, and one more for each given back", () => {
	for (const slots of [1, 2, 3]) {
		const semaphore = createSemaphore(slots);
		for (let taken = 0; taken < slots; taken++)
			assert.equal(semaphore.tryTake(), true);
		assert.equal(semaphore.tryTake(), false);
		assert.equal(semaphore.taken, slots);
		semaphore.give();
		assert.equal(semaphore.tryTake(), true);
		assert.equal(semaphore.tryTake(), false);
	}
});

test("hands a slot on to the one that has waited longest, past whoever only tries", async () => {
	const semaphore = createSemaphore(1);
	const scope = openScope({ clock: virtualClock() });
	const order: number[] = [];
	const takes = [0, 1, 2].map(async (at) => {
		await semaphore.take(scope);
		order.push(at);
	});
	assert.equal(semaphore.waiting, 2);
	semaphore.give();
	assert.equal(semaphore.tryTake(), false);
	assert.equal(semaphore.taken, 1);
	semaphore.give();
	await Promise.all(takes);
	assert.deepEqual(order, [0, 1, 2]);
	assert.equal(scope.listeners, 0);
	semaphore.give();
	assert.equal(semaphore.taken, 0);
});

test("stops waiting when the scope is cancelled, and takes nothing in one that was", async () => {
	const semaphore = createSemaphore(1);
	const [one, other] = [
		openScope({ clock: virtualClock() }),
		openScope({ clock: virtualClock() }),
	];
	semaphore.tryTake();
	const cancelled = semaphore.take(one);
	const waits = semaphore.take(other);
	one.cancel(reason);
	await assert.rejects(cancelled, (error) => error === reason);
	assert.equal(semaphore.waiting, 1);
	semaphore.give();
	await waits;
	semaphore.give();
	await assert.rejects(semaphore.take(one), (error) => error === reason);
	assert.equal(semaphore.taken, 0);
});

test("leaves the slot with a taker who was cancelled after it was handed over", async () => {
	const semaphore = createSemaphore(1);
	const scope = openScope({ clock: virtualClock() });
	semaphore.tryTake();
	const waits = outcomeOf(semaphore.take(scope));
	semaphore.give();
	scope.cancel(reason);
	assert.deepEqual(await waits, { ok: true, value: undefined });
	assert.equal(semaphore.taken, 1);
});

test("never gives out more than it has nor loses a slot, whoever takes, waits, leaves and gives", async () => {
	const step = fc.record({
		kind: fc.constantFrom("take", "try", "give", "cancel"),
		which: fc.nat(20),
	});
	await fc.assert(
		fc.asyncProperty(
			fc.integer({ min: 1, max: 4 }),
			fc.array(step, { maxLength: 40 }),
			async (slots, steps) => {
				const semaphore = createSemaphore(slots);
				let held = 0;
				const waiters: { cancel: () => void }[] = [];
				for (const { kind, which } of steps) {
					if (kind === "take") {
						const scope = openScope({ clock: virtualClock() });
						waiters.push({ cancel: () => scope.cancel(reason) });
						void outcomeOf(semaphore.take(scope)).then(({ ok }) => {
							if (ok) held++;
							assert.equal(scope.listeners, 0);
						});
					} else if (kind === "try" && semaphore.tryTake()) held++;
					else if (kind === "give" && held > 0) {
						held--;
						semaphore.give();
					} else if (kind === "cancel")
						waiters[which % Math.max(1, waiters.length)]?.cancel();
					await promisesToRun();
					assert.equal(semaphore.taken, held);
					assert.ok(held <= slots);
					if (semaphore.waiting > 0) assert.equal(held, slots);
				}
			},
		),
		{ numRuns: 50 },
	);
});

test("lets more in when it grows, and fewer once enough were given back when it shrinks", async () => {
	const semaphore = createSemaphore(2);
	const scope = openScope({ clock: virtualClock() });
	const order: number[] = [];
	for (const at of [0, 1, 2, 3, 4, 5]) {
		void semaphore.take(scope).then(() => order.push(at));
	}
	semaphore.resize(4);
	await promisesToRun();
	assert.deepEqual(order, [0, 1, 2, 3]);
	semaphore.resize(1);
	for (let given = 1; given <= 3; given++) {
		semaphore.give();
		assert.equal(semaphore.taken, 4 - given);
		assert.equal(semaphore.waiting, 2);
	}
	semaphore.give();
	await promisesToRun();
	assert.deepEqual(order, [0, 1, 2, 3, 4]);
	assert.equal(semaphore.taken, 1);
	semaphore.resize(5);
	await promisesToRun();
	assert.equal(semaphore.taken, 2);
	assert.equal(semaphore.tryTake(), true);
});
