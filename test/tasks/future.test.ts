import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
	createFuture,
	createSemaphore,
	openScope,
	outcomeOf,
	virtualClock,
} from "../../src/tasks/index.ts";

const reason = new Error("the test's reason");
const failure = new Error("the future's");

describe("a future", () => {
	test("gives its value to all who wait, and to those who come later", async () => {
		const future = createFuture<string>();
		const waits = [future.result(), future.result()];
		assert.equal(future.done, false);
		future.resolve("there");
		assert.equal(future.done, true);
		assert.deepEqual(await Promise.all(waits), ["there", "there"]);
		assert.equal(await future.result(), "there");
	});

	test("gives its error, and disturbs nobody where it is not read", async () => {
		const future = createFuture<string>();
		const waits = outcomeOf(future.result());
		future.reject(failure);
		assert.deepEqual(await waits, { ok: false, error: failure });
		await assert.rejects(future.result(), (error) => error === failure);
		createFuture().reject(failure);
		await new Promise((resolve) => setImmediate(resolve));
	});

	test("keeps what it was given first", async () => {
		const future = createFuture<number>();
		future.resolve(1);
		future.resolve(2);
		future.reject(failure);
		assert.equal(await future.result(), 1);
		const failed = createFuture<number>();
		failed.reject(failure);
		failed.resolve(1);
		await assert.rejects(failed.result(), (error) => error === failure);
	});

	test("is no longer waited for in a scope that is cancelled", async () => {
		const scope = openScope({ clock: virtualClock() });
		const future = createFuture<number>();
		const [left, stayed] = [outcomeOf(future.result(scope)), future.result()];
		assert.equal(scope.listeners, 1);
		scope.cancel(reason);
		assert.deepEqual(await left, { ok: false, error: reason });
		await assert.rejects(future.result(scope), (error) => error === reason);
		future.resolve(7);
		assert.equal(await stayed, 7);
		assert.equal(scope.listeners, 0);
	});
});

describe("a semaphore's run", () => {
	test("gives the slot back however the work ends, and takes none when cancelled", async () => {
		const semaphore = createSemaphore(1);
		const scope = openScope({ clock: virtualClock() });
		assert.equal(await semaphore.run(() => semaphore.taken, scope), 1);
		const fails = semaphore.run(() => Promise.reject(failure), scope);
		await assert.rejects(fails, (error) => error === failure);
		assert.equal(semaphore.taken, 0);
		assert.ok(semaphore.tryTake());
		const waits = outcomeOf(semaphore.run(() => assert.fail("ran"), scope));
		scope.cancel(reason);
		assert.deepEqual(await waits, { ok: false, error: reason });
		semaphore.give();
		assert.equal(semaphore.taken, 0);
		assert.equal(scope.listeners, 0);
	});
});
