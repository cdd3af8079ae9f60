import crypto from "node:crypto";
import type { Timer } from "../tasks/clock.ts";
import {
	type Newest,
	type Read,
	readNewest,
	readNewestOfAll,
	readRead,
	readRenewed,
	readSaid,
	readSnapshot,
	type Said,
	type Snapshot,
} from "./channel-replies.ts";
import {
	auditScript,
	byeScript,
	countScript,
	joinScript,
	leaveScript,
	publishScript,
	readScript,
	renewScript,
	sweepScript,
} from "./channel-scripts.ts";
import type { Script, Store } from "./store.ts";

/** What is kept of an instance. All gateways of a channel have the same. */
export interface Keeping {
	readonly last: number;
	readonly forMs: number;
}

/** A gateway's part in one instance: it hears what happens there. */
export interface TopicHearer {
	message(epoch: string, offset: number, json: string): void;
	member(isThere: boolean, change: number, member: string): void;
	/** Something has happened that is not told by itself. */
	changed(): void;
	/** The gateway is not known in the instance any more, or not for certain. */
	forgotten(): void;
	/** The newest that the store has, as it was looked up. */
	newest(newest: Newest): void;
	/** The store can be used again. */
	up(): void;
	away(): void;
	readonly hasMembers: boolean;
}

/** An instance of a channel, as the store knows it. An address may hold a secret, so the store has only a digest of its name. */
export interface Topic {
	readonly digest: string;
	readonly keeping: Keeping;
}

/** How far a gateway has heard: nothing of an epoch whose name is empty. */
export interface Place {
	readonly epoch: string;
	readonly offset: number;
}

/** A gateway that has not shown itself for so long is taken for dead. */
export const leaseMs = 15_000;
const renewMs = 5_000;

/** Keys of gateways that all have ended. */
const forgottenMs = 3_600_000;

/** How long an instance is known after it was used, beyond the time for which messages are kept. */
const unusedMs = 180_000;

/** All instances are looked up in so many rounds of renewing, so within a minute, and few in each. */
const auditRounds = 12;
const auditMax = 100;

/** As much of messages comes in one answer of the store. */
const readBytesMax = 256 * 1024;

/** So many calls are made at once when all instances are joined again. */
const joiningMax = 32;

/** Instances of channels that several gateways share. Rejects with a `StoreError`. */
export class SharedChannels {
	readonly store: Store;
	readonly #self = crypto.randomBytes(6).toString("hex");
	readonly #inbox: string;
	readonly #joined = new Map<string, [topic: Topic, hearer: TopicHearer]>();
	readonly #waiting: (() => void)[] = [];
	#joining = 0;
	#epochs = 0;
	#renewing: Timer | null = null;
	/** The next instance that is looked up. */
	#auditFrom = 0;
	#hasJoined = false;
	#closed = false;

