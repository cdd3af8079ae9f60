import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
	createQueue,
	openScope,
	outcomeOf,
	QueueClosed,
	type Scope,
	virtualClock,
} from "../../src/tasks/index.ts";

const reason = new Error("the test's reason");

const rootScope = () => openScope({ clock: virtualClock() });

/** Lets all promises run that can. */
const promisesToRun = () => new Promise((resolve) => setImmediate(resolve));

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
	const list: T[] = [];
	for await (const item of items) list.push(item);
	return list;
}

describe("a queue", () => {
	test("holds as many items as it may, and lets the next one wait for room", async () => {
		for (const max of [1, 2, 3]) {
			const queue = createQueue<number>(max);
			const scope = rootScope();
			for (let item = 1; item <= max; item++) await queue.put(item, scope);
			assert.equal(queue.size, max);
			assert.equal(queue.tryPut(0), false);
			let put = false;
			const late = queue.put(max + 1, scope).then(() => {
				put = true;
			});
			await promisesToRun();
			assert.equal(put, false);
			assert.equal(await queue.take(scope), 1);
			await late;
			assert.equal(queue.size, max);
			assert.equal(scope.listeners, 0);
		}
	});

	test("holds at least one item", () => {
		for (const max of [0, -1, Number.NaN]) {
			assert.throws(() => createQueue(max), RangeError);
		}
	});

	test("serves takers and putters in the order of asking", async () => {
		const queue = createQueue<string>(1);
		const scope = rootScope();
		const takes = Promise.all([1, 2, 3].map(() => queue.take(scope)));
		for (const item of ["a", "b", "c"]) assert.ok(queue.tryPut(item));
		assert.deepEqual(await takes, ["a", "b", "c"]);
		const puts = Promise.all(["d", "e", "f"].map((i) => queue.put(i, scope)));
		assert.equal(await queue.take(scope), "d");
		assert.equal(await queue.take(scope), "e");
		assert.equal(await queue.take(scope), "f");
		await puts;
		assert.equal(scope.listeners, 0);
	});

	test("forgets who was cancelled while waiting, and with a putter the item", async () => {
		const queue = createQueue<string>(1);
		const [leaving, staying] = [rootScope(), rootScope()];
		const took = outcomeOf(queue.take(leaving));
		const takes = queue.take(staying);
		leaving.cancel(reason);
		assert.deepEqual(await took, { ok: false, error: reason });
		await queue.put("for the other", staying);
		assert.equal(await takes, "for the other");
		const again = rootScope();
		await queue.put("kept", staying);
		const put = outcomeOf(queue.put("lost", again));
		const puts = queue.put("next", staying);
		again.cancel(reason);
		assert.deepEqual(await put, { ok: false, error: reason });
		assert.equal(await queue.take(staying), "kept");
		assert.equal(await queue.take(staying), "next");
		await puts;
		for (const scope of [leaving, staying, again]) {
			assert.equal(scope.listeners, 0);
		}
	});

	test("takes and gives nothing in a scope that was cancelled", async () => {
		const queue = createQueue<string>(2);
		const scope = rootScope();
		assert.ok(queue.tryPut("there"));
		scope.cancel(reason);
		await assert.rejects(queue.take(scope), (error) => error === reason);
		await assert.rejects(queue.put("x", scope), (error) => error === reason);
		assert.equal(queue.size, 1);
	});

	test("closing wakes everybody; what is left can still be taken, then it ends", async () => {
		const scope = rootScope();
		const empty = createQueue<string>(1);
		const taker = outcomeOf(empty.take(scope));
		const loop = all(empty.items(scope));
		empty.close();
		empty.close();
		assert.equal(empty.closed, true);
		const took = await taker;
		assert.ok(!took.ok && took.error instanceof QueueClosed);
		assert.deepEqual(await loop, []);

		const full = createQueue<string>(2);
		await full.put("a", scope);
		await full.put("b", scope);
		const putter = outcomeOf(full.put("c", scope));
		full.close();
		const put = await putter;
		assert.ok(!put.ok && put.error instanceof QueueClosed);
		assert.equal(full.tryPut("d"), false);
		await assert.rejects(full.put("d", scope), QueueClosed);
		assert.deepEqual(await all(full.items(scope)), ["a", "b"]);
		await assert.rejects(full.take(scope), QueueClosed);
		assert.equal(scope.listeners, 0);
	});

	test("several loops share the items, each goes to one of them", async () => {
		const queue = createQueue<number>(2);
		const scope = rootScope();
		const loops = [1, 2, 3].map(() => all(queue.items(scope)));
		for (let item = 0; item < 20; item++) await queue.put(item, scope);
		queue.close();
		const taken = (await Promise.all(loops)).flat();
		assert.deepEqual(
			taken.toSorted((a, b) => a - b),
			Array.from({ length: 20 }, (_, at) => at),
		);
	});

	test("an error of the loop's own passes, whatever it is", async () => {
		const queue = createQueue<number>(2);
		const scope = rootScope();
		await queue.put(1, scope);
		const loop = (async () => {
			for await (const _ of queue.items(scope)) throw new QueueClosed();
		})();
		await assert.rejects(loop, QueueClosed);
		const waiting = all(queue.items(scope));
		scope.cancel(reason);
		await assert.rejects(waiting, (error) => error === reason);
	});
});

test("whatever is put, taken, cancelled and closed in whatever order, items come out once, in order, and nobody is left", async () => {
	const step = fc.record({
		kind: fc.constantFrom("put", "try", "take", "cancel", "close"),
		which: fc.nat(20),
	});
	await fc.assert(
		fc.asyncProperty(
			fc.integer({ min: 1, max: 4 }),
			fc.array(step, { maxLength: 40 }),
			async (max, steps) => {
				const queue = createQueue<number>(max);
				const scopes: Scope[] = [];
				const accepted: number[] = [];
				const taken: number[] = [];
				const waits: Promise<void>[] = [];
				let next = 0;
				for (const { kind, which } of steps) {
					const scope = rootScope();
					const item = next++;
					if (kind === "close" && which === 0) queue.close();
					else if (kind === "try") {
						if (queue.tryPut(item)) accepted.push(item);
					} else if (kind === "cancel") {
						scopes[which % Math.max(1, scopes.length)]?.cancel(reason);
					} else if (kind === "put") {
						scopes.push(scope);
						const put = outcomeOf(queue.put(item, scope));
						waits.push(
							put.then(({ ok }) => {
								if (ok) accepted.push(item);
							}),
						);
					} else {
						scopes.push(scope);
						const take = outcomeOf(queue.take(scope));
						waits.push(
							take.then((outcome) => {
								if (outcome.ok) taken.push(outcome.value);
							}),
						);
					}
					await promisesToRun();
					assert.ok(queue.size <= max);
				}
				queue.close();
				const rest = await all(queue.items(rootScope()));
				await Promise.all(waits);
				const out = [...taken, ...rest];
				assert.deepEqual(
					out.toSorted((a, b) => a - b),
					accepted.toSorted((a, b) => a - b),
				);
				assert.deepEqual(
					out,
					out.toSorted((a, b) => a - b),
				);
				for (const scope of scopes) assert.equal(scope.listeners, 0);
			},
		),
		{ numRuns: 200 },
	);
});
