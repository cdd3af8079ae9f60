import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import fc from "fast-check";
import { realClock, virtualClock } from "../../src/tasks/index.ts";

describe("the real clock", () => {
	test("fires timers set aside, though nobody waits for them", async () => {
		const clock = realClock();
		const order: string[] = [];
		clock.aside(0, () => assert.fail("cancelled")).cancel();
		await new Promise<void>((resolve) => {
			clock.aside(10, () => {
				order.push("aside");
				assert.equal(clock.pending, 1);
			});
			assert.equal(clock.pending, 0);
			clock.after(40, () => {
				order.push("after");
				resolve();
			});
		});
		assert.deepEqual(order, ["aside", "after"]);
		assert.equal(clock.pending, 0);
	});

	for (const [first, kept] of [
		["aside", false],
		["after", true],
	] as const) {
		test(`${kept ? "keeps" : "does not keep"} a process for a timer set by \`${first}\``, () => {
			const script = `
				import { realClock } from "./src/tasks/clock.ts";
				const clock = realClock();
				clock.aside(50, () => console.log("aside"));
				if (${kept}) clock.after(100, () => console.log("after"));`;
			const { stdout } = spawnSync(
				process.execPath,
				["--input-type=module-typescript", "--eval", script],
				{ cwd: new URL("../..", import.meta.url), encoding: "utf8" },
			);
			assert.equal(stdout, kept ? "aside\nafter\n" : "");
		});
	}

	test("fires each timer once, never early, and is at rest then", async () => {
		const clock = realClock();
		const lateness = await Promise.all(
			Array.from({ length: 200 }, (_, at) => {
				const ms = (at * 7) % 60;
				const due = clock.now() + ms;
				return new Promise<number>((resolve) => {
					clock.after(ms, () => resolve(clock.now() - due));
				});
			}),
		);
		for (const each of lateness) assert.ok(each >= 0, `${-each} ms early`);
		assert.equal(clock.pending, 0);
	});

	/** Computes for so long, so that nothing else gets its turn. */
	function compute(ms: number): void {
		const end = performance.now() + ms;
		while (performance.now() < end);
	}

	test("knows how far the loop is behind, and how late it came round the last time", async () => {
		const clock = realClock();
		assert.equal(clock.turnDueMs, Number.POSITIVE_INFINITY);
		const turned = new Promise<void>((resolve) => {
			clock.after(30, () => resolve());
		});
		compute(60);
		assert.ok(clock.now() - clock.turnDueMs >= 50);
		await turned;
		assert.ok(clock.turnLateMs >= 50, `${clock.turnLateMs}`);
	});

	test("remembers it where timers come and go without a rest, and no longer", async () => {
		const clock = realClock();
		const elsewhere = realClock();
		const rest = (ms: number) =>
			new Promise<void>((resolve) => elsewhere.after(ms, resolve));
		clock.after(1000, () => {}).cancel();
		compute(60);
		await new Promise((resolve) => setTimeout(resolve));
		assert.equal(clock.turnDueMs, Number.POSITIVE_INFINITY);
		clock.after(1000, () => {}).cancel();
		assert.ok(clock.turnLateMs >= 50, `${clock.turnLateMs}`);
		await rest(120);
		clock.after(1000, () => {}).cancel();
		assert.ok(clock.turnLateMs < 50, `${clock.turnLateMs}`);
		await rest(40);
		assert.equal(clock.pending, 0);
	});

	test("takes nothing and less than nothing for the next tick", async () => {
		const clock = realClock();
		const fired: number[] = [];
		await new Promise<void>((resolve) => {
			clock.after(-5, () => fired.push(-5));
			clock.after(0, () => {
				fired.push(0);
				resolve();
			});
			assert.deepEqual(fired, []);
		});
		assert.deepEqual(fired, [-5, 0]);
	});

	test("never fires a cancelled timer, whenever it was cancelled", async () => {
		const clock = realClock();
		const never = () => assert.fail("fired");
		clock.after(0, never).cancel();
		await new Promise<void>((resolve) => {
			// The first of two due in one tick ends the second.
			const first = clock.after(10, () => {
				second.cancel();
				second.cancel();
				first.cancel();
				clock.after(0, resolve);
			});
			const second = clock.after(10, never);
		});
		assert.equal(clock.pending, 0);
	});

	test("fires timers set while others fire, and those of an earlier round of the wheel", async () => {
		const clock = realClock();
		// A round of the wheel takes 4,096 ms: this one shares its slot with the next.
		const far = clock.after(4096 + 16, () => assert.fail("a round too early"));
		await new Promise<void>((resolve) => {
			clock.after(16, () => clock.after(16, resolve));
		});
		assert.equal(clock.pending, 1);
		far.cancel();
		assert.equal(clock.pending, 0);
	});

	test("fires what became due while the process stood still", async () => {
		const clock = realClock();
		const fired: number[] = [];
		const all = [5, 20, 35].map(
			(ms) =>
				new Promise<void>((resolve) => {
					clock.after(ms, () => {
						fired.push(ms);
						resolve();
					});
				}),
		);
		Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
		await Promise.all(all);
		assert.deepEqual(fired.toSorted(), [20, 35, 5]);
	});

	test("keeps the process alive while a timer is set, and no longer", () => {
		const clockUrl = new URL("../../src/tasks/clock.ts", import.meta.url);
		const program = `
			import { realClock } from ${JSON.stringify(clockUrl.href)};
			const clock = realClock();
			clock.after(20, () => console.log("fired"));
			clock.after(3_600_000, () => {}).cancel();
		`;
		const { stdout, status } = spawnSync(
			process.execPath,
			["--input-type=module", "-e", program],
			{ encoding: "utf8", timeout: 10_000 },
		);
		assert.equal(stdout, "fired\n");
		assert.equal(status, 0);
	});
});

