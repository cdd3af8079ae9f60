import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { after, describe, it } from "node:test";
import { promisify } from "node:util";
import { BroadcastChannel } from "node:worker_threads";
import { realClock, virtualClock } from "../../src/tasks/clock.ts";
import { createPool, type Pool } from "../../src/tasks/pool.ts";
import {
	PoolClosed,
	PoolFull,
	ThreadEnded,
} from "../../src/tasks/pool-errors.ts";
import { TimedOut } from "../../src/tasks/reason.ts";
import { openScope } from "../../src/tasks/scope.ts";
import { solve } from "./work.ts";

const work = new URL("./work.ts", import.meta.url);

/** One thread, for the tests that leave it as it was. */
const one = createPool({ threads: 1 });
after(() => one.close());

/** A function for the context of a call, and when it has been called. */
function signalled() {
	const { promise, resolve } = Promise.withResolvers<void>();
	return { called: promise, call: () => resolve() };
}

async function failureOf(promise: Promise<unknown>): Promise<Error> {
	try {
		await promise;
	} catch (error) {
		return error as Error;
	}
	assert.fail("it did not fail");
}

/** Begins a call that ends when it is told to, and waits until it is on its thread. */
async function occupy(pool: Pool) {
	const begun = Promise.withResolvers<void>();
	const gate = Promise.withResolvers<string>();
	const call = () => {
		begun.resolve();
		return gate.promise;
	};
	const result = pool.offload(work, "waits", [], { context: { call } });
	result.catch(() => {});
	await Promise.race([begun.promise, result]);
	return { result, end: () => gate.resolve("ended") };
}

describe("a function that fails on a thread", () => {
	it("fails its call with its own error: class, name, stack, causes and properties", async () => {
		const error = await failureOf(one.offload(work, "throws"));
		assert.equal(error.name, "OutOfRange");
		assert.equal(error.message, "too far");
		assert.match(error.stack ?? "", /OutOfRange: too far\n.*work\.ts:\d+/);
		assert.ok(error.cause instanceof RangeError);
		assert.equal(error.cause.message, "the inner one");
		assert.match(error.cause.stack ?? "", /work\.ts/);
		assert.deepEqual({ ...error }, { code: "E_RANGE", limits: { least: 1n } });
	});

	it("fails with all errors of an AggregateError", async () => {
		const error = await failureOf(one.offload(work, "throwsMany"));
		assert.ok(error instanceof AggregateError);
		assert.equal(error.message, "both failed");
		assert.ok(error.errors[0] instanceof TypeError);
		assert.equal(error.errors[1], "two");
	});

	it("fails with a value where that was thrown, with its words where it cannot be sent", async () => {
		const thrown = (value: unknown) =>
			failureOf(one.offload(work, "throwsValue", [value]));
		assert.equal(await thrown("only text"), "only text");
		assert.equal(await thrown(undefined), undefined);
		const unsendable = failureOf(one.offload(work, "throwsFunction"));
		assert.equal(await unsendable, "() => 1");
	});

	it("fails with an error that is its own cause, some causes deep", async () => {
		let error: unknown = await failureOf(one.offload(work, "throwsCycle"));
		let depth = 0;
		for (; error instanceof Error; error = error.cause) depth++;
		assert.equal(depth, 9);
	});

	it("says which module exports no such function", async () => {
		const missing = await failureOf(one.offload(work, "nothing"));
		assert.match(missing.message, /work\.ts exports no function nothing$/);
		const other = await failureOf(one.offload(work, "noFunction"));
		assert.match(other.message, /work\.ts exports no function noFunction$/);
		const file = await failureOf(one.offload("./no-such-file.ts", "x"));
		assert.match(file.message, /no-such-file\.ts/);
	});

	it("says what cannot go to the thread or come back, and keeps the thread", async () => {
		const before = await one.offload(work, "thread");
		const given = await failureOf(one.offload(work, "same", [() => 1]));
		assert.match(given.message, /^what same is given cannot go to another/);
		const returned = await failureOf(one.offload(work, "returnsFunction"));
		assert.match(
			returned.message,
			/^returnsFunction returned what cannot go to another thread: .* could not be cloned/,
		);
		assert.equal(await one.offload(work, "thread"), before);
	});
});

