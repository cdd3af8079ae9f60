import assert from "node:assert/strict";
import { GatewayError } from "../../src/core/errors.ts";
import { openScope, type Scope } from "../../src/tasks/scope.ts";
import {
	connectTo,
	listenTo,
	type TestListener,
	type TestPeer,
	type Told,
} from "../kit/listeners.ts";
import { repeatableRandom } from "../kit/random.ts";
import {
	eventually,
	gatewayAt,
	type SharedGateway,
} from "../kit/shared-rooms.ts";
import type { TestStore } from "../kit/store.ts";

/** What may happen to the store meanwhile. Each is followed by its end. */
export type Harm = "stopped" | "full" | "cut" | "killed";

type Face = "events" | "poll" | "session";

/** A message that a gateway has said is in the store. */
interface Place {
	readonly epoch: string;
	readonly offset: number;
}

const placeOf = (id: string): Place => {
	const [, epoch, offset] = /^([0-9a-z]+)-(\d+)/.exec(id) ?? [];
	return { epoch: epoch as string, offset: Number(offset) };
};

/** Checks what one client is told, in whichever gateway it is, with whatever connection. */
class Wanderer {
	readonly name: string;
	readonly face: Face;
	/** The id with which it comes back. */
	after: string | null = null;
	/** What it has heard of the store, in order, and what of a gateway alone. */
	readonly shared: [id: string, message: unknown][] = [];
	readonly apart: [id: string, message: unknown][] = [];
	readonly #heard = new Set<unknown>();
	/** Whether it was told that something is lost since the last message of the store. */
	#mayLack = true;
	gaps = 0;
	members = new Set<unknown>();
	#told: readonly Told[] = [];
	#listener: TestListener | null = null;
	#peer: TestPeer | null = null;
	#read = 0;
	#polling: Promise<void> | null = null;
	#asking: Scope | null = null;
	#leaving = false;

	constructor(name: string, face: Face) {
		this.name = name;
		this.face = face;
	}

