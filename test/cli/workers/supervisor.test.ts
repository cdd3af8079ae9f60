import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { WorkerLoad } from "../../../src/cli/workers/balance.ts";
import type { ToWorker } from "../../../src/cli/workers/messages.ts";
import {
	Supervisor,
	type WorkerEnd,
	type WorkerHears,
} from "../../../src/cli/workers/supervisor.ts";
import { virtualClock } from "../../../src/tasks/clock.ts";

/** A process that does what the test says. */
interface FakeWorker {
	readonly number: number;
	readonly pid: number;
	readonly heard: ToWorker["kind"][];
	killed: boolean;
	ready(): void;
	pong(load?: WorkerLoad): void;
	end(end?: Partial<WorkerEnd>): void;
}

const ready = { kind: "ready", routes: 1, traces: false, endingMs: 5_000 };

/** Workers that answer pings, and end when they are told, unless they are `stubborn`. */
function supervised({ count = 2, begins = true } = {}) {
	const clock = virtualClock();
	const started: FakeWorker[] = [];
	const lines: string[] = [];
	const stubborn = new Set<FakeWorker>();
	const line = (fields: object | string, words?: string) =>
		void lines.push(words ?? String(fields), JSON.stringify(fields));
	const log = { info: line, warn: line, error: line };
	/** Null: they say nothing. */
	const state: { begins: boolean | null } = { begins };
	const start = (number: number, hears: WorkerHears) => {
		let over = false;
		const one: FakeWorker = {
			...{ number, pid: 100 + started.length, heard: [], killed: false },
			ready: () => hears.message(ready as never),
			pong: (load = { connections: 0, busy: 0 }) =>
				hears.message({ kind: "pong", load }),
			end({ code = null, signal = null } = {}) {
				if (over) return;
				over = true;
				hears.ended({ code, signal });
			},
		};
		started.push(one);
		queueMicrotask(() => {
			if (state.begins) one.ready();
			else if (state.begins === false) one.end({ code: 2 });
		});
		return {
			pid: one.pid,
			send({ kind }: ToWorker) {
				// Which of them rest is another test's matter.
				if (kind === "others") return;
				one.heard.push(kind);
				if (stubborn.has(one)) return;
				if (kind === "ping") queueMicrotask(() => one.pong());
				else if (kind !== "ask") queueMicrotask(() => one.end({ code: 0 }));
			},
			kill() {
				one.killed = true;
				queueMicrotask(() => one.end({ signal: "SIGKILL" }));
			},
		};
	};
	const supervisor = new Supervisor({ count, clock, start, log: log as never });
	const said = (words: string) => lines.filter((one) => one === words).length;
	return { clock, started, supervisor, said, lines, stubborn, state };
}

const numbersOf = (supervisor: Supervisor) =>
	supervisor.all().map(({ number, state }) => `${number} ${state}`);