describe("a thread that ends under its call", () => {
	const ends = {
		exits: /^the thread ended under exits: .*code: 7/,
		runsOutOfMemory: /^the thread ended under runsOutOfMemory: .*memory/,
		failsLater: /^the thread ended under failsLater: nobody caught this/,
	};

	it("fails that call only: others go on, those that wait get a new thread", async () => {
		await using pool = createPool({ threads: 2, heapBytesMax: 16 * 2 ** 20 });
		const other = await occupy(pool);
		for (const [name, words] of Object.entries(ends)) {
			const failing = failureOf(pool.offload(work, name));
			const waiting = pool.offload(work, "same", [name]);
			const error = await failing;
			assert.ok(error instanceof ThreadEnded, name);
			assert.match(error.message, words);
			assert.ok(error.cause instanceof Error);
			assert.equal(await waiting, name);
		}
		other.end();
		assert.equal(await other.result, "ended");
		assert.equal(pool.threads, 2);
		assert.equal(pool.running, 0);
	});
});

describe("a function that never returns", () => {
	it("is ended at its timeout, not before, and its thread is replaced", async () => {
		const clock = virtualClock();
		await using pool = createPool({ threads: 1, clock });
		const shared = new SharedArrayBuffer(4);
		const { called, call } = signalled();
		const context = { call };
		const failing = failureOf(
			pool.offload(work, "counts", [shared], { timeoutMs: 50, context }),
		);
		const waiting = pool.offload(work, "thread");
		await called;
		await clock.advance(49);
		assert.equal(pool.running, 1);
		await clock.advance(1);
		const error = await failing;
		const count = new Int32Array(shared)[0];
		assert.ok(error instanceof TimedOut);
		assert.equal(error.message, "timed out after 50 ms");
		// None, or the next one already: the ended thread's place is free by now.
		assert.ok(pool.threads <= 1);
		assert.equal(await waiting, await pool.offload(work, "thread"));
		assert.equal(new Int32Array(shared)[0], count);
		assert.equal(pool.running, 0);
		assert.equal(pool.threads, 1);
		assert.equal(clock.pending, 0);
	});

	it("has its timeout from when it begins: waiting is not counted", async () => {
		const clock = virtualClock();
		await using pool = createPool({ threads: 1, clock });
		const first = await occupy(pool);
		const second = pool.offload(work, "same", [2], { timeoutMs: 50 });
		await clock.advance(1000);
		first.end();
		assert.equal(await second, 2);
	});

	it("is ended also where its module never loads", async () => {
		const clock = virtualClock();
		await using pool = createPool({ threads: 1, clock });
		const channel = new BroadcastChannel("never-loads");
		const waits = new Promise((resolve) => {
			channel.onmessage = resolve;
		});
		const file = new URL("./never-loads.ts", import.meta.url);
		const failing = failureOf(pool.offload(file, "never"));
		await waits;
		await clock.advance(29_999);
		assert.equal(pool.running, 1);
		await clock.advance(1);
		assert.match((await failing).message, /was not loaded within 30 s$/);
		channel.close();
		assert.equal(await pool.offload(work, "same", [1]), 1);
	});

	it("is ended also where its module never loads and nobody waits any more", async () => {
		const clock = virtualClock();
		await using pool = createPool({ threads: 1 });
		const scope = openScope({ clock });
		const channel = new BroadcastChannel("never-loads");
		const waits = new Promise((resolve) => {
			channel.onmessage = resolve;
		});
		const file = new URL("./never-loads.ts", import.meta.url);
		const failing = failureOf(pool.offload(file, "never", [], { scope }));
		await waits;
		channel.close();
		scope.cancel("nobody waits");
		await clock.advance(29_999);
		assert.equal(pool.running, 1);
		await clock.advance(1);
		assert.equal(await failing, "nobody waits");
		assert.equal(pool.running, 0);
		assert.equal(pool.threads, 0);
	});

	it("is ended when its scope is cancelled, and fails with the scope's reason", async () => {
		const reason = new Error("nobody wants it");
		const scope = openScope({ clock: virtualClock() });
		const { called, call } = signalled();
		const context = { call };
		const failing = failureOf(
			one.offload(work, "spins", [null], { scope, context }),
		);
		const waiting = failureOf(one.offload(work, "thread", [], { scope }));
		await called;
		assert.equal(one.waiting, 1);
		scope.cancel(reason);
		assert.equal(one.waiting, 0);
		assert.equal(await failing, reason);
		assert.equal(await waiting, reason);
		assert.equal(one.threads, 0);
		const late = failureOf(one.offload(work, "thread", [], { scope }));
		assert.equal(await late, reason);
		assert.equal(scope.listeners, 0);
		assert.equal(await one.offload(work, "same", [1]), 1);
	});

	it("is not begun where nobody waits any more, but its module is loaded for the next call", async () => {
		await using pool = createPool({ threads: 1 });
		const scope = openScope({ clock: virtualClock() });
		const channel = new BroadcastChannel("loads-when-told");
		const loading = new Promise((resolve) => {
			channel.onmessage = resolve;
		});
		const file = new URL("./loads-when-told.ts", import.meta.url);
		const context = { begun: () => assert.fail("it was begun") };
		const failing = failureOf(
			pool.offload(file, "count", [], { scope, context }),
		);
		await loading;
		scope.cancel("nobody waits");
		const next = pool.offload(file, "count");
		assert.equal(pool.waiting, 1);
		channel.postMessage("load");
		channel.close();
		assert.equal(await failing, "nobody waits");
		assert.equal(await next, 1);
		assert.equal(scope.clock.pending, 0);
	});

	it("is ended where it begins at the moment it is left", async () => {
		await using pool = createPool({ threads: 1 });
		const counter = new Int32Array(new SharedArrayBuffer(4));
		await pool.offload(work, "thread");
		const scope = openScope({ clock: virtualClock() });
		const context = { call: () => {} };
		const args = [counter.buffer];
		const failing = failureOf(
			pool.offload(work, "counts", args, { scope, context }),
		);
		for (let turn = 0; turn < 50; turn++) await null;
		// The loop stands still: that the function has begun is not heard yet.
		while (Atomics.load(counter, 0) === 0) Atomics.load(counter, 0);
		scope.cancel("left");
		assert.equal(await failing, "left");
		assert.equal(pool.threads, 0);
		assert.equal(await pool.offload(work, "same", [1]), 1);
	});

	it("is not begun where its scope is cancelled while the thread starts", async () => {
		await using pool = createPool({ threads: 1 });
		const scope = openScope({ clock: realClock() });
		const context = { call: () => assert.fail("it was begun") };
		const failing = failureOf(
			pool.offload(work, "waits", [], { scope, context }),
		);
		scope.cancel("early");
		assert.equal(await failing, "early");
		assert.equal(await pool.offload(work, "same", [1]), 1);
	});
});

