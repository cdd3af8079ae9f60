import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { ChannelConfig } from "../../src/config/config.ts";
import { Memory } from "../../src/core/memory.ts";
import { Channel } from "../../src/live/channel.ts";
import type { Listener } from "../../src/live/channel-hearing.ts";
import { Place } from "../../src/live/channel-place.ts";
import type { Told } from "../../src/live/channel-told.ts";
import { type VirtualClock, virtualClock } from "../../src/tasks/clock.ts";

function channelOf(config: Partial<ChannelConfig> = {}, memory = new Memory()) {
	const clock = virtualClock();
	let count = 0;
	const channel = new Channel(
		{
			...{ name: "room", schema: null, presence: true },
			...{ keep: { last: 10, forMs: 60_000 }, messageBytesMax: 1_000_000 },
			...{ instancesMax: 10, listenersMax: 10_000 },
			waiting: { messagesMax: 100_000, bytesMax: 1024 ** 2 },
			...config,
		},
		{
			...{ clock, memory, shared: null },
			nextEpoch: () => `e${count++}`,
			onKept: (bytes) => memory.keep(bytes),
			onInstance: () => {},
		},
	);
	return { channel, clock, memory };
}

/** A listener that takes everything at once, until it is told to take nothing. */
class Taking implements Listener {
	readonly hearing;
	readonly wakeCost = 100;
	readonly told: Told[] = [];
	taking = true;
	wakes = -1;
	ended: string | null = null;
	readonly #place: Place;

	constructor(channel: Channel, member: string | null = null) {
		this.#place = new Place(channel, "7", member);
		this.hearing = this.#place.hear("latest");
		this.#place.join(this);
		this.wake();
	}

	wake(): void {
		this.wakes++;
		if (!this.taking) return;
		for (let told = this.hearing.next(); told; told = this.hearing.next()) {
			this.told.push(told);
		}
		this.#place.rest(this);
	}

	end(reason: string): void {
		assert.equal(this.ended, null, "it is ended once");
		this.ended = reason;
		this.#place.leave(this);
	}
}

const many = 5_000;

async function listening(
	channel: Channel,
	clock: VirtualClock,
	count: number,
): Promise<Taking[]> {
	const all = Array.from(
		{ length: count },
		(_, index) => new Taking(channel, `"m${index}"`),
	);
	await clock.advance(0);
	return all;
}

describe("those who come and go", () => {
	const kinds = ({ told }: Taking) => told.map(({ kind }) => kind);

	it("are told of at once if few listen", async () => {
		const { channel, clock } = channelOf();
		const [first] = await listening(channel, clock, 10);
		assert.ok(first);
		const before = first.told.length;
		new Taking(channel, '"new"').end("gone");
		await clock.advance(0);
		assert.deepEqual(kinds(first).slice(before), ["joined", "left"]);
	});

	it("are told of together if many listen, a fifth of a millisecond later for each", async () => {
		const { channel, clock } = channelOf();
		const all = await listening(channel, clock, 100);
		await clock.advance(1_000);
		const [first] = all;
		assert.ok(first);
		const [toldBefore, wakesBefore] = [first.told.length, first.wakes];
		const came: Taking[] = [];
		for (let at = 0; at < 19; at++) {
			came.push(new Taking(channel, `"new${at}"`));
			await clock.advance(1);
			assert.equal(first.wakes, wakesBefore);
		}
		await clock.advance(1);
		assert.equal(first.wakes, wakesBefore + 1);
		const told = first.told.slice(toldBefore);
		assert.deepEqual(
			told.map(({ json }) => JSON.parse(String(json)).member),
			came.map((_, at) => `new${at}`),
		);
		// Nobody hears of those who came before, and each hears of those who came after.
		assert.deepEqual(
			came.map(({ told }) => told.length),
			came.map((_, at) => came.length - 1 - at),
		);
		for (const one of came) one.end("gone");
		await clock.advance(19);
		assert.equal(first.wakes, wakesBefore + 1);
		await clock.advance(5);
		assert.equal(kinds(first).filter((kind) => kind === "left").length, 19);
		assert.equal(clock.pending, 0);
	});

	it("are told of a second later at most", async () => {
		const { channel, clock } = channelOf();
		const [first] = await listening(channel, clock, 9_000);
		await clock.advance(1_000);
		assert.ok(first);
		const before = first.told.length;
		new Taking(channel, '"new"');
		await clock.advance(999);
		assert.equal(first.told.length, before);
		await clock.advance(1);
		assert.deepEqual(kinds(first).slice(before), ["joined"]);
	});

	it("are told of before what they say", async () => {
		const { channel, clock } = channelOf();
		const [first] = await listening(channel, clock, 100);
		await clock.advance(1_000);
		assert.ok(first);
		const before = first.told.length;
		new Taking(channel, '"new"');
		await clock.advance(1);
		void channel.publish("7", '"hello"');
		await clock.advance(0);
		assert.deepEqual(kinds(first).slice(before), ["joined", "message"]);
		const { wakes } = first;
		await clock.advance(1_000);
		assert.equal(first.wakes, wakes);
	});

	it("are told of while a listener takes nothing, and those who rest do not miss it", async () => {
		const { channel, clock } = channelOf();
		const [first, other] = await listening(channel, clock, 100);
		await clock.advance(1_000);
		assert.ok(first && other);
		const before = other.told.length;
		new Taking(channel, '"new"');
		// As after a heartbeat: it takes what is there before it is woken.
		first.wake();
		await clock.advance(1_000);
		assert.deepEqual(kinds(other).slice(before), ["joined"]);
	});

	it("are told of before it is a quarter of what may wait for a listener", async () => {
		const waiting = { messagesMax: 40, bytesMax: 1024 ** 2 };
		const { channel, clock } = channelOf({ waiting });
		const [first] = await listening(channel, clock, 100);
		await clock.advance(1_000);
		assert.ok(first);
		const before = first.told.length;
		for (let at = 0; at < 10; at++) new Taking(channel, `"new${at}"`);
		await clock.advance(0);
		assert.equal(first.told.length, before);
		new Taking(channel, '"one more"');
		await clock.advance(0);
		assert.equal(first.told.length, before + 11);
	});
});

