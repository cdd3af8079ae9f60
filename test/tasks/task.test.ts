import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import {
	Cancelled,
	completed,
	group,
	openScope,
	outcomeOf,
	run,
	type Scope,
	shield,
	sleep,
	type TaskWork,
	TimedOut,
	timeout,
	type VirtualClock,
	virtualClock,
} from "../../src/tasks/index.ts";

function setUp(): { clock: VirtualClock; scope: Scope } {
	const clock = virtualClock();
	return { clock, scope: openScope({ clock }) };
}

/** Moves the clock on until nothing waits, and gives what the promise gave. */
async function settled<T>(
	clock: VirtualClock,
	promise: Promise<T>,
): Promise<T> {
	const outcome = outcomeOf(promise);
	await clock.settle();
	const ended = await outcome;
	if (ended.ok) return ended.value;
	throw ended.error;
}

/** Waits, then gives the value. */
function giving<T>(ms: number, value: T): TaskWork<T> {
	return async (scope) => {
		await sleep(ms, scope);
		return value;
	};
}

/** Waits, then fails. */
function failing(ms: number, error: unknown): TaskWork<never> {
	return async (scope) => {
		await sleep(ms, scope);
		throw error;
	};
}

/** Waits for ever, and says when it was cancelled; its goodbye takes a while. */
function lingering(goodbyeMs: number, said: unknown[]): TaskWork<void> {
	return async (scope) => {
		try {
			await sleep(1e9, scope);
		} finally {
			await shield((own) => sleep(goodbyeMs, own), scope);
			said.push(scope.reason);
		}
	};
}

function assertNothingLeft(clock: VirtualClock, ...scopes: Scope[]): void {
	assert.equal(clock.pending, 0);
	for (const scope of scopes) assert.equal(scope.listeners, 0);
}

const leave = (scope: Scope) => scope[Symbol.asyncDispose]();

