import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, it } from "node:test";
import { isStream, type PieceTaker } from "../../src/core/body/byte-stream.ts";
import { Memory } from "../../src/core/memory.ts";
import { endingWith } from "../../src/gateway/expiry.ts";
import { Channel } from "../../src/live/channel.ts";
import { ChannelEvents } from "../../src/live/channel-events.ts";
import { Place } from "../../src/live/channel-place.ts";
import { writeAsItComes } from "../../src/server/answer-stream.ts";
import type { AnswerWriter } from "../../src/server/carrier.ts";
import { virtualClock } from "../../src/tasks/clock.ts";
import { openScope } from "../../src/tasks/scope.ts";

/** A channel with one listener, whose stream nobody reads yet. */
async function listening(waiting = { messagesMax: 10, bytesMax: 1024 ** 2 }) {
	const clock = virtualClock();
	const memory = new Memory();
	const channel = new Channel(
		{
			...{ name: "room", schema: null, presence: false },
			...{ keep: { last: 10, forMs: 60_000 }, messageBytesMax: 1_000_000 },
			...{ instancesMax: 10, listenersMax: 10, waiting },
		},
		{
			...{ clock, memory, shared: null },
			nextEpoch: () => "e",
			onKept: (bytes) => memory.keep(bytes),
			onInstance: () => {},
		},
	);
	let over = 0;
	const events = new ChannelEvents(new Place(channel, "7", null), "latest", {
		retryMs: () => 0,
		onOver: () => over++,
	});
	const say = async (message: string) => {
		await channel.publish("7", JSON.stringify(message));
		await clock.advance(0);
	};
	return { channel, clock, events, say, over: () => over };
}

/** Takes so many pieces before it is full, and again so many when it is told to go on. */
class Taking implements PieceTaker {
	readonly texts: string[] = [];
	room: number;
	ends = 0;

	constructor(room: number) {
		this.room = room;
	}

	take(piece: Uint8Array): boolean {
		assert.ok(this.room > 0, "it has said that it is full");
		assert.equal(this.ends, 0, "it was told of the end");
		this.texts.push(Buffer.from(piece).toString());
		this.room--;
		return this.room > 0;
	}

	ended(): void {
		this.ends++;
	}

	get messages(): string[] {
		return this.texts.flatMap((text) =>
			Array.from(text.matchAll(/"message":"(\w+)"/g), ([, one = ""]) => one),
		);
	}
}

/** Twice, because the first time something was sent since the last. */
function beat(events: ChannelEvents): void {
	events.beat();
	events.beat();
}

async function read(events: ChannelEvents): Promise<string> {
	const { value } = await events.next();
	return Buffer.from(value ?? []).toString();
}

describe("the stream of a channel that is read", () => {
	it("keeps a message for a reader that has a heartbeat and does not ask yet", async () => {
		const { events, say } = await listening();
		assert.match(await read(events), /start/);
		const asked = read(events);
		beat(events);
		assert.equal(await asked, ": waiting\n\n");
		await say("a");
		await say("b");
		const text = await read(events);
		assert.match(text, /"message":"a"[^]*"message":"b"/);
	});
});

