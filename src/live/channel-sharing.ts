import type { ChannelConfig } from "../config/config.ts";
import type { Published } from "../core/channels.ts";
import { GatewayError } from "../core/errors.ts";
import { StoreError } from "../store/link.ts";
import type { SharedChannels, Topic } from "../store/shared-channels.ts";
import type { Instance } from "./channel-instance.ts";
import type { MessageId } from "./channel-numbering.ts";
import { SharedInstance } from "./shared-instance.ts";

/** One channel that several gateways share, through their store. */
export class ChannelSharing {
	readonly #config: ChannelConfig;
	readonly #shared: SharedChannels;
	readonly #onNews: (name: string) => void;
	readonly #instances = new Map<Instance, SharedInstance>();
	readonly #byName = new Map<string, SharedInstance>();
	/** Instances that were given up after they had said something that the store does not have. The others are to hear of it. */
	readonly #owed = new Map<string, Topic>();
	readonly #stopPaying: () => void;

	constructor(
		config: ChannelConfig,
		shared: SharedChannels,
		onNews: (name: string) => void,
	) {
		this.#config = config;
		this.#shared = shared;
		this.#onNews = onNews;
		this.#stopPaying = shared.store.follow({
			up: () => void this.#payAll(),
			away() {},
		});
	}

	get reachable(): boolean {
		return this.#shared.store.reachable;
	}

	/** Whether there are so many that no further one can be remembered. */
	get owesMany(): boolean {
		return this.#owed.size >= this.#config.instancesMax;
	}

	#topicOf(name: string): Topic {
		const { name: channel, keep } = this.#config;
		return this.#shared.topicOf(channel, name, keep);
	}

	add(instance: Instance): void {
		const { name } = instance;
		const topic = this.#topicOf(name);
		const sharing = new SharedInstance(this.#shared, topic, instance, () =>
			this.#onNews(name),
		);
		this.#instances.set(instance, sharing);
		this.#byName.set(name, sharing);
	}

	remove(instance: Instance): void {
		const { name, numbering } = instance;
		if (numbering.saidApart) this.#owed.set(name, this.#topicOf(name));
		this.#instances.get(instance)?.close();
		this.#instances.delete(instance);
		this.#byName.delete(name);
	}

	/** Whether somebody would miss it: nobody else has all that was said in it. */
	isMissed({ numbering }: Instance): boolean {
		return numbering.saidApart;
	}

	ready(
		instance: Instance,
		after: MessageId | "latest" | null,
	): Promise<void> | null {
		return this.#instances.get(instance)?.ready(after) ?? null;
	}

	listenersChanged(instance: Instance): void {
		this.#instances.get(instance)?.listenersChanged();
	}

	decidedApart(): void {
		this.#shared.store.decidedLocally("channels");
	}

	/** `apart` publishes it in this gateway alone, if the store certainly does not have it. */
	async publish(
		name: string,
		json: string,
		apart: () => Published,
	): Promise<Published> {
		try {
			const said = await this.#shared.publish(this.#topicOf(name), json);
			const { epoch, offset, listeners } = said;
			this.#byName.get(name)?.said(said, json);
			return { id: `${epoch}-${offset}`, listeners, shared: true };
		} catch (error) {
			if (!(error instanceof StoreError)) throw error;
			if (!error.undone) throw unknown(this.#config.name);
			if (this.reachable) throw busy(this.#config.name);
			this.decidedApart();
			return apart();
		}
	}

	/** An instance that was given up is joined once more, so that the others hear that something is lost. */
	async #payAll(): Promise<void> {
		for (const [name, topic] of [...this.#owed]) {
			const here = { listeners: 0, members: [], saidApart: true };
			const after = { epoch: "", offset: Number.MAX_SAFE_INTEGER };
			try {
				await this.#shared.join(topic, after, here);
			} catch {
				return;
			}
			this.#owed.delete(name);
			if (!this.#byName.has(name)) this.#shared.leave(topic);
		}
	}

	close(): void {
		this.#stopPaying();
	}
}

function unknown(channel: string): GatewayError {
	const words = `the store went away while a message to the channel \`${channel}\` was under way`;
	return new GatewayError("publish_unknown", words);
}

function busy(channel: string): GatewayError {
	const words = `too much waits for the store: a message to the channel \`${channel}\` was not sent`;
	return new GatewayError("overloaded", words);
}