describe("a pool's bounds", () => {
	it("lets so many run and so many wait, and refuses one more", async () => {
		await using pool = createPool({ threads: 1, waitingMax: 2 });
		const first = await occupy(pool);
		const waiting = [1, 2].map((n) => pool.offload(work, "same", [n]));
		assert.equal(pool.waiting, 2);
		const error = await failureOf(pool.offload(work, "same", [3]));
		assert.ok(error instanceof PoolFull);
		assert.equal(error.message, "the pool is full: 1 running, 2 waiting");
		first.end();
		assert.deepEqual(await Promise.all(waiting), [1, 2]);
		assert.equal(await pool.offload(work, "same", [3]), 3);
	});

	it("lets nothing wait with a bound of zero", async () => {
		await using pool = createPool({ threads: 1, waitingMax: 0 });
		const first = await occupy(pool);
		const error = await failureOf(pool.offload(work, "same", [3]));
		assert.ok(error instanceof PoolFull);
		first.end();
		await first.result;
		assert.equal(await pool.offload(work, "same", [3]), 3);
	});

	it("refuses bounds that are none", () => {
		for (const threads of [0, -1, 1.5, Number.NaN]) {
			assert.throws(() => createPool({ threads }), RangeError);
		}
		assert.throws(() => createPool({ waitingMax: -1 }), RangeError);
		assert.throws(() => createPool({ heapBytesMax: 2 ** 24 - 1 }), RangeError);
	});
});

describe("closing a pool", () => {
	it("ends what runs and what waits, and leaves no thread", async () => {
		const pool = createPool({ threads: 2 });
		const { called, call } = signalled();
		const context = { call };
		const ends = [
			pool.offload(work, "spins", [null], { context }),
			pool.offload(work, "hangs"),
			pool.offload(work, "thread"),
		].map(failureOf);
		await called;
		const closing = pool.close();
		for (const error of await Promise.all(ends)) {
			assert.ok(error instanceof PoolClosed);
		}
		await closing;
		assert.equal(pool.threads, 0);
		assert.equal(pool.running, 0);
		assert.equal(pool.waiting, 0);
		await pool.close();
		const late = await failureOf(pool.offload(work, "thread"));
		assert.ok(late instanceof PoolClosed);
		assert.equal(pool.threads, 0);
	});

	it("ends threads at rest, and does nothing where there never was one", async () => {
		const unused = createPool();
		await unused.close();
		const used = createPool({ threads: 2 });
		await used.offload(work, "thread");
		assert.equal(used.threads, 1);
		await used.close();
		assert.equal(used.threads, 0);
	});
});