	constructor(store: Store) {
		this.store = store;
		this.#inbox = `${store.prefix}inbox:`;
		store.listen(this.#inbox + this.#self, (text) => this.#hear(text));
		store.follow({
			up: () => {
				this.#renewSoon(0);
				for (const [, hearer] of [...this.#joined.values()]) hearer.up();
			},
			away: () => {
				for (const [, hearer] of [...this.#joined.values()]) hearer.away();
			},
		});
	}

	/** No other process gives the same, nor this one again. */
	nextEpoch(): string {
		return `${this.#self}${(this.#epochs++).toString(36)}`;
	}

	topicOf(channel: string, instance: string, keeping: Keeping): Topic {
		const whole = `${channel}\n${instance}`;
		const digest = crypto.hash("sha256", whole, "base64url").slice(0, 27);
		return { digest, keeping };
	}

	/** From now on the hearer is told of the store, and once it has joined of what happens. Gives the removal. */
	hear(topic: Topic, hearer: TopicHearer): () => void {
		this.#joined.set(topic.digest, [topic, hearer]);
		this.#hasJoined = true;
		this.#renewSoon(0);
		return () => {
			if (this.#joined.get(topic.digest)?.[1] !== hearer) return;
			this.#joined.delete(topic.digest);
			this.leave(topic);
		};
	}

	/** Waits for the store's word as long as it is there. */
	publish(topic: Topic, json: string): Promise<Said> {
		return this.#run(publishScript, topic, [json], readSaid, true);
	}

	/** `saidApart`: the gateway has said something that the store does not have. */
	async join(
		topic: Topic,
		after: Place,
		here: {
			readonly listeners: number;
			readonly members: readonly string[];
			readonly saidApart: boolean;
		},
	): Promise<Snapshot> {
		const { listeners, members, saidApart } = here;
		const args = [
			...[String(listeners), saidApart ? "1" : "0", String(leaseMs)],
			...[after.epoch, String(after.offset), String(readBytesMax), ...members],
		];
		return this.#inTurn(() => this.#run(joinScript, topic, args, readSnapshot));
	}

	read(topic: Topic, after: Place): Promise<Read> {
		const { epoch, offset } = after;
		const args = [epoch, String(offset), String(readBytesMax)];
		return this.#inTurn(() => this.#run(readScript, topic, args, readRead));
	}

	/** `changes` are members with `+` before those who are there now, and `-` before the others. */
	count(
		topic: Topic,
		listeners: number,
		changes: readonly string[],
	): Promise<Newest> {
		const args = [String(listeners), ...changes];
		return this.#inTurn(() => this.#run(countScript, topic, args, readNewest));
	}

	/** Thousands at once would be as many calls that wait, and a crowd in the store. */
	async #inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
		if (this.#joining >= joiningMax) {
			await new Promise<void>((resolve) => this.#waiting.push(resolve));
		} else this.#joining++;
		try {
			return await work();
		} finally {
			const next = this.#waiting.shift();
			if (next === undefined) this.#joining--;
			else next();
		}
	}

	#run<Value>(
		script: Script,
		topic: Topic,
		own: readonly string[],
		read: (reply: unknown) => Value | null,
		hasToKnow = false,
	): Promise<Value> {
		const { keeping } = topic;
		const args = [
			...[this.#inbox, topic.digest, this.nextEpoch(), this.#self],
			...[String(keeping.last), String(keeping.forMs), ttlOf(topic), ...own],
		];
		const keys = this.#keysOf(topic.digest);
		return this.store.script(script, keys, args, read, hasToKnow);
	}

	#keysOf(digest: string): readonly string[] {
		const { prefix } = this.store;
		const head = `${prefix}channel:${digest}`;
		return [
			...[head, `${head}:log`, `${head}:members`],
			...[`${prefix}gateways`, this.#topicsOf(this.#self)],
		];
	}

	/** The key of the instances in which a gateway is. */
	#topicsOf(gateway: string): string {
		return `${this.store.prefix}gateway:${gateway}`;
	}

	/** Nobody of this gateway is there any more. */
	leave({ digest }: Pick<Topic, "digest">): void {
		if (!this.store.up || this.#closed) return;
		const args = [this.#inbox, digest, "", this.#self, "0", "0", "0"];
		this.store
			.script(leaveScript, this.#keysOf(digest), args, isNumber)
			.catch(ignored);
	}

	/** A message may be anybody's. At worst something is looked up that has not changed. */
	#hear(text: string): void {
		const [kind, digest = "", first = "", second = ""] = text.split(" ", 4);
		const hearer = this.#joined.get(digest)?.[1];
		// It was left while the store was away.
		if (hearer === undefined) return this.leave({ digest });
		const at = kind?.length as number;
		const rest = at + digest.length + first.length + 3;
		switch (kind) {
			case "message":
				return hearer.message(
					...[first, Number(second), text.slice(rest + second.length + 1)],
				);
			case "joined":
			case "left":
				return hearer.member(
					kind === "joined",
					Number(first),
					text.slice(rest),
				);
			default:
				return hearer.changed();
		}
	}

	#renewSoon(ms: number): void {
		if (this.#closed || !this.store.reachable) return;
		if (ms > 0 || this.#renewing === null) {
			this.#renewing?.cancel();
			this.#renewing = this.store.clock.aside(Math.max(ms, 1), () => {
				this.#renewing = null;
				if (this.#joined.size === 0) return;
				this.#renew()
					.catch(ignored)
					.finally(() => this.#renewSoon(renewMs));
			});
		}
	}

	/** Shows that this gateway is alive, takes those out that are not, and looks up whether anything was missed. */
	async #renew(): Promise<void> {
		const { store } = this;
		const keys = [`${store.prefix}gateways`, this.#topicsOf(this.#self)];
		const args = [this.#self, String(leaseMs), String(forgottenMs)];
		const { wasAlive, dead } = await store.script(
			...[renewScript, keys, args, readRenewed],
		);
		// The others may have taken it out of its instances.
		if (!wasAlive) {
			for (const [, hearer] of [...this.#joined.values()]) hearer.forgotten();
		} else await this.#audit();
		for (const gateway of dead) await this.#sweep(gateway);
	}

	async #sweep(gateway: string): Promise<void> {
		const { prefix } = this.store;
		const keys = [`${prefix}gateways`, this.#topicsOf(gateway)];
		const args = [
			...[this.#inbox, "", "", gateway, "0", "0", "0"],
			`${prefix}channel:`,
		];
		let count = 1;
		while (count > 0) {
			count = await this.store.script(sweepScript, keys, args, asNumber);
		}
	}

	/** The store may have forgotten an instance, or that this gateway is there. Then nothing would be heard any more. */
	async #audit(): Promise<void> {
		const all = [...this.#joined.values()];
		const size = Math.max(Math.ceil(all.length / auditRounds), auditMax);
		const from = this.#auditFrom < all.length ? this.#auditFrom : 0;
		this.#auditFrom = from + size;
		const chosen = all.slice(from, from + size);
		for (let at = 0; at < chosen.length; at += auditMax) {
			const some = chosen.slice(at, at + auditMax);
			const keys = some.flatMap(([{ digest }]) => {
				const [head = "", , members = ""] = this.#keysOf(digest);
				return [head, members];
			});
			const args = some.flatMap(([topic, { hasMembers }]) => [
				...[ttlOf(topic), hasMembers ? "1" : "0"],
			]);
			const read = (reply: unknown) => readNewestOfAll(reply, some.length);
			const found = await this.store.script(
				...[auditScript, keys, [this.#self, ...args], read],
			);
			found.forEach((newest, index) => {
				const hearer = some[index]?.[1];
				if (newest === null) hearer?.forgotten();
				else hearer?.newest(newest);
			});
		}
	}

	/** Leaves all instances. Else the others would find out later. Never rejects. */
	async close(): Promise<void> {
		this.#closed = true;
		this.#renewing?.cancel();
		if (!this.#hasJoined || !this.store.up) return;
		const keys = [`${this.store.prefix}gateways`];
		try {
			await this.store.script(byeScript, keys, [this.#self], isNumber);
			await this.#sweep(this.#self);
		} catch {
			// The others find out.
		}
	}
}

function ttlOf({ keeping }: Topic): string {
	return String(keeping.forMs + unusedMs);
}

function ignored(): void {}

function isNumber(reply: unknown): true | null {
	return typeof reply === "number" ? true : null;
}

function asNumber(reply: unknown): number | null {
	return typeof reply === "number" ? reply : null;
}
