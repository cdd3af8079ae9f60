import type { ChannelConfig } from "../config/config.ts";
import { allRead } from "../core/all-read.ts";
import type { Published, Publisher } from "../core/channels.ts";
import { GatewayError } from "../core/errors.ts";
import type { Memory } from "../core/memory.ts";
import type { SharedChannels } from "../store/shared-channels.ts";
import type { Clock } from "../tasks/clock.ts";
import { tellApart } from "../tasks/failure.ts";
import type { Listener } from "./channel-hearing.ts";
import { Instance, type InstanceOwner } from "./channel-instance.ts";
import { type MessageId, Numbering } from "./channel-numbering.ts";
import { ChannelSharing } from "./channel-sharing.ts";

/** How a channel is now, and what it has done. */
export interface ChannelState {
	readonly name: string;
	readonly instances: number;
	readonly listeners: number;
	/** How many members are there in this gateway, in all instances together. */
	readonly members: number;
	readonly keptBytes: number;
	/** What waits for listeners that read slowly. */
	readonly waitingBytes: number;
	readonly published: number;
	/** Messages, once for each listener that has got them. */
	readonly delivered: number;
	/** Listeners that were let go because they were too slow. */
	readonly dropped: number;
}

export interface ChannelContext {
	readonly clock: Clock;
	readonly memory: Memory;
	/** Makes the epoch of an instance. */
	readonly nextEpoch: () => string;
	/** What gateways share; null if this one is alone. */
	readonly shared: SharedChannels | null;
	/** Called with the bytes that are kept for later, more or less than before. */
	readonly onKept: (bytes: number) => void;
	/** Called when there is an instance, so that it is looked after. */
	readonly onInstance: () => void;
}

/** An instance that nobody uses is kept for so long, so that whoever asks now and then misses nothing. */
const unusedMs = 60_000;

/** One channel of the plan, with its instances. */
export class Channel implements Publisher, InstanceOwner {
	readonly config: ChannelConfig;
	readonly clock: Clock;
	readonly #context: ChannelContext;
	readonly #sharing: ChannelSharing | null;
	readonly #instances = new Map<string, Instance>();
	/** Those of them that nobody would miss. */
	readonly #unused = new Set<Instance>();
	/** Those where nobody is, and that keep messages. The one that nobody has used for longest is the first. */
	readonly #left = new Set<Instance>();
	/** Who hears of messages without being a listener, by the instance's name. */
	readonly #hearing = new Map<string, Set<() => void>>();
	/** Those that keep messages. The one that was published to longest ago is the first. */
	readonly #keeping = new Set<Instance>();
	#keptBytes = 0;
	#waitingBytes = 0;
	#listeners = 0;
	#published = 0;
	#delivered = 0;
	#dropped = 0;

	constructor(config: ChannelConfig, context: ChannelContext) {
		const { name: _, schema: _1, messageBytesMax: _2, ...own } = config;
		const { keep: _3, presence: _4, waiting: _5, ...bounds } = own;
		const { instancesMax: _6, listenersMax: _7, ...unread } = bounds;
		allRead(unread);
		this.config = config;
		this.clock = context.clock;
		this.#context = context;
		const { shared } = context;
		this.#sharing =
			shared && new ChannelSharing(config, shared, (name) => this.#news(name));
	}

	publish(name: string, json: string): Published | Promise<Published> {
		const { memory } = this.#context;
		if (!memory.fitsNew(json.length)) throw memory.usedUp;
		const sharing = this.#sharing;
		if (sharing === null) return this.#publishHere(name, json);
		const apart = () => {
			if (sharing.owesMany) throw this.#full("instances");
			return { ...this.#publishHere(name, json), shared: false };
		};
		if (!sharing.reachable) {
			sharing.decidedApart();
			return apart();
		}
		return sharing.publish(name, json, apart).then((said) => {
			if (said.shared === true) this.#published++;
			return said;
		});
	}

	#publishHere(name: string, json: string): Published {
		const instance = this.instance(name);
		const id = instance.publish(json);
		this.#published++;
		this.#news(name);
		return { id, listeners: instance.listeners };
	}

	#news(name: string): void {
		for (const hear of this.#hearing.get(name) ?? []) tellApart(hear);
	}

	/**
	 * Waits until it is known what there is after an id in the instance of that name. Null if it is known, or if nobody can say it. Throws as
	 * `instance` does.
	 */
	ready(
		name: string,
		after: MessageId | "latest" | null,
	): Promise<void> | null {
		return this.#sharing?.ready(this.instance(name), after) ?? null;
	}

	/**
	 * Calls back after each message to the instance of that name, also if there is none yet. Gives the removal. Throws as `instance` does if
	 * the channel is shared.
	 */
	hear(name: string, onMessage: () => void): () => void {
		const instance = this.#sharing && this.instance(name);
		const hearing = this.#hearing.get(name) ?? new Set();
		this.#hearing.set(name, hearing.add(onMessage));
		if (instance) this.used(instance);
		return () => {
			hearing.delete(onMessage);
			if (hearing.size > 0) return;
			this.#hearing.delete(name);
			if (instance) this.used(instance);
		};
	}

	/**
	 * The instance of that name, which is made if there is none. If it is one too many, another where nobody is gives way. Throws
	 * `channel_full` if somebody is in each.
	 */
	instance(name: string): Instance {
		const known = this.#instances.get(name);
		if (known !== undefined) return known;
		if (this.#instances.size >= this.config.instancesMax) this.#makeRoom();
		const sharing = this.#sharing;
		const epochs = sharing ? [] : [{ name: this.nextEpoch(), from: 1 }];
		const instance = new Instance(name, new Numbering(epochs), this);
		this.#instances.set(name, instance);
		sharing?.add(instance);
		this.#unused.add(instance);
		this.#context.onInstance();
		return instance;
	}

	nextEpoch(): string {
		return this.#context.nextEpoch();
	}

	/** Else one client could keep all others from new instances, by a message to each of so many. */
	#makeRoom(): void {
		const [unused] = this.#unused;
		const [left] = this.#left;
		const least = unused ?? left;
		if (least === undefined) throw this.#full("instances");
		this.#remove(least);
	}

	#full(what: "instances" | "listeners" | "members"): GatewayError {
		const { name } = this.config;
		const words = `the channel \`${name}\` has as many ${what} as it may have`;
		return new GatewayError("channel_full", words);
	}