describe("the stream of a channel that hands its pieces over", () => {
	it("hands over what there is, each message when it comes, and a heartbeat", async () => {
		const { events, say, channel } = await listening();
		const taker = new Taking(Number.POSITIVE_INFINITY);
		events.flowTo(taker);
		assert.match(taker.texts[0] ?? "", /start/);
		await say("a");
		await say("b");
		assert.deepEqual(taker.messages, ["a", "b"]);
		beat(events);
		assert.equal(taker.texts.at(-1), ": waiting\n\n");
		assert.equal(channel.state().delivered, 2);
	});

	it("waits while its taker is full, and goes on in order", async () => {
		const { events, say } = await listening();
		const taker = new Taking(2);
		const flow = events.flowTo(taker);
		for (const one of ["a", "b", "c"]) await say(one);
		beat(events);
		assert.deepEqual(taker.messages, ["a"]);
		taker.room = 1;
		flow.goOn();
		assert.deepEqual(taker.messages, ["a", "b", "c"]);
		assert.equal(taker.texts.length, 3, "what waited is one piece");
		taker.room = 1;
		flow.goOn();
		await say("d");
		assert.deepEqual(taker.messages, ["a", "b", "c", "d"]);
	});

	it("keeps a message for a taker that a heartbeat has filled", async () => {
		const { events, say } = await listening();
		const taker = new Taking(2);
		const flow = events.flowTo(taker);
		beat(events);
		await say("a");
		await say("b");
		assert.deepEqual(taker.messages, []);
		taker.room = 2;
		flow.goOn();
		assert.deepEqual(taker.messages, ["a", "b"]);
	});

	it("lets go of a taker that is full for too long, and tells it why when it has room", async () => {
		const { events, say, channel, over } = await listening();
		const taker = new Taking(1);
		const flow = events.flowTo(taker);
		for (let one = 0; one < 11; one++) await say(`m${one}`);
		assert.equal(channel.state().dropped, 1);
		assert.equal(channel.state().listeners, 0);
		assert.equal(channel.state().waitingBytes, 0);
		assert.deepEqual([taker.texts.length, taker.ends], [1, 0]);
		taker.room = 2;
		flow.goOn();
		assert.match(taker.texts[1] ?? "", /"reason":"slow"/);
		assert.deepEqual([taker.texts.length, taker.ends, over()], [2, 1, 1]);
		flow.goOn();
		assert.equal(taker.ends, 1);
	});

	it("tells a taker with room of its end at once", async () => {
		const { events } = await listening();
		const taker = new Taking(10);
		events.flowTo(taker);
		events.end("draining");
		assert.match(taker.texts[1] ?? "", /"reason":"draining"/);
		events.end("closed");
		events.cut();
		assert.deepEqual([taker.texts.length, taker.ends], [2, 1]);
	});

	it("hands nothing over after the client has gone, also to one that was full", async () => {
		const { events, say, channel } = await listening();
		const taker = new Taking(1);
		const flow = events.flowTo(taker);
		await say("a");
		events.cut();
		flow.goOn();
		assert.deepEqual([taker.texts.length, taker.ends], [1, 1]);
		assert.equal(channel.state().listeners, 0);
	});

	it("leaves nothing behind of a client that was too slow, was told so, and goes without reading it", async () => {
		const { channel, clock, events, say } = await listening();
		const scope = openScope({ clock });
		events.endWith(scope, () => {});
		const headers = ["content-type", "text/event-stream"];
		const { body } = endingWith(
			{ status: 200, headers, body: events },
			Date.now() + 3_600_000,
			clock,
			scope,
		);
		const socket = new PassThrough();
		const seen = { held: 0, cut: 0 };
		const owner = {
			over: false,
			memory: {
				hold: (bytes: number) => void (seen.held += bytes),
				give: (bytes: number) => void (seen.held -= bytes),
			},
			cut: () => void seen.cut++,
			streamed: () => assert.fail("it is not whole"),
		};
		const answer = { write: () => socket } as unknown as AnswerWriter;
		assert.ok(isStream(body));
		writeAsItComes(body, owner, answer, scope);
		for (let one = 0; one < 11; one++) await say(`m${one}`);
		assert.equal(channel.state().dropped, 1);
		scope.cancel(new Error("gone"));
		assert.deepEqual(seen, { held: 0, cut: 1 });
		assert.deepEqual([socket.listenerCount("drain"), scope.listeners], [0, 0]);
	});

	it("tells a taker that leaves nothing more", async () => {
		const { events, say, channel, over } = await listening();
		const taker = new Taking(10);
		const flow = events.flowTo(taker);
		flow.leave();
		flow.leave();
		await say("a");
		assert.deepEqual([taker.texts.length, taker.ends, over()], [1, 0, 1]);
		assert.equal(channel.state().listeners, 0);
	});

	it("ends at once for a taker that comes after its end", async () => {
		const { events } = await listening();
		events.cut();
		const taker = new Taking(10);
		events.flowTo(taker);
		assert.deepEqual([taker.texts, taker.ends], [[], 1]);
	});
});
