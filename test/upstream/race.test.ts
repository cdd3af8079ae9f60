import assert from "node:assert/strict";
import { once } from "node:events";
import { Socket } from "node:net";
import { describe, test } from "node:test";
import { virtualClock } from "../../src/tasks/clock.ts";
import { Race } from "../../src/upstream/wire/race.ts";

/** A race on a virtual clock. Its sockets are connected to nothing: the test says what happens to them. */
function racing(addresses: readonly string[], throwsFor = "") {
	const clock = virtualClock();
	const begun: string[] = [];
	const sockets = new Map<string, { socket: Socket; ready: () => void }>();
	const ends: string[] = [];
	const race = new Race(
		(address, ready) => {
			begun.push(`${clock.now()} ${address}`);
			if (address === throwsFor) throw new Error("no such key");
			const socket = new Socket();
			sockets.set(address, { socket, ready });
			return socket;
		},
		clock,
		(socket, address) => {
			assert.equal(socket, sockets.get(address)?.socket);
			ends.push(`won ${address}`);
		},
		(error) => {
			const all = error instanceof AggregateError ? error.errors : [error];
			ends.push(`lost: ${all.map(({ message }) => message).join(", ")}`);
		},
	);
	const of = (address: string) => {
		const own = sockets.get(address);
		assert.ok(own, `${address} was not tried`);
		return own;
	};
	race.begin(addresses);
	return {
		clock,
		race,
		begun,
		ends,
		of,
		ready: (address: string) => of(address).ready(),
		fails: (address: string) =>
			of(address).socket.emit("error", new Error(`${address} refuses`)),
		closed: (address: string) => of(address).socket.destroyed,
	};
}

describe("a race of addresses", () => {
	test("begins the next attempt 250 ms after the last one, and lets earlier ones go on", async () => {
		const { clock, begun, closed, ready, ends } = racing(["a", "b", "c"]);
		await clock.advance(249);
		assert.deepEqual(begun, ["0 a"]);
		await clock.advance(1);
		assert.deepEqual(begun, ["0 a", "250 b"]);
		await clock.advance(249);
		assert.equal(begun.length, 2);
		await clock.advance(1);
		assert.deepEqual(begun, ["0 a", "250 b", "500 c"]);
		await clock.advance(60_000);
		assert.deepEqual(
			[closed("a"), closed("b"), closed("c")],
			Array(3).fill(false),
		);
		ready("a");
		assert.deepEqual(ends, ["won a"]);
	});

	test("is won by the first that is ready; the others are closed and nothing is left", async () => {
		const { clock, race, ready, closed, ends, of, begun } = racing([
			"a",
			"b",
			"c",
		]);
		await clock.advance(250);
		ready("b");
		assert.deepEqual(ends, ["won b"]);
		assert.equal(closed("a"), true);
		assert.equal(closed("b"), false);
		assert.equal(clock.pending, 0, "a timer was left");
		for (const name of ["connect", "error", "close"]) {
			assert.equal(of("b").socket.listenerCount(name), 0, name);
		}
		await once(of("a").socket, "close");
		// What a loser says while it closes ends nobody.
		of("a").socket.emit("error", new Error("late"));
		race.stop();
		race.lose(new Error("late"));
		await clock.advance(10_000);
		assert.deepEqual(ends, ["won b"]);
		assert.deepEqual(begun, ["0 a", "250 b"]);
		assert.equal(closed("b"), false);
	});

	test("begins the next attempt at once when one fails, an earlier one too", async () => {
		const { clock, begun, fails } = racing(["a", "b", "c", "d"]);
		await clock.advance(10);
		fails("a");
		assert.deepEqual(begun, ["0 a", "10 b"]);
		await clock.advance(249);
		assert.equal(begun.length, 2);
		await clock.advance(1);
		assert.deepEqual(begun.slice(2), ["260 c"]);
		await clock.advance(100);
		fails("b");
		assert.deepEqual(begun.slice(3), ["360 d"]);
		assert.equal(clock.pending, 0, "no address is left to wait for");
	});

	test("fails with what each address said when the last has failed", async () => {
		const { clock, fails, ends, closed } = racing(["a", "b"]);
		await clock.advance(250);
		fails("b");
		assert.deepEqual(ends, []);
		fails("a");
		fails("a");
		assert.deepEqual(ends, ["lost: b refuses, a refuses"]);
		assert.equal(closed("a"), true);
		assert.equal(clock.pending, 0);
	});

	test("of one address sets no timer, and fails as that did", () => {
		const { clock, fails, ends } = racing(["a"]);
		assert.equal(clock.pending, 0);
		fails("a");
		assert.deepEqual(ends, ["lost: a refuses"]);
	});

	test("takes a close without an error for a failure", async () => {
		const { of, ends } = racing(["a"]);
		of("a").socket.destroy();
		await once(of("a").socket, "close");
		assert.deepEqual(ends, ["lost: connect ECONNRESET a"]);
	});

	test("gives an address that is connected another 250 ms for its TLS", async () => {
		const { clock, begun, of, ends, ready } = racing(["a", "b"]);
		await clock.advance(200);
		of("a").socket.emit("connect");
		await clock.advance(249);
		assert.deepEqual(begun, ["0 a"]);
		await clock.advance(1);
		assert.deepEqual(begun, ["0 a", "450 b"]);
		ready("a");
		assert.deepEqual(ends, ["won a"]);
	});

	test("stops at any moment, and is heard of no more", async () => {
		for (const ms of [0, 100, 300]) {
			const { clock, race, begun, of, ends, closed } = racing(["a", "b", "c"]);
			await clock.advance(ms);
			const before = begun.length;
			const stopped = race.stop();
			assert.equal(stopped.length, before);
			assert.ok(stopped.every((socket) => socket.destroyed));
			assert.equal(clock.pending, 0, "a timer was left");
			await once(of("a").socket, "close");
			await clock.advance(10_000);
			race.begin(["d"]);
			race.lose(new Error("late"));
			assert.deepEqual(ends, []);
			assert.equal(begun.length, before);
			assert.equal(closed("a"), true);
		}
	});

	for (const [count, open] of [
		[4, 4],
		[5, 5],
		[6, 5],
		[20, 5],
	] as const) {
		test(`has ${open} attempts open of ${count} that hang, the newest`, async () => {
			const addresses = Array.from({ length: count }, (_, at) => `a${at}`);
			const { clock, begun, closed, fails, ends } = racing(addresses);
			await clock.advance(250 * count);
			assert.equal(begun.length, count);
			const still = addresses.filter((address) => !closed(address));
			assert.deepEqual(still, addresses.slice(-open));
			for (const address of still) fails(address);
			const given = addresses.slice(0, -open);
			assert.deepEqual(ends, [
				`lost: ${[
					...given.map((address) => `connect ETIMEDOUT ${address}`),
					...still.map((address) => `${address} refuses`),
				].join(", ")}`,
			]);
		});
	}

	test("tries the next address if an attempt cannot even begin, and tells nobody before its maker expects it", async () => {
		const { begun, ready, ends } = racing(["a", "b"], "a");
		assert.deepEqual(begun, ["0 a"]);
		await new Promise(process.nextTick);
		assert.deepEqual(begun, ["0 a", "0 b"]);
		ready("b");
		assert.deepEqual(ends, ["won b"]);
		const alone = racing(["a"], "a");
		assert.deepEqual(alone.ends, []);
		await new Promise(process.nextTick);
		assert.deepEqual(alone.ends, ["lost: no such key"]);
	});
});
