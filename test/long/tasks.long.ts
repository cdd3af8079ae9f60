import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
	openScope,
	outcomeOf,
	realClock,
	type Scope,
	sleep,
	type Task,
} from "../../src/tasks/index.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function heapBytes(): number {
	collect();
	collect();
	return process.memoryUsage().heapUsed;
}

async function work(): Promise<void> {
	await null;
}

test("ten million tasks started and finished in one scope leave the heap where it was", async () => {
	const scope = openScope();
	const thousand = async () => {
		for (let count = 0; count < 999; count++) scope.start(work);
		await scope.start(work).result();
		assert.equal(scope.running, 0);
	};
	// What is compiled and grown once is there after the first.
	for (let times = 0; times < 100; times++) await thousand();
	const before = heapBytes();
	for (let times = 0; times < 10_000; times++) await thousand();
	const grown = heapBytes() - before;
	assert.ok(grown < 100_000, `${grown} bytes more`);
	assert.equal(scope.listeners, 0);
	await scope[Symbol.asyncDispose]();
});

describe("a hundred thousand tasks in one scope", () => {
	function startAll(scope: Scope, ms: number): Task<void>[] {
		return Array.from({ length: 100_000 }, () =>
			scope.start((own) => sleep(ms, own)),
		);
	}

	test("start and end", async () => {
		const clock = realClock();
		const scope = openScope({ clock });
		const tasks = startAll(scope, 1);
		assert.equal(scope.running, 100_000);
		await scope[Symbol.asyncDispose]();
		assert.ok(tasks.every(({ done }) => done));
		assertNothingLeft(scope);
	});

	test("are cancelled together, and end with the reason", async () => {
		const clock = realClock();
		const scope = openScope({ clock });
		const tasks = startAll(scope, 1e9);
		const reason = new Error("the test's");
		scope.cancel(reason);
		const left = await outcomeOf(scope[Symbol.asyncDispose]());
		assert.deepEqual(left, { ok: false, error: reason });
		for (const task of tasks) {
			assert.deepEqual(await outcomeOf(task.result()), {
				ok: false,
				error: reason,
			});
		}
		assertNothingLeft(scope);
	});

	test("are cancelled one by one, and nothing leaves the scope", async () => {
		const clock = realClock();
		const scope = openScope({ clock });
		for (const task of startAll(scope, 1e9)) task.cancel("enough");
		await scope[Symbol.asyncDispose]();
		assertNothingLeft(scope);
	});

	test("all fail: each failure leaves once", async () => {
		const scope = openScope();
		const failures = Array.from(
			{ length: 100_000 },
			(_, at) => new Error(`${at}`),
		);
		for (const failure of failures) {
			scope.start(async () => {
				await null;
				throw failure;
			});
		}
		const left = await outcomeOf(scope[Symbol.asyncDispose]());
		assert.ok(!left.ok && left.error instanceof AggregateError);
		assert.equal(new Set(left.error.errors).size, 100_000);
		assert.equal(left.error.errors.length, 100_000);
		assert.equal(left.error.errors[0], failures[0]);
	});

	function assertNothingLeft(scope: Scope): void {
		assert.equal(scope.clock.pending, 0);
		assert.equal(scope.listeners, 0);
		assert.equal(scope.running, 0);
	}
});
