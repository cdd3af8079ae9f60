import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import {
	gather,
	outcomeOf,
	run,
	sleep,
	virtualClock,
} from "../../src/tasks/index.ts";

type Program = ChildProcessByStdio<null, Readable, Readable>;

function startProgram(goodbyeMs: number): Program {
	const file = fileURLToPath(new URL("./interrupted.ts", import.meta.url));
	return spawn(process.execPath, [file, String(goodbyeMs)], {
		stdio: ["ignore", "pipe", "pipe"],
	});
}

/** Signals a program when it has said a word; gives all it said and how it ended. */
async function signalAt(
	program: Program,
	signals: readonly { word: string; signal: NodeJS.Signals }[],
): Promise<{ said: string; code: number | null; signal: string | null }> {
	let said = "";
	let sent = 0;
	const listen = (piece: Buffer) => {
		said += piece;
		const next = signals[sent];
		if (next === undefined || !said.includes(next.word)) return;
		sent++;
		program.kill(next.signal);
	};
	program.stdout.on("data", listen);
	program.stderr.on("data", listen);
	return new Promise((resolve) => {
		program.once("close", (code, signal) => resolve({ said, code, signal }));
	});
}

describe("a program under `run`", () => {
	for (const signal of ["SIGINT", "SIGTERM"] as const) {
		test(`is cancelled by ${signal}, and ends when its tasks have`, async () => {
			const program = startProgram(20);
			const ended = await signalAt(program, [{ word: "working", signal }]);
			assert.equal(
				ended.said,
				`working\ngoodbye\ngone\nInterrupted: interrupted by ${signal}\nlisteners left: 0,0\n`,
			);
			assert.equal(ended.code, 0);
		});
	}

	test("is ended by a second signal, whichever came first", async () => {
		const ended = await signalAt(startProgram(60_000), [
			{ word: "working", signal: "SIGTERM" },
			{ word: "goodbye", signal: "SIGINT" },
		]);
		assert.equal(ended.said, "working\ngoodbye\n");
		assert.equal(ended.signal, "SIGINT");
	});

	test("gives what it returns, and leaves no listener and no timer", async () => {
		const clock = virtualClock();
		const before = process.listenerCount("SIGINT");
		const result = run(
			async (scope) => {
				scope.start((own) => sleep(9, own));
				assert.equal(process.listenerCount("SIGINT"), before + 1);
				assert.equal(process.listenerCount("SIGTERM"), 1);
				return "done";
			},
			{ clock },
		);
		await clock.settle();
		assert.equal(await result, "done");
		assert.equal(clock.now(), 9);
		assert.equal(process.listenerCount("SIGINT"), before);
		assert.equal(process.listenerCount("SIGTERM"), 0);
		assert.equal(clock.pending, 0);
	});

	test("that fails cancels what it started, and is settled when that has ended", async () => {
		const clock = virtualClock();
		const failure = new Error("main's");
		let told: unknown;
		const outcome = outcomeOf(
			run(
				(scope) => {
					scope.start(async (own) => {
						await sleep(100, own).catch((error) => {
							told = error;
						});
					});
					throw failure;
				},
				{ clock, signals: false },
			),
		);
		await clock.settle();
		assert.deepEqual(await outcome, { ok: false, error: failure });
		assert.equal(told, failure);
		assert.equal(clock.now(), 0);
	});

	test("is told of nothing where it wants no signals", async () => {
		const before = process.listenerCount("SIGTERM");
		await run(() => assert.equal(process.listenerCount("SIGTERM"), before), {
			signals: false,
		});
	});
});

describe("time passes once for what runs together", () => {
	test("two functions of three seconds end after three", async () => {
		const clock = virtualClock();
		const main = run(
			async (scope) => {
				const one = scope.start((own) => sleep(3000, own));
				const other = scope.start((own) => sleep(3000, own));
				await one.result();
				await other.result();
				return clock.now();
			},
			{ clock, signals: false },
		);
		await clock.settle();
		assert.equal(await main, 3000);
	});

	for (const { limit, endMs } of [
		{ limit: undefined, endMs: 300 },
		{ limit: 3, endMs: 1200 },
	]) {
		test(`twelve cities of 300 ms end after ${endMs} ms ${limit ? `with a limit of ${limit}` : "without a limit"}`, async () => {
			const clock = virtualClock();
			const main = run(
				async (scope) => {
					const cities = Array.from({ length: 12 }, (_, city) => city);
					const works = cities.map((city) => async () => {
						await sleep(300, scope);
						return city;
					});
					const weather = await gather(works, {
						scope,
						...(limit && { limit }),
					});
					assert.deepEqual(weather, cities);
					return clock.now();
				},
				{ clock, signals: false },
			);
			await clock.settle();
			assert.equal(await main, endMs);
		});
	}
});