describe("the virtual clock", () => {
	test("settles without the timers that are set aside, and fires them when it moves on", async () => {
		const clock = virtualClock();
		const order: string[] = [];
		const again = () => {
			order.push(`aside ${clock.now()}`);
			clock.aside(10, again);
		};
		clock.aside(10, again);
		clock.after(15, () => order.push("after"));
		assert.equal(clock.pending, 1);
		await clock.settle();
		assert.deepEqual(order, ["aside 10", "after"]);
		await clock.advance(5);
		assert.equal(order.at(-1), "aside 20");
	});

	test("stands still until it is moved", async () => {
		const clock = virtualClock();
		clock.after(0, () => assert.fail("fired"));
		await new Promise((resolve) => setImmediate(resolve));
		assert.equal(clock.now(), 0);
		assert.equal(clock.pending, 1);
	});

	test("fires in order of time, then of setting, each at its instant", async () => {
		const delays = fc.array(fc.integer({ min: -5, max: 20 }), {
			maxLength: 12,
		});
		await fc.assert(
			fc.asyncProperty(delays, async (list) => {
				const clock = virtualClock();
				const fired: { at: number; ms: number; now: number }[] = [];
				for (const [at, ms] of list.entries()) {
					clock.after(ms, () =>
						fired.push({ at, ms: Math.max(0, ms), now: clock.now() }),
					);
				}
				await clock.settle();
				const expected = fired.toSorted((a, b) => a.ms - b.ms || a.at - b.at);
				assert.deepEqual(fired, expected);
				assert.equal(fired.length, list.length);
				for (const { ms, now } of fired) assert.equal(now, ms);
			}),
			{ numRuns: 50 },
		);
	});

	test("moves as far as it is told, through timers set on the way", async () => {
		const clock = virtualClock();
		const fired: number[] = [];
		const tick = (): void => {
			fired.push(clock.now());
			clock.after(10, tick);
		};
		clock.after(10, tick);
		await clock.advance(35);
		assert.deepEqual(fired, [10, 20, 30]);
		assert.equal(clock.now(), 35);
		assert.equal(clock.pending, 1);
	});

	test("runs promises between two timers", async () => {
		const clock = virtualClock();
		const order: string[] = [];
		clock.after(1, () => {
			order.push("first");
			void Promise.resolve()
				.then(() => Promise.resolve())
				.then(() => order.push("its promise"));
		});
		clock.after(1, () => order.push("second"));
		await clock.settle();
		assert.deepEqual(order, ["first", "its promise", "second"]);
	});

	test("lets time pass in which nothing gets its turn", async () => {
		const clock = virtualClock();
		const fired: number[] = [];
		clock.after(10, () => fired.push(clock.now()));
		clock.after(70, () => fired.push(clock.now()));
		await clock.advance(5);
		assert.equal(clock.turnDueMs, Number.POSITIVE_INFINITY);
		clock.block(30);
		clock.block(20);
		assert.deepEqual([clock.now(), clock.turnDueMs, fired], [55, 5, []]);
		await clock.advance(0);
		assert.deepEqual([clock.turnLateMs, fired], [50, [55]]);
		await clock.advance(15);
		assert.deepEqual([clock.turnLateMs, fired], [0, [55, 70]]);
	});

	test("does not settle timers without end", async () => {
		const clock = virtualClock();
		const again = (): void => void clock.after(0, again);
		again();
		await assert.rejects(clock.settle(), /never end/);
	});
});