describe("a task", () => {
	test("begins at once and is over when its work is", async () => {
		const { clock, scope } = setUp();
		let begun = false;
		const task = scope.start(async function brew(own) {
			begun = true;
			await sleep(5, own);
			return "tea";
		});
		assert.equal(begun, true);
		assert.equal(task.name, "brew");
		assert.equal(task.done, false);
		const result = task.result();
		await clock.settle();
		assert.equal(task.done, true);
		assert.equal(await result, "tea");
		assert.equal(await task.result(), "tea");
		await leave(scope);
		assertNothingLeft(clock, scope);
	});

	test("is not over before what it started itself", async () => {
		const { clock, scope } = setUp();
		const task = scope.start(
			(own) => {
				own.start(giving(7, "later"));
				return "now";
			},
			{ name: "outer" },
		);
		assert.equal(task.name, "outer");
		await clock.advance(6);
		assert.equal(task.done, false);
		await clock.advance(1);
		assert.equal(task.done, true);
		assert.equal(await task.result(), "now");
	});

	test("that fails cancels its scope with its error, and leaving throws it, read or not", async () => {
		for (const read of [false, true]) {
			const { clock, scope } = setUp();
			const failure = new Error("the task's");
			const said: unknown[] = [];
			const task = scope.start(failing(3, failure));
			const sibling = scope.start(lingering(10, said));
			const result = read ? outcomeOf(task.result()) : null;
			await assert.rejects(
				settled(clock, leave(scope)),
				(error) => error === failure,
			);
			assert.equal(clock.now(), 13);
			assert.deepEqual(said, [failure]);
			assert.equal(scope.reason, failure);
			if (read) assert.deepEqual(await result, { ok: false, error: failure });
			await assert.rejects(sibling.result(), (error) => error === failure);
			assertNothingLeft(clock, scope);
		}
	});

	test("that throws before it has a promise fails like any other", async () => {
		const { scope } = setUp();
		const failure = new Error("at once");
		const task = scope.start(() => {
			throw failure;
		});
		assert.equal(task.done, true);
		await assert.rejects(leave(scope), (error) => error === failure);
	});

	test("that was cancelled is no failure, and nobody else is touched", async () => {
		const { clock, scope } = setUp();
		const reason = new Error("not needed");
		const [one, other] = [
			scope.start(giving(9, 1), { name: "one" }),
			scope.start(giving(9, 2)),
		];
		const sibling = scope.start(giving(9, 3));
		one.cancel();
		other.cancel(reason);
		await settled(clock, leave(scope));
		await assert.rejects(
			one.result(),
			(error) => error instanceof Cancelled && /one/.test(error.message),
		);
		await assert.rejects(other.result(), (error) => error === reason);
		assert.equal(await sibling.result(), 3);
		assertNothingLeft(clock, scope);
	});

	test("whose result is asked for and never awaited disturbs nobody", async () => {
		const { clock, scope } = setUp();
		const failure = new Error("the task's");
		void scope.start(failing(1, failure)).result();
		await assert.rejects(
			settled(clock, leave(scope)),
			(error) => error === failure,
		);
		await new Promise((resolve) => setImmediate(resolve));
	});

	test("is no longer waited for in a scope that is cancelled", async () => {
		const { clock, scope } = setUp();
		const waiting = openScope({ clock });
		const reason = new Error("the waiter's");
		const task = scope.start(giving(9, "in the end"));
		const left = outcomeOf(task.result(waiting));
		waiting.cancel(reason);
		assert.deepEqual(await left, { ok: false, error: reason });
		assert.equal(await settled(clock, task.result()), "in the end");
		assertNothingLeft(clock, waiting, scope);
	});

	test("that ends by the AbortError of its signal was cancelled, and did not fail", async () => {
		const { clock, scope } = setUp();
		const failure = new Error("the sibling's");
		scope.start((own) => wait(60_000, null, { signal: own.signal }));
		scope.start(failing(1, failure));
		await assert.rejects(
			settled(clock, leave(scope)),
			(error) => error === failure,
		);
		assertNothingLeft(clock, scope);
		const alone = openScope({ clock });
		alone.start(() => wait(60_000, null, { signal: alone.signal }));
		const reason = new Error("the test's");
		alone.cancel(reason);
		await assert.rejects(leave(alone), (error) => error === reason);
	});

	test("may give something still when it is cancelled", async () => {
		const { clock, scope } = setUp();
		const task = scope.start(async (own) => {
			await sleep(9, own).catch(() => {});
			return "what there is";
		});
		task.cancel();
		await settled(clock, leave(scope));
		assert.equal(await task.result(), "what there is");
	});

	test("is refused in a scope that is over", async () => {
		const { scope } = setUp();
		scope.close();
		assert.throws(() => scope.start(giving(1, 1)), /scope that is over/);
		const cancelled = setUp().scope;
		const reason = new Error("the test's");
		cancelled.cancel(reason);
		assert.throws(
			() => cancelled.start(giving(1, 1)),
			(error) => error === reason,
		);
		const left = setUp().scope;
		await leave(left);
		assert.throws(() => left.start(giving(1, 1)), /scope that is over/);
		const inner = openScope({ parent: left });
		assert.throws(() => inner.start(giving(1, 1)), /scope that is over/);
		for (const begin of [group, shield]) {
			await assert.rejects(begin(giving(1, 1), left), /scope that is over/);
		}
		assert.equal(inner.running, 0);
	});
});

describe("several failures", () => {
	test("leave as one AggregateError, each once, the first in front", async () => {
		const { clock, scope } = setUp();
		const [first, second, third] = ["first", "second", "third"].map(
			(message) => new Error(message),
		);
		// The first to fail is the last to end.
		scope.start(async (own) => {
			own.start(lingering(50, []));
			await sleep(2, own);
			throw first;
		});
		scope.start(async (own) => {
			await sleep(9, own).catch(() => {});
			throw second;
		});
		scope.start((own) => {
			own.start(async (inner) => {
				await sleep(9, inner).catch(() => {});
				throw third;
			});
		});
		scope.start(giving(9, "cut off"));
		await assert.rejects(settled(clock, leave(scope)), (error) => {
			assert.ok(error instanceof AggregateError);
			assert.deepEqual(error.errors, [first, second, third]);
			assert.match(error.message, /3 failures, the first: first/);
			return true;
		});
		assertNothingLeft(clock, scope);
	});

	test("count once where they pass through a block that awaited one of them", async () => {
		const { clock } = setUp();
		const failure = new Error("the task's");
		const program = run(
			async (scope) => {
				await using inner = openScope({ parent: scope });
				const task = inner.start(failing(3, failure));
				await task.result();
			},
			{ clock, signals: false },
		);
		await assert.rejects(settled(clock, program), (error) => error === failure);
	});
});