	#remove(instance: Instance): void {
		instance.close();
		this.#sharing?.remove(instance);
		this.#instances.delete(instance.name);
		this.#unused.delete(instance);
		this.#left.delete(instance);
	}

	/** Throws `channel_full` if so many listen already. */
	join(instance: Instance, listener: Listener, member: string | null): void {
		const { listenersMax } = this.config;
		if (this.#listeners >= listenersMax) throw this.#full("listeners");
		const { presence } = instance;
		// Somebody who asks again and again counts for a while after each answer.
		const isNew = member !== null && presence?.has(member) === false;
		if (isNew && presence.size >= listenersMax) throw this.#full("members");
		this.#listeners++;
		instance.join(listener, member);
	}

	leave(
		instance: Instance,
		listener: Listener,
		member: string | null,
		asksAgain = false,
	): void {
		this.#listeners--;
		instance.leave(listener, member, asksAgain);
	}

	keeps(bytes: number, instance: Instance): void {
		if (bytes > 0) this.#keeping.delete(instance);
		if (instance.keptBytes > 0) this.#keeping.add(instance);
		else this.#keeping.delete(instance);
		this.#keptBytes += bytes;
		this.#context.onKept(bytes);
	}

	holds(bytes: number): boolean {
		const { memory } = this.#context;
		if (bytes > 0 && !memory.takeNew(bytes)) return false;
		if (bytes < 0) memory.give(-bytes);
		this.#waitingBytes += bytes;
		return true;
	}

	heard(): void {
		this.#delivered++;
	}

	letGo(): void {
		this.#dropped++;
	}

	used(instance: Instance): void {
		if (this.#instances.get(instance.name) !== instance) return;
		// Added anew, so that the order is that of their last use.
		this.#left.delete(instance);
		this.#sharing?.listenersChanged(instance);
		const isUsed = instance.hasSomebody || this.#hearing.has(instance.name);
		const keeps = this.#sharing?.isMissed(instance) ?? instance.keepsSome;
		if (isUsed) this.#unused.delete(instance);
		else if (keeps) {
			this.#unused.delete(instance);
			this.#left.add(instance);
		} else this.#unused.add(instance);
	}

	/** Drops the oldest messages until so many bytes less are kept, or none. Returns how many less. */
	shrink(bytes: number): number {
		let less = 0;
		for (const instance of this.#keeping) {
			if (less >= bytes) break;
			less += instance.shrink(bytes - less);
		}
		return less;
	}

	/** Drops what was kept for long enough, and instances that nobody has used for long. Returns how many are left. */
	tidy(): number {
		const sinceMs = this.clock.now() - unusedMs;
		for (const instance of this.#keeping) instance.expire();
		for (const instance of this.#unused) {
			if (instance.usedMs <= sinceMs) this.#remove(instance);
		}
		return this.#instances.size;
	}

	state(): ChannelState {
		const { name } = this.config;
		let members = 0;
		for (const { presence } of this.#instances.values()) {
			members += presence?.size ?? 0;
		}
		return {
			name,
			instances: this.#instances.size,
			listeners: this.#listeners,
			members,
			keptBytes: this.#keptBytes,
			waitingBytes: this.#waitingBytes,
			published: this.#published,
			delivered: this.#delivered,
			dropped: this.#dropped,
		};
	}

	close(): void {
		for (const instance of this.#instances.values()) {
			for (const listener of instance.audience.all) {
				tellApart(() => listener.end("closed"));
			}
			this.#remove(instance);
		}
		this.#sharing?.close();
	}
}