describe("an instance of a channel", () => {
	it("holds nothing of messages that nobody hears and that are not kept", async () => {
		setFlagsFromString("--expose-gc");
		const gc = runInNewContext("gc") as () => void;
		// The first may leave buffers to a thread. The second waits for it.
		const collect = () => {
			gc();
			gc();
		};
		const { channel, clock } = channelOf({
			keep: { last: 1, forMs: 60_000 },
		});
		const publish = async () => {
			const json = JSON.stringify("x".repeat(100_000));
			for (let at = 0; at < 100; at++) void channel.publish("7", json);
			await clock.advance(0);
		};
		// In functions of their own, whose frames hold nobody.
		const comeAndGo = async () => {
			const all = await listening(channel, clock, 3);
			for (const one of all) one.end("gone");
		};
		await comeAndGo();
		await publish();
		collect();
		const before = process.memoryUsage().arrayBuffers;
		for (let round = 0; round < 3; round++) await publish();
		collect();
		const more = process.memoryUsage().arrayBuffers - before;
		assert.ok(more < 10_000_000, `${more} bytes more`);
	});

	it("encodes a message once for all who hear it", async () => {
		const { channel, clock } = channelOf();
		const all = await listening(channel, clock, 100);
		void channel.publish("7", '"hello"');
		await clock.advance(0);
		const told = new Set(all.map(({ told }) => told.at(-1)));
		assert.equal(told.size, 1);
		const [one] = told;
		assert.equal(one?.json.buffer, one?.event.buffer);
	});

	it("lets thousands go at once, and tells the others of each", async () => {
		const { channel, clock } = channelOf();
		const slow = await listening(channel, clock, many);
		const other = new Taking(channel);
		for (const one of slow) one.taking = false;
		const long = JSON.stringify("x".repeat(200 * 1024));
		for (let at = 0; at < 6; at++) {
			void channel.publish("7", long);
			await clock.advance(0);
		}
		assert.ok(slow.every(({ ended }) => ended === "slow"));
		const left = other.told.filter(({ kind }) => kind === "left");
		assert.equal(left.length, many);
		assert.partialDeepStrictEqual(channel.state(), {
			...{ listeners: 1, members: 0, dropped: many, waitingBytes: 0 },
		});
	});

	it("holds what waits once, however many are slow", async () => {
		const { channel, clock, memory } = channelOf({
			keep: { last: 0, forMs: 1 },
		});
		const slow = await listening(channel, clock, 1_000);
		for (const one of slow) one.taking = false;
		// The first wakes them, and from the second on they have something to take.
		for (let at = 0; at < 5; at++) {
			void channel.publish("7", JSON.stringify("x".repeat(10_000)));
			await clock.advance(0);
		}
		const { waitingBytes } = channel.state();
		assert.ok(waitingBytes > 40_000 && waitingBytes < 60_000);
		assert.equal(memory.held, waitingBytes);
		for (const one of slow) one.taking = true;
		for (const one of slow) one.wake();
		await clock.advance(0);
		assert.deepEqual([channel.state().waitingBytes, memory.held], [0, 0]);
		assert.equal(slow[0]?.told.at(-1)?.offset, 5);
	});

	it("lets those go that need memory which is not there, and nobody else", async () => {
		const memory = new Memory(1_000_000);
		const { channel, clock } = channelOf({}, memory);
		const [slow, other] = await listening(channel, clock, 2);
		assert.ok(slow && other);
		slow.taking = false;
		void channel.publish("7", '"first"');
		await clock.advance(0);
		memory.held += 7 * 125_000 - memory.held - memory.kept - 40;
		void channel.publish("7", '"second"');
		await clock.advance(0);
		assert.deepEqual([slow.ended, other.ended], ["slow", null]);
		assert.throws(() => channel.publish("7", `"${"x".repeat(900_000)}"`), {
			code: "overloaded",
		});
	});

	it("gives way with its messages if it was published to longest ago", () => {
		const { channel, memory } = channelOf();
		for (const name of ["a", "b", "a"]) void channel.publish(name, '"hello"');
		const kept = () =>
			["a", "b"].map((name) => channel.instance(name).keptBytes);
		const [ofA = 0, ofB = 0] = kept();
		assert.equal(channel.shrink(1), ofB);
		assert.deepEqual(kept(), [ofA, 0]);
		assert.equal(memory.kept, ofA);
		assert.equal(channel.shrink(ofA / 2 + 1), ofA);
		assert.equal(channel.shrink(1), 0);
	});

	it("wakes nobody who has gone while others had their turn", async () => {
		const { channel, clock } = channelOf();
		const all = await listening(channel, clock, many);
		void channel.publish("7", '"hello"');
		// Some of them are woken in a later turn of the loop.
		await Promise.resolve();
		await Promise.resolve();
		const hasHeard = ({ told }: Taking) =>
			told.some(({ kind }) => kind === "message");
		const gone = all.filter((one) => !hasHeard(one));
		assert.ok(gone.length > many / 2, `${gone.length}`);
		for (const one of gone) one.end("gone");
		await clock.advance(0);
		assert.ok(!gone.some(hasHeard));
		assert.equal(channel.state().listeners, many - gone.length);
	});
});
