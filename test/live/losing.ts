import assert from "node:assert/strict";
import { checkText, configOrThrow } from "../../src/config/load.ts";
import { createGateway, type Gateway } from "../../src/gateway/gateway.ts";
import { type VirtualClock, virtualClock } from "../../src/tasks/clock.ts";
import {
	connectTo,
	listenTo,
	type TestListener,
	type TestPeer,
	type Told,
} from "../kit/listeners.ts";
import { repeatableRandom } from "../kit/random.ts";

const keepLast = 400;

const config = `
channels:
  room:
    presence: true
    keep: { last: ${keepLast} }
    waiting: { messages: 150 }
routes:
  GET /room:
    request: { query: { name?: { type: string, maxLength: 20 } } }
    listen: room
    member: "\${query.name ?? 'observer'}"
  POST /room:
    request: { body: { type: array } }
    steps:
      said: { each: "\${body}", publish: room, message: "\${item}" }
    respond: "\${said.length}"
`;

export interface Losing {
	readonly clients: number;
	readonly messages: number;
	readonly seed: number;
	/** The share of clients that is cut in each batch of messages. */
	readonly cutting: number;
}

/** What the clients have heard in all, and what they were told that they had lost. */
export interface Heard {
	readonly heard: number;
	readonly lost: number;
	readonly slow: number;
	readonly cuts: number;
}

type Face = "events" | "poll" | "session";

/** What every client checks of what it is told: message `n` says `n`. */
class Client {
	readonly name: string;
	readonly face: Face;
	/** The id of the last message that it has; null before its first answer. */
	after: string | null = null;
	/** The message that must come next, or be lost. */
	next = 1;
	heard = 0;
	lost = 0;
	slow = 0;
	cuts = 0;
	/** Who it has been told is there, since it came. */
	#members = new Set<unknown>();
	/** The same of one that polls: as its last answer has it. */
	#listed: readonly unknown[] = [];
	/** What it has been told and not read. */
	#told: Told[] = [];
	#listener: TestListener | null = null;
	#peer: TestPeer | null = null;
	#leaving = false;
	#polling: Promise<void> | null = null;

	constructor(name: string, face: Face) {
		this.name = name;
		this.face = face;
	}