describe("leaving a scope", () => {
	test("throws the reason where a task was cut off, and not where none was", async () => {
		const { clock, scope } = setUp();
		const cutOff = openScope({ parent: scope, timeoutMs: 5 });
		cutOff.start(giving(6, 1));
		await assert.rejects(settled(clock, leave(cutOff)), TimedOut);
		const inTime = openScope({ parent: scope, timeoutMs: 5 });
		inTime.start(giving(4, 1));
		await clock.advance(5);
		assert.equal(inTime.cancelled, true);
		await leave(inTime);
	});

	test("is impossible by `close` while tasks run", async () => {
		const { clock, scope } = setUp();
		scope.start(giving(4, 1));
		assert.throws(() => scope.close(), /await using/);
		await settled(clock, leave(scope));
		scope.close();
	});

	test("waits also for what begins when the last seemed to have ended", async () => {
		const { clock, scope } = setUp();
		const first = scope.start(giving(1, 1));
		void first.result().then(() => scope.start(giving(5, 2)));
		const leftMs = leave(scope).then(() => clock.now());
		assert.equal(await settled(clock, leftMs), 6);
		assertNothingLeft(clock, scope);
	});

	test("waits for the tasks of inner scopes that nobody left", async () => {
		const { clock, scope } = setUp();
		openScope({ parent: scope }).start(giving(8, 1));
		await settled(clock, leave(scope));
		assert.equal(clock.now(), 8);
	});
});

describe("completed", () => {
	test("gives tasks as they end, however they end", async () => {
		const { clock, scope } = setUp();
		const tasks = [30, 10, 20].map((ms) => scope.start(giving(ms, ms)));
		tasks[2]?.cancel();
		const seen: unknown[] = [];
		const loop = (async () => {
			for await (const task of completed(tasks)) {
				const outcome = await outcomeOf(task.result());
				seen.push(outcome.ok ? outcome.value : "cancelled");
			}
		})();
		await settled(clock, loop);
		assert.deepEqual(seen, ["cancelled", 10, 30]);
	});
});

describe("group, timeout and shield", () => {
	test("a group's work that throws cancels what it started", async () => {
		const { clock, scope } = setUp();
		const failure = new Error("the block's");
		const said: unknown[] = [];
		const grouped = group(async (own) => {
			own.start(lingering(5, said));
			await sleep(1, own);
			throw failure;
		}, scope);
		await assert.rejects(settled(clock, grouped), (error) => error === failure);
		assert.deepEqual(said, [failure]);
		assert.equal(clock.now(), 6);
		assert.equal(scope.cancelled, false);
		assertNothingLeft(clock, scope);
	});

	test("a timeout ends work that takes longer, and only that", async () => {
		const { clock, scope } = setUp();
		assert.equal(
			await settled(clock, timeout(5, giving(4, "in time"), scope)),
			"in time",
		);
		await assert.rejects(
			settled(clock, timeout(5, giving(6, "late"), scope)),
			(error) => error instanceof TimedOut && error.ms === 5,
		);
		assertNothingLeft(clock, scope);
	});

	test("a shielded work is not cancelled, and the scope not left before it", async () => {
		const { clock, scope } = setUp();
		const reason = new Error("the test's");
		let over = false;
		scope.start(async (own) => {
			await shield(async (inner) => {
				await sleep(5, inner);
				over = true;
			}, own);
			await sleep(1, own);
		});
		scope.cancel(reason);
		await assert.rejects(
			settled(clock, leave(scope)),
			(error) => error === reason,
		);
		assert.equal(over, true);
		assert.equal(clock.now(), 5);
	});
});