describe("the supervisor of workers", () => {
	it("starts the first worker, and the others when that has begun", async () => {
		const { supervisor, started } = supervised({ count: 3 });
		const begun = supervisor.begin();
		assert.equal(started.length, 1);
		assert.equal(await begun, true);
		assert.deepEqual(numbersOf(supervisor), ["1 ready", "2 ready", "3 ready"]);
	});

	it("starts no other if the first does not begin", async () => {
		const { supervisor, started, said, clock } = supervised({ begins: false });
		assert.equal(await supervisor.begin(), false);
		await clock.advance(120_000);
		assert.equal(started.length, 1);
		assert.equal(said("a worker did not begin"), 1);
	});

	it("starts one again at once when it has ended, and says how it ended", async () => {
		const { supervisor, started, said, lines, clock } = supervised();
		await supervisor.begin();
		started[0]?.end({ signal: "SIGKILL" });
		assert.deepEqual(numbersOf(supervisor), ["2 ready"]);
		await clock.advance(0);
		assert.deepEqual(numbersOf(supervisor), ["1 ready", "2 ready"]);
		assert.equal(supervisor.restarts, 1);
		assert.equal(said("a worker ended"), 1);
		assert.match(lines.join("\n"), /"pid":100,.*"signal":"SIGKILL"/);
	});

	it("waits longer each time, up to 30 s, before it starts one that ends again and again", async () => {
		const { supervisor, started, clock, said } = supervised();
		await supervisor.begin();
		const pauses: number[] = [];
		for (let death = 0; death < 8; death++) {
			const before = started.length;
			started.at(death === 0 ? 0 : -1)?.end({ code: 1 });
			const diedMs = clock.now();
			while (started.length === before) await clock.advance(250);
			pauses.push(clock.now() - diedMs - 250);
		}
		assert.deepEqual(
			pauses.map((ms) => Math.max(0, Math.round(ms / 1000))),
			[0, 1, 2, 4, 8, 16, 30, 30],
		);
		assert.equal(said("a worker ended"), 8);
		// The other one went on all the time.
		assert.equal(started[1]?.heard.includes("ping"), true);
		assert.equal(
			supervisor.all().some(({ process }) => process.pid === 101),
			true,
		);
	});

	it("starts one at once again that has lived for a minute", async () => {
		const { supervisor, started, clock } = supervised();
		await supervisor.begin();
		started[0]?.end({ code: 1 });
		await clock.advance(60_001);
		started.at(-1)?.end({ code: 1 });
		await clock.advance(0);
		assert.deepEqual(numbersOf(supervisor), ["1 ready", "2 ready"]);
	});

	it("tells of a worker that does not answer, and kills it after 10 s", async () => {
		const { supervisor, started, stubborn, clock, said } = supervised();
		await supervisor.begin();
		const hangs = started[1] as FakeWorker;
		stubborn.add(hangs);
		await clock.advance(3_999);
		assert.equal(said("a worker does not answer"), 0);
		await clock.advance(2);
		assert.equal(said("a worker does not answer"), 1);
		await clock.advance(6_000);
		assert.equal(hangs.killed, false);
		await clock.advance(2_000);
		assert.equal(hangs.killed, true);
		assert.equal(said("a worker hangs, and is killed"), 1);
		assert.deepEqual(numbersOf(supervisor), ["1 ready", "2 ready"]);
		assert.equal(started[0]?.killed, false);
	});

	it("kills none because it was itself stopped meanwhile", async () => {
		const { supervisor, started, stubborn, clock, said } = supervised();
		await supervisor.begin();
		for (const each of started) stubborn.add(each);
		await clock.advance(1_000);
		// Their answers wait in the channel.
		clock.block(60_000);
		await clock.advance(0);
		for (const each of started) {
			stubborn.delete(each);
			each.pong();
		}
		await clock.advance(20_000);
		assert.equal(said("a worker does not answer"), 0);
		assert.ok(started.every(({ killed }) => !killed));
	});

	it("says so when a worker answers again", async () => {
		const { supervisor, started, stubborn, clock, said } = supervised();
		await supervisor.begin();
		const slow = started[0] as FakeWorker;
		stubborn.add(slow);
		await clock.advance(5_000);
		stubborn.delete(slow);
		slow.pong();
		assert.equal(said("a worker answers again"), 1);
		await clock.advance(60_000);
		assert.equal(slow.killed, false);
	});

	it("lets the busier worker let go of connections, once each has said how it is", async () => {
		const { supervisor, started, stubborn } = supervised();
		await supervisor.begin();
		const [one, two] = started as [FakeWorker, FakeWorker];
		for (const each of started) stubborn.add(each);
		one.pong({ connections: 30, busy: 1 });
		assert.deepEqual(one.heard, []);
		two.pong({ connections: 0, busy: 0 });
		assert.deepEqual([one.heard, two.heard], [["let go"], []]);
		two.pong({ connections: 30, busy: 1 });
		one.pong({ connections: 0, busy: 0.9 });
		assert.deepEqual([one.heard, two.heard], [["let go"], []]);
	});

	it("drains all, and says whether one was cut", async () => {
		for (const code of [0, 1]) {
			const { supervisor, started, stubborn } = supervised();
			await supervisor.begin();
			const last = started[1] as FakeWorker;
			stubborn.add(last);
			const drained = supervisor.drain();
			assert.equal(last.heard.at(-1), "drain");
			last.end({ code });
			assert.equal(await drained, code === 0);
			assert.deepEqual(supervisor.all(), []);
		}
	});

	it("kills one that does not end within its time and 10 s, and starts none again", async () => {
		const { supervisor, started, stubborn, clock, said } = supervised();
		await supervisor.begin();
		const stays = started[0] as FakeWorker;
		stubborn.add(stays);
		const drained = supervisor.drain();
		await clock.advance(14_999);
		assert.equal(stays.killed, false);
		await clock.advance(1);
		assert.equal(await drained, false);
		assert.equal(said("a worker did not end, and is killed"), 1);
		await clock.advance(120_000);
		assert.equal(started.length, 2);
	});

	it("cuts all at once, and kills after 5 s who does not hear it", async () => {
		const { supervisor, started, stubborn, clock } = supervised();
		await supervisor.begin();
		const deaf = started[1] as FakeWorker;
		stubborn.add(deaf);
		const cut = supervisor.cut();
		await clock.advance(4_999);
		assert.equal(deaf.killed, false);
		await clock.advance(1);
		await cut;
		assert.deepEqual([started[0]?.killed, deaf.killed], [false, true]);
	});

	it("kills a worker that takes longer than a minute to begin", async () => {
		const { supervisor, started, clock, state, said } = supervised();
		state.begins = null;
		const begun = supervisor.begin();
		await clock.advance(59_999);
		assert.equal(started[0]?.killed, false);
		await clock.advance(1);
		assert.equal(await begun, false);
		assert.equal(said("a worker did not begin, and is killed"), 1);
	});
});