	get there(): boolean {
		if (this.#listener !== null) return !this.#listener.ended;
		if (this.#peer !== null) return this.#peer.closed === null;
		return this.#polling !== null;
	}

	get members(): ReadonlySet<unknown> {
		return this.face === "poll" ? new Set(this.#listed) : this.#members;
	}

	get #target(): string {
		const after = this.after === null ? "" : `&after=${this.after}`;
		return `/room?name=${this.name}${after}`;
	}

	async come(gateway: Gateway): Promise<void> {
		// The gateway has ended it.
		this.#peer?.leave();
		if (this.face === "poll") {
			this.#leaving = false;
			this.#polling = this.#poll(gateway);
			return;
		}
		if (this.face === "session") {
			this.#peer = await connectTo(gateway, this.#target);
			this.#told = this.#peer.told;
			return;
		}
		// As a browser: the address stays the same, and the field says how far it has come.
		const headers = this.after === null ? [] : ["last-event-id", this.after];
		const target = `/room?name=${this.name}`;
		this.#listener = await listenTo(gateway, target, { headers });
		this.#told = this.#listener.told;
	}

	/** Asks again and again, as fast as it is answered. */
	async #poll(gateway: Gateway): Promise<void> {
		while (!this.#leaving) {
			const { status, body } = await gateway.handle({
				method: "GET",
				target: this.#target,
				headers: ["prefer", "wait=30"],
			});
			assert.equal(status, 200);
			const text = Buffer.from(body as Uint8Array).toString();
			const { after, events, members } = JSON.parse(text) as {
				readonly after: string;
				readonly events: readonly Told[];
				readonly members: readonly unknown[];
			};
			for (const told of events) this.#hear(told);
			this.#listed = members;
			this.after = after;
		}
		this.#polling = null;
	}

	/** Its connection is cut: what was not read by now is lost on the way. */
	cut(): void {
		if (this.face === "poll") this.#leaving = true;
		this.#listener?.leave();
		this.#peer?.leave();
		this.#listener = null;
		this.#peer = null;
		this.cuts++;
	}

	stall(): void {
		this.#listener?.pause();
		this.#peer?.stall(64 * 1024);
	}

	goOn(): void {
		this.#listener?.go();
		this.#peer?.take();
	}

	/** Reads what has come. `share` of it, because the rest is still on its way. */
	read(share = 1): void {
		const count = Math.floor(this.#told.length * share);
		for (const told of this.#told.splice(0, count)) this.#hear(told);
		// Thousands of clients hear millions of messages.
		if (this.#listener !== null) this.#listener.events.length = 0;
		if (this.#peer !== null) this.#peer.texts.length = 0;
	}

	#hear(told: Told): void {
		switch (told.event) {
			case "start":
				this.#members = new Set(told.members);
				this.after = String(told.id);
				break;
			case "message":
				assert.equal(told.message, this.next, `${this.name} heard the next`);
				this.next++;
				this.heard++;
				this.after = String(told.id);
				break;
			case "gap": {
				const [from, to] = [told.from, told.to].map((id) =>
					Number(String(id).split("-")[1]),
				) as [number, number];
				assert.equal(from, this.next, "what is lost begins with the next");
				assert.equal(told.lost, to - from + 1);
				this.next = to + 1;
				this.lost += told.lost;
				this.after = String(told.to);
				break;
			}
			case "joined":
				assert.ok(!this.#members.has(told.member), "nobody joins twice");
				this.#members.add(told.member);
				break;
			case "left":
				assert.ok(this.#members.delete(told.member), "who leaves was there");
				break;
			case "end":
				assert.equal(told.reason, "slow");
				this.slow++;
				break;
			default:
				assert.fail(told.event);
		}
	}
}

/**
 * Clients of every kind that lose their connection at random, stall and come back, while messages are published. Fails
 * unless each hears every message once and in order, or is told exactly that it is lost, and unless presence ends right.
 */
export async function loseAndComeBack({
	clients: count,
	messages,
	seed,
	cutting,
}: Losing): Promise<Heard> {
	const random = repeatableRandom(seed);
	const clock = virtualClock();
	// Without listeners to its events, which would keep a record of each of very many requests.
	const gateway = createGateway(configOrThrow(checkText(config, "x", {})), {
		clock,
	});
	const clients = Array.from({ length: count }, (_, index) => {
		// Each answer to a poll has the whole list of who is there, so that many polls take long.
		const face = index % 10 === 9 ? "poll" : index % 2 ? "session" : "events";
		return new Client(`c${index}`, face);
	});
	await comeAll(clients, gateway, clock);
	let published = 0;
	while (published < messages) {
		const batch = Math.min(1 + Math.floor(random() * 60), messages - published);
		await publish(gateway, clock, published + 1, batch);
		published += batch;
		for (const client of clients) {
			const chance = random();
			if (!client.there) {
				client.read();
				if (chance < 0.3) await client.come(gateway);
			} else if (chance < cutting) {
				client.read(random());
				client.cut();
			} else if (chance < cutting + 0.01) client.stall();
			else if (chance < 0.1) client.goOn();
			else if (chance < 0.5) client.read();
		}
		await clock.advance(Math.floor(random() * 200));
	}
	await settle(clients, gateway, clock, messages);
	await leaveAll(clients, gateway, clock);
	const sum = (of: (client: Client) => number) =>
		clients.reduce((total, client) => total + of(client), 0);
	const state = gateway.state().channels[0];
	assert.equal(state?.published, messages);
	await gateway.close();
	await clock.advance(0);
	assert.deepEqual([gateway.memory.held, gateway.memory.kept], [0, 0]);
	return {
		heard: sum(({ heard }) => heard),
		lost: sum(({ lost }) => lost),
		slow: sum(({ slow }) => slow),
		cuts: sum(({ cuts }) => cuts),
	};
}

async function publish(
	gateway: Gateway,
	clock: VirtualClock,
	from: number,
	count: number,
): Promise<void> {
	const body = Array.from({ length: count }, (_, index) => from + index);
	const answering = gateway.handle({
		...{ method: "POST", target: "/room", body: JSON.stringify(body) },
		headers: ["content-type", "application/json"],
	});
	await clock.advance(0);
	const { status, body: said } = await answering;
	assert.deepEqual([status, said], [200, String(count)]);
}

async function comeAll(
	clients: readonly Client[],
	gateway: Gateway,
	clock: VirtualClock,
): Promise<void> {
	for (const client of clients) {
		if (!client.there) await client.come(gateway);
	}
	await clock.advance(0);
}

/** Everybody comes back, and reads to the end. Then each has heard of each message, and knows who is there. */
async function settle(
	clients: readonly Client[],
	gateway: Gateway,
	clock: VirtualClock,
	messages: number,
): Promise<void> {
	// Whoever is told to be slow only now comes back in the next round.
	for (let round = 0; round < 3; round++) {
		for (const client of clients) {
			client.goOn();
			client.read();
		}
		await clock.advance(0);
		for (const client of clients) client.read();
		await comeAll(clients, gateway, clock);
	}
	// Those who poll hear of the last who came.
	await clock.advance(60_000);
	const names = new Set(clients.map(({ name }) => name));
	for (const client of clients) {
		client.read();
		assert.equal(client.next, messages + 1, `${client.name} has heard of all`);
		assert.equal(client.heard + client.lost, messages);
		assert.deepEqual(client.members, names, `${client.name} knows all`);
	}
}

/** One after the other. The last one hears of each, and then nobody is there. */
async function leaveAll(
	clients: readonly Client[],
	gateway: Gateway,
	clock: VirtualClock,
): Promise<void> {
	const [last, ...others] = clients as readonly [Client, ...Client[]];
	for (const client of others) client.cut();
	// A poll ends when its wait is over, and its member ten seconds after it.
	await clock.advance(60_000);
	last.read();
	assert.deepEqual(last.members, new Set([last.name]));
	last.cut();
	await clock.advance(0);
	assert.partialDeepStrictEqual(gateway.state().channels[0], {
		...{ listeners: 0, members: 0, waitingBytes: 0 },
	});
}