	get there(): boolean {
		if (this.#listener !== null) return !this.#listener.ended;
		if (this.#peer !== null) return this.#peer.closed === null;
		return this.#polling !== null;
	}

	/** `choose` gives the gateway to ask. One that polls asks another each time. */
	async come(choose: () => SharedGateway): Promise<void> {
		if (this.face === "poll") {
			this.#leaving = false;
			this.#polling = this.#poll(choose);
			return;
		}
		const after = this.after === null ? "" : `&after=${this.after}`;
		const target = `/rooms/7?name=${this.name}${after}`;
		this.#read = 0;
		if (this.face === "session") {
			this.#peer = await connectTo(choose().gateway, target);
			assert.equal(this.#peer.status, 101);
			this.#told = this.#peer.told;
			return;
		}
		this.#listener = await listenTo(choose().gateway, target);
		assert.equal(this.#listener.status, 200);
		this.#told = this.#listener.told;
	}

	async #poll(choose: () => SharedGateway): Promise<void> {
		while (!this.#leaving) {
			const after = this.after === null ? "" : `&after=${this.after}`;
			const { gateway } = choose();
			this.#asking = openScope({ clock: gateway.clock });
			const { status, body } = await gateway.handle(
				{
					...{ method: "GET", headers: ["prefer", "wait=1"] },
					target: `/rooms/7?name=${this.name}${after}`,
				},
				this.#asking,
			);
			if (this.#leaving) break;
			const text = Buffer.from(body as Uint8Array).toString();
			// Its gateway ends.
			if (status === 503) continue;
			assert.equal(status, 200, text);
			const polled = JSON.parse(text);
			for (const told of polled.events) this.#hear(told);
			this.members = new Set(polled.members);
			this.after = polled.after;
		}
		this.#polling = null;
	}

	/** The connection is cut. What was not read is lost on the way. */
	async leave(): Promise<void> {
		this.#leaving = true;
		this.#asking?.cancel(new GatewayError("client_closed", "it left"));
		this.#listener?.leave();
		this.#peer?.leave();
		this.#listener = null;
		this.#peer = null;
		await this.#polling;
	}

	/** Reads what has come, or a share of it, because the rest is still on its way. */
	read(share = 1): void {
		const until =
			this.#read + Math.floor((this.#told.length - this.#read) * share);
		while (this.#read < until) this.#hear(this.#told[this.#read++] as Told);
	}

	#hear(told: Told): void {
		switch (told.event) {
			case "start":
				this.members = new Set(told.members);
				this.after ??= String(told.id);
				return;
			case "gap":
				assert.equal(told.lost, null, `${this.after} ${JSON.stringify(told)}`);
				this.#mayLack = true;
				this.gaps++;
				return;
			case "joined":
				assert.ok(!this.members.has(told.member), "nobody joins twice");
				this.members.add(told.member);
				return;
			case "left":
				assert.ok(this.members.delete(told.member), "who leaves was there");
				return;
			case "message":
				this.#hearMessage(String(told.id), told.message);
				return;
			default:
				assert.ok(["end", "reply"].includes(told.event));
		}
	}

	#hearMessage(id: string, message: unknown): void {
		const words = () => `${this.name} ${id} after ${this.after}`;
		assert.ok(!this.#heard.has(message), `${words()}: heard twice`);
		this.#heard.add(message);
		const cameFrom = this.after;
		this.after = id;
		if (id.includes("~") || this.shared.length + this.apart.length === 0) {
			if (id.includes("~")) this.apart.push([id, message]);
			else this.shared.push([id, message]);
			return;
		}
		const last = this.shared.at(-1)?.[0];
		if (last !== undefined) {
			const [before, now] = [placeOf(last), placeOf(id)];
			const isNext =
				before.epoch === now.epoch && before.offset + 1 === now.offset;
			assert.ok(isNext || this.#mayLack, `${words()}: not told of a gap`);
			assert.ok(
				before.epoch !== now.epoch || before.offset < now.offset,
				`${words()}: out of order`,
			);
			if (before.epoch === now.epoch) assert.ok(isNext, words());
		}
		if (/~\w+-[1-9]/.test(cameFrom ?? "")) assert.ok(this.#mayLack, words());
		this.shared.push([id, message]);
	}

	/** It is up to date, so that what is lost from now on is told anew. */
	settle(): void {
		this.#mayLack = false;
	}
}

export interface Wandering {
	readonly store: TestStore;
	readonly seed: number;
	readonly rounds: number;
	readonly harms: readonly Harm[];
}

export interface Wandered {
	/** The messages that are in the store for certain, and those of one gateway alone, and those of which nobody knows. */
	readonly shared: number;
	readonly apart: number;
	readonly unknown: number;
	readonly gaps: number;
	readonly moves: number;
	readonly restarts: number;
}

/**
 * Clients of every kind wander among three gateways, which are started anew at random, while the store is harmed. Fails unless each hears every message
 * once and in order, or is told that it lacks some, and unless all are there in the end. Unless the store is killed, each hears of every message that was in it.
 */
export async function wander({
	store,
	seed,
	rounds,
	harms,
}: Wandering): Promise<Wandered> {
	const random = repeatableRandom(seed);
	const start = () => gatewayAt(store, ", keep: { last: 10000 }", "250ms");
	const gateways = await Promise.all([start(), start(), start()]);
	const choose = () => gateways[Math.floor(random() * 3)] as SharedGateway;
	const faces: Face[] = ["events", "session", "poll"];
	const clients = Array.from(
		{ length: 15 },
		(_, at) => new Wanderer(`c${at}`, faces[at % 3] as Face),
	);
	const counts = { shared: 0, apart: 0, unknown: 0, moves: 0, restarts: 0 };
	const inStore: [id: string, message: number][] = [];
	let next = 0;
	const say = async () => {
		const message = next++;
		const { status, id, shared, code } = await choose().say(message);
		if (status === 504) {
			assert.equal(code, "publish_unknown");
			counts.unknown++;
		} else {
			assert.equal(status, 200, String(code));
			counts[shared ? "shared" : "apart"]++;
			if (shared) inStore.push([id, message]);
		}
		return status === 200 && shared === true;
	};
	for (const client of clients) await client.come(choose);
	for (let round = 0; round < rounds; round++) {
		const harm =
			round % 5 === 2 ? harms[Math.floor(round / 5) % harms.length] : undefined;
		const heal = harm && (await hurt(store, harm));
		const saying = 1 + Math.floor(random() * 6);
		for (let n = 0; n < saying; n++) await say();
		for (const client of clients) {
			if (client.there) client.read(random());
			if (random() < 0.1) {
				await client.leave();
				counts.moves++;
			}
			if (!client.there) await client.come(choose);
		}
		if (round % 12 === 7 || random() < 0.05) {
			const at = Math.floor(random() * 3);
			await gateways[at]?.gateway.close();
			gateways[at] = await (heal ? startAway(start, heal) : start());
			counts.restarts++;
		} else await heal?.();
		// Else most of it would be said while the store is away.
		if (heal && random() < 0.7) {
			await Promise.all(gateways.map((one) => one.until("up")));
		}
		await new Promise((resolve) => setTimeout(resolve, 5 + 20 * random()));
	}
	await Promise.all(gateways.map((one) => one.until("up")));
	for (const client of clients) {
		client.read();
		if (!client.there) await client.come(choose);
	}
	await eventually(say, "something can be said at last");
	const last = inStore.at(-1) as [string, number];
	const lastOf = ({ shared }: Wanderer) => shared.at(-1)?.[1];
	await eventually(
		() => {
			for (const client of clients) client.read();
			return clients.every((client) => lastOf(client) === last[1]);
		},
		() => clients.map((client) => [client.name, client.after, client.there]),
	);
	const names = clients.map(({ name }) => name).toSorted();
	await eventually(
		() => {
			for (const client of clients) client.read();
			return clients.every(
				({ members }) => String([...members].toSorted()) === String(names),
			);
		},
		() => clients.map(({ name, members }) => [name, ...members]),
	);
	for (const client of clients) await client.leave();
	if (!harms.includes("killed")) {
		for (const { shared, name } of clients) {
			const heard = new Map(shared.map(([id, message]) => [message, id]));
			const missing = inStore.filter(
				([id, message]) => heard.get(message) !== id,
			);
			assert.deepEqual(missing, [], `${name} has heard of all`);
		}
	}
	for (const one of gateways) {
		await one.gateway.close();
		assert.deepEqual(
			[one.gateway.memory.held, one.gateway.memory.kept],
			[0, 0],
		);
	}
	return {
		...counts,
		gaps: clients.reduce((sum, { gaps }) => sum + gaps, 0),
	};
}

/** A gateway that cannot begin before the store is there again. */
async function startAway(
	start: () => Promise<SharedGateway>,
	heal: () => Promise<void>,
): Promise<SharedGateway> {
	const starting = start();
	await heal();
	return starting;
}

/** Gives what ends it. */
async function hurt(
	store: TestStore,
	harm: Harm,
): Promise<() => Promise<void>> {
	switch (harm) {
		case "stopped":
			store.stop();
			return async () => store.goOn();
		case "killed":
			await store.kill();
			return () => store.restart();
		case "cut":
			await store.command("CLIENT", "KILL", "TYPE", "pubsub");
			return async () => {};
		case "full":
			await store.command("CONFIG", "SET", "maxmemory", "1");
			return async () =>
				void (await store.command("CONFIG", "SET", "maxmemory", "0"));
	}
}
