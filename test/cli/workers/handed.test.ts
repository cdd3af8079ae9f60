import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { describe, it } from "node:test";
import { type Handed, HandOver } from "../../../src/cli/workers/handed.ts";
import type {
	FromWorker,
	ToWorker,
} from "../../../src/cli/workers/messages.ts";
import { type MayRest, Resting } from "../../../src/cli/workers/resting.ts";
import { virtualClock } from "../../../src/tasks/clock.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A worker with so many places, and what it says. */
function worker({ places = 2, sends = true } = {}) {
	const clock = virtualClock();
	const state = { running: 0 };
	const said: string[] = [];
	const sent: (() => void)[] = [];
	const handOver = new HandOver({
		clock,
		isFull: (coming) => state.running + coming >= places,
		tell(message: FromWorker, handed?: Handed, done = () => {}) {
			if (handed && !sends) throw new TypeError("no handles");
			said.push(
				message.kind === "full" ? `full ${message.full}` : message.kind,
			);
			if (handed) sent.push(done);
		},
	});
	/** Accepts one, and says what became of it. */
	const accept = () => {
		const calls: string[] = [];
		const call = (name: string) => () => void calls.push(name);
		const socket = {
			_handle: { readStop: call("stop"), readStart: call("start") },
			destroy: call("destroy"),
			on() {},
		};
		const passed = handOver.offer(socket as unknown as Socket);
		return { passed, calls };
	};
	return { clock, state, said, sent, handOver, accept };
}

describe("a worker whose places are taken", () => {
	it("gives what it accepts to others while one of them rests", () => {
		const { state, accept, said, sent, handOver } = worker();
		state.running = 2;
		assert.equal(accept().passed, false);
		handOver.hear(true);
		const { passed, calls } = accept();
		assert.deepEqual([passed, calls], [true, ["stop"]]);
		sent[0]?.();
		assert.deepEqual(calls, ["stop", "destroy"]);
		handOver.hear(false);
		assert.equal(accept().passed, false);
		assert.deepEqual(said, ["full true", "offer"]);
		handOver.close();
	});

	it("counts those whose requests are still to come", async () => {
		const { accept, handOver } = worker();
		handOver.hear(true);
		const all = [accept(), accept(), accept()].map(({ passed }) => passed);
		assert.deepEqual(all, [false, false, true]);
		// By then they would be running.
		await turn();
		await turn();
		assert.equal(accept().passed, false);
		handOver.close();
	});

	it("says so once, and says when it has room again", async () => {
		const { state, accept, said, clock, handOver } = worker();
		state.running = 2;
		accept();
		accept();
		await clock.advance(100);
		assert.deepEqual(said, ["full true"]);
		state.running = 1;
		await turn();
		await turn();
		await clock.advance(25);
		assert.deepEqual(said, ["full true", "full false"]);
		await clock.advance(1_000);
		assert.equal(said.length, 2);
		handOver.close();
	});

	it("keeps a connection that cannot be sent, and those beyond what the primary has not taken yet", () => {
		const none = worker({ sends: false });
		none.state.running = 2;
		none.handOver.hear(true);
		const { passed, calls } = none.accept();
		assert.deepEqual([passed, calls], [false, ["stop", "start"]]);
		none.handOver.close();

		const { state, accept, sent, handOver } = worker();
		state.running = 2;
		handOver.hear(true);
		for (let at = 0; at < 500; at++) assert.equal(accept().passed, true);
		assert.equal(accept().passed, false);
		sent[0]?.();
		assert.equal(accept().passed, true);
		handOver.close();
	});
});

/** Workers as the primary knows them. */
function known(count: number) {
	const heard: string[] = [];
	const all = Array.from({ length: count }, (_, at) => {
		const one: { -readonly [Key in keyof MayRest]: MayRest[Key] } = {
			...{ state: "ready", owes: null, isFull: false, othersRest: false },
			process: {
				send(message: ToWorker, handed?: Handed) {
					const rest = message.kind === "others" ? ` ${message.rest}` : "";
					heard.push(`${at} ${message.kind}${rest}${handed ? " +" : ""}`);
				},
			},
		};
		return one;
	});
	const resting = new Resting(all);
	type One = (typeof all)[number];
	const [first, second, third] = all as [One, One, One];
	return { heard, resting, first, second, third };
}

const handed: Handed = { close() {} };

describe("the primary of workers", () => {
	it("tells each whether another one rests, when that changes", () => {
		const { heard, resting, first, second } = known(2);
		resting.changed();
		assert.deepEqual(heard.splice(0), ["0 others true", "1 others true"]);
		first.isFull = true;
		resting.changed();
		resting.changed();
		assert.deepEqual(heard.splice(0), ["1 others false"]);
		second.owes = 1;
		resting.changed();
		assert.deepEqual(heard.splice(0), ["0 others false"]);
		second.owes = 0;
		resting.changed();
		assert.deepEqual(heard.splice(0), ["0 others true"]);
		second.state = "leaving";
		resting.changed();
		assert.deepEqual(heard, ["0 others false"]);
	});

	it("gives a connection to those that rest in turns, else back to the one that had it", () => {
		const { heard, resting, first, second, third } = known(3);
		for (let at = 0; at < 4; at++) resting.give(handed, first);
		assert.deepEqual(heard.splice(0).sort(), [
			"1 take +",
			"1 take +",
			"2 take +",
			"2 take +",
		]);
		second.isFull = true;
		resting.give(handed, first);
		assert.deepEqual(heard.splice(0), ["2 take +"]);
		third.state = "starting";
		resting.give(handed, first);
		assert.deepEqual(heard, ["0 take +"]);
	});
});
