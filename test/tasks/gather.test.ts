import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
	gather,
	openScope,
	type Scope,
	type VirtualClock,
	virtualClock,
	type Work,
} from "../../src/tasks/index.ts";

/** Takes some time, then gives or fails; ends at once when cancelled. */
function taking<T>(ms: number, end: () => T): Work<T> {
	return (scope) =>
		new Promise((resolve, reject) => {
			if (scope.cancelled) {
				reject(scope.reason);
				return;
			}
			const leave = scope.onCancel((reason) => {
				timer.cancel();
				reject(reason);
			});
			const timer = scope.clock.after(ms, () => {
				leave();
				try {
					resolve(end());
				} catch (error) {
					reject(error);
				}
			});
		});
}

async function settled<T>(
	clock: VirtualClock,
	promise: Promise<T>,
): Promise<T> {
	const [value] = await Promise.all([promise, clock.settle()]);
	return value;
}

function setUp(): { clock: VirtualClock; scope: Scope } {
	const clock = virtualClock();
	return { clock, scope: openScope({ clock }) };
}

describe("gather", () => {
	test("gives the results in the order of the list, as many at once as allowed", async () => {
		const times = fc.array(fc.nat(20), { maxLength: 10 });
		await fc.assert(
			fc.asyncProperty(
				times,
				fc.integer({ min: 1, max: 12 }),
				async (list, limit) => {
					const { clock, scope } = setUp();
					let running = 0;
					let most = 0;
					const works = list.map(
						(ms, at): Work<number> =>
							async (inner) => {
								most = Math.max(most, ++running);
								const value = await taking(ms, () => at)(inner);
								running--;
								return value;
							},
					);
					const results = await settled(clock, gather(works, { scope, limit }));
					assert.deepEqual(
						results,
						list.map((_, at) => at),
					);
					assert.equal(most, Math.min(limit, list.length));
					assert.equal(scope.listeners, 0);
					assert.equal(clock.pending, 0);
				},
			),
			{ numRuns: 50 },
		);
	});

	test("starts everything at once where there is no limit", async () => {
		const { clock, scope } = setUp();
		const works = [30, 10, 20].map((ms) => taking(ms, () => clock.now()));
		assert.deepEqual(
			await settled(clock, gather(works, { scope })),
			[30, 10, 20],
		);
	});

	test("begins the next as soon as one is done, in order", async () => {
		const { clock, scope } = setUp();
		const begun: string[] = [];
		const works = [10, 1, 1, 1].map(
			(ms, at): Work<void> =>
				(inner) => {
					begun.push(`${at} at ${clock.now()}`);
					return taking(ms, () => {})(inner);
				},
		);
		await settled(clock, gather(works, { scope, limit: 2 }));
		assert.deepEqual(begun, ["0 at 0", "1 at 0", "2 at 1", "3 at 2"]);
	});

	test("throws the first failure when the others have ended, and begins no more", async () => {
		const { clock, scope } = setUp();
		const failure = new Error("the second's");
		const begun: number[] = [];
		const ended: number[] = [];
		const works = [5, 3, 9, 1, 1].map(
			(ms, at): Work<void> =>
				async (inner) => {
					begun.push(at);
					try {
						await taking(ms, () => {
							if (at === 1) throw failure;
						})(inner);
					} finally {
						ended.push(at);
					}
				},
		);
		const gathered = gather(works, { scope, limit: 3 });
		await Promise.all([
			assert.rejects(gathered, (error) => error === failure),
			clock.settle(),
		]);
		assert.deepEqual(begun, [0, 1, 2]);
		assert.deepEqual(ended.toSorted(), [0, 1, 2]);
		assert.equal(clock.now(), 3);
		assert.equal(scope.cancelled, false);
		assert.equal(scope.listeners, 0);
		assert.equal(clock.pending, 0);
	});

	test("throws all that failed besides, the first in front", async () => {
		const { clock, scope } = setUp();
		const [first, second] = [new Error("first"), new Error("second")];
		const works = [
			taking(9, () => "cut off"),
			async (own: Scope) => {
				await taking(9, () => {})(own).catch(() => {});
				throw second;
			},
			taking(2, () => {
				throw first;
			}),
		];
		const gathered = gather<unknown>(works, { scope });
		await Promise.all([
			assert.rejects(gathered, (error) => {
				assert.ok(error instanceof AggregateError);
				assert.deepEqual(error.errors, [first, second]);
				return true;
			}),
			clock.settle(),
		]);
	});

	test("waits for what its work started, and fails with it", async () => {
		const { clock, scope } = setUp();
		const failure = new Error("the task's");
		const starting: Work<void> = async (own) => {
			own.start(
				taking(7, () => {
					throw failure;
				}),
			);
		};
		await Promise.all([
			assert.rejects(
				gather([starting], { scope }),
				(error) => error === failure,
			),
			clock.settle(),
		]);
		assert.equal(clock.now(), 7);
		assert.equal(scope.cancelled, false);
		const outcomes = await settled(
			clock,
			gather.settled([starting, taking(9, () => {})], { scope }),
		);
		assert.deepEqual(outcomes, [
			{ ok: false, error: failure },
			{ ok: true, value: undefined },
		]);
		assert.equal(scope.cancelled, false);
	});

	test("takes what is thrown before there is a promise for a failure", async () => {
		const { clock, scope } = setUp();
		const failure = new Error("at once");
		const works = [
			taking(5, () => {}),
			() => {
				throw failure;
			},
		];
		await Promise.all([
			assert.rejects(gather(works, { scope }), (error) => error === failure),
			clock.settle(),
		]);
		assert.equal(clock.now(), 0);
		assert.equal(scope.listeners, 0);
	});

	test("ends with the reason when its scope is cancelled", async () => {
		const { clock, scope } = setUp();
		const reason = new Error("the caller's");
		const gathered = gather(
			[5, 6, 7].map((ms) => taking(ms, () => {})),
			{ scope, limit: 2 },
		);
		scope.cancel(reason);
		await assert.rejects(gathered, (error) => error === reason);
		assert.equal(clock.pending, 0);
		assert.equal(scope.listeners, 0);
	});

	test("lets work give something still when its scope was cancelled", async () => {
		const { scope } = setUp();
		scope.cancel(new Error("the deadline's"));
		const works = [1, 2].map(
			(value): Work<number> =>
				async (inner) =>
					inner.cancelled ? -value : value,
		);
		assert.deepEqual(await gather(works, { scope, limit: 1 }), [-1, -2]);
	});

	test("of nothing gives nothing", async () => {
		const { scope } = setUp();
		assert.deepEqual(await gather([], { scope }), []);
		assert.deepEqual(await gather.settled([], { scope, limit: 3 }), []);
	});
});

describe("gather.settled", () => {
	test("gives every outcome in order, whatever failed", async () => {
		const { clock, scope } = setUp();
		const failure = new Error("the second's");
		const atOnce = new Error("at once");
		const works: Work<string>[] = [
			taking(5, () => "first"),
			taking(1, () => {
				throw failure;
			}),
			() => {
				throw atOnce;
			},
			taking(1, () => "last"),
		];
		for (const limit of [1, 2, 4]) {
			assert.deepEqual(
				await settled(clock, gather.settled(works, { scope, limit })),
				[
					{ ok: true, value: "first" },
					{ ok: false, error: failure },
					{ ok: false, error: atOnce },
					{ ok: true, value: "last" },
				],
			);
		}
		assert.equal(scope.listeners, 0);
	});
});