describe("a rolling restart", () => {
	it("starts a new worker before the old one leaves, one after another", async () => {
		const { supervisor, started, stubborn, said } = supervised();
		await supervisor.begin();
		const [one, two] = started as [FakeWorker, FakeWorker];
		stubborn.add(one);
		const rolled = supervisor.roll();
		while (one.heard.at(-1) !== "retire") await Promise.resolve();
		assert.deepEqual(numbersOf(supervisor), [
			"1 leaving",
			"1 ready",
			"2 ready",
		]);
		assert.equal(started.length, 3);
		one.end({ code: 0 });
		assert.equal(await rolled, true);
		assert.equal(two.heard.at(-1), "retire");
		assert.deepEqual(numbersOf(supervisor), ["1 ready", "2 ready"]);
		assert.equal(supervisor.restarts, 0);
		assert.equal(said("restarted the workers"), 1);
	});

	it("is given up if a new worker does not begin, and the old ones stay", async () => {
		const { supervisor, started, state, said, clock } = supervised();
		await supervisor.begin();
		state.begins = false;
		assert.equal(await supervisor.roll(), false);
		assert.equal(
			said(
				"the restart was given up, because a new worker did not begin: the others go on as they are",
			),
			1,
		);
		assert.deepEqual(
			supervisor.all().map(({ process }) => process.pid),
			[100, 101],
		);
		await clock.advance(10_000);
		assert.equal(started.length, 3);
		state.begins = true;
		assert.equal(await supervisor.roll(), true);
	});

	it("leaves no place empty if the old worker dies while its successor does not begin", async () => {
		const { supervisor, started, state, clock } = supervised();
		await supervisor.begin();
		state.begins = false;
		const rolled = supervisor.roll();
		started[0]?.end({ signal: "SIGSEGV" });
		assert.equal(await rolled, false);
		state.begins = true;
		await clock.advance(0);
		assert.deepEqual(numbersOf(supervisor), ["1 ready", "2 ready"]);
	});

	it("begins once more if it was asked for while it went on", async () => {
		const { supervisor, started } = supervised();
		await supervisor.begin();
		const first = supervisor.roll();
		const second = supervisor.roll();
		assert.deepEqual(await Promise.all([first, second]), [true, true]);
		assert.equal(started.length, 6);
	});

	it("ends with the drain of all", async () => {
		const { supervisor, started, stubborn, clock } = supervised();
		await supervisor.begin();
		stubborn.add(started[0] as FakeWorker);
		const rolled = supervisor.roll();
		while (started[0]?.heard.at(-1) !== "retire") await Promise.resolve();
		const drained = supervisor.drain();
		await clock.advance(15_000);
		assert.equal(await rolled, false);
		assert.equal(await drained, false);
		assert.deepEqual(supervisor.all(), []);
	});
});