describe("what goes to a thread and back", () => {
	it("is the same data: bigints, dates, maps, bytes, cycles", async () => {
		const cycle: { self?: unknown } = {};
		cycle.self = cycle;
		const value = {
			big: 12345678901234567890n,
			date: new Date(0),
			map: new Map([["a", new Set([1])]]),
			bytes: new Uint8Array([1, 2]),
			nothing: undefined,
			cycle,
		};
		assert.deepEqual(await one.offload(work, "same", [value]), value);
	});

	it("is moved where that is asked for, both ways", async () => {
		const bytes = new Uint8Array([1, 2, 3]);
		const moved = await one.offload<Uint8Array>(work, "moves", [bytes], {
			transfer: [bytes.buffer],
		});
		assert.equal(bytes.byteLength, 0);
		assert.deepEqual(moved, new Uint8Array([2, 2, 3]));
		assert.equal(await one.offload(work, "movedLength"), 0);
	});

	it("calls functions of the context on this side, many at once", async () => {
		const doubled = await one.offload(work, "asks", [[1, 2, 3]], {
			context: { call: async (n: number) => n * 2 },
		});
		assert.deepEqual(doubled, [2, 4, 6]);
		const context = { call() {}, deadline: 7, list: [1n] };
		const given = await one.offload(work, "contextOf", [], { context });
		assert.deepEqual(given, {
			deadline: 7,
			list: [1n],
			aborted: false,
			call: "function",
		});
	});

	it("fails with the very error of a call that the function did not catch", async () => {
		const reason = Object.assign(new TypeError("no"), { code: "E_NO" });
		const context = { call: () => Promise.reject(reason) };
		const failing = one.offload(work, "asks", [[1]], { context });
		assert.equal(await failureOf(failing), reason);
		const caught = await one.offload(work, "catches", [], { context });
		assert.deepEqual(caught, {
			name: "TypeError",
			code: "E_NO",
			message: "no",
		});
	});

	it("tells the function where what a call gives cannot be sent", async () => {
		const context = { call: () => () => 1 };
		const caught = await one.offload<{ name: string }>(work, "catches", [], {
			context,
		});
		assert.equal(caught.name, "DataCloneError");
	});

	it("makes no call of a function that has returned", async () => {
		const heard: unknown[] = [];
		const context = { call: (word: unknown) => heard.push(word) };
		const before = await one.offload(work, "thread");
		assert.equal(
			await one.offload(work, "leavesBehind", [], { context }),
			"done",
		);
		assert.equal(await one.offload(work, "thread"), before);
		assert.deepEqual(heard, ["unheard"]);
		const ends = await one.offload(work, "endsLeftBehind");
		assert.deepEqual(ends, Array(3).fill("the function has returned"));
	});
});

describe("the loop beside a pool", () => {
	const slopes = Array.from({ length: 100 }, (_, index) => 1 + index / 100);

	it("answers while a hundred equations are solved on the pool, and does not while they are solved on it", async () => {
		const server = createServer((_, response) => response.end("here"));
		await new Promise<void>((resolve) => server.listen(0, resolve));
		const { port } = server.address() as AddressInfo;
		const answersWhile = async (solving: Promise<unknown>) => {
			let answers = 0;
			let over = false;
			const asking = (async () => {
				while (!over) {
					await ask(port);
					if (!over) answers++;
				}
			})();
			const results = await solving;
			over = true;
			await asking;
			return { results, answers };
		};
		await ask(port);
		await one.offload(work, "thread");
		const onPool = await answersWhile(
			Promise.all(slopes.map((slope) => one.offload(work, "solve", [slope]))),
		);
		const inline = await answersWhile(
			Promise.all(slopes.map(async (slope) => solve(slope))),
		);
		server.close();
		server.closeAllConnections();
		assert.deepEqual(onPool.results, inline.results);
		assert.ok(onPool.answers > 0, `${onPool.answers} answers`);
		assert.equal(inline.answers, 0);
	});

	function ask(port: number): Promise<void> {
		return new Promise((resolve, reject) => {
			const request = get({ port, host: "127.0.0.1" }, (response) =>
				response.resume().on("end", resolve),
			);
			request.on("error", reject);
		});
	}

	it("ends by itself beside threads at rest, and not before a call has ended", async () => {
		const tasks = new URL("../../src/tasks/index.ts", import.meta.url).href;
		const program = `
			import { createPool, offload } from ${JSON.stringify(tasks)};
			createPool({ threads: 1 }).offload(${JSON.stringify(work.href)}, "solve", [1]).then(console.log);
			offload(${JSON.stringify(work.href)}, "same", "shared").then(console.log);
			process.on("exit", () => console.log("exit"));
		`;
		const args = ["--input-type=module", "-e", program];
		const { stdout } = await promisify(execFile)(process.execPath, args);
		const lines = stdout.trim().split("\n");
		assert.deepEqual(lines.slice(0, 2).toSorted(), [
			String(solve(1)),
			"shared",
		]);
		assert.equal(lines[2], "exit");
	});
});
