import type { Channel } from "./channel.ts";
import type { Hearing, Listener } from "./channel-hearing.ts";
import type { Instance } from "./channel-instance.ts";
import type { MessageId } from "./channel-numbering.ts";
import { tell } from "./channel-told.ts";

/** Where a client listens: an instance of a channel, and who the client is there. */
export class Place {
	readonly #channel: Channel;
	readonly #instance: Instance;
	/** Null for a client that is not among those who are there. */
	readonly #member: string | null;

	constructor(channel: Channel, name: string, member: string | null) {
		this.#channel = channel;
		this.#instance = channel.instance(name);
		this.#member = member;
	}

	get messageBytesMax(): number {
		return this.#channel.config.messageBytesMax;
	}

	hear(after: MessageId | "latest" | null): Hearing {
		return this.#instance.hear(after);
	}

	/** Throws `channel_full` if so many listen already. */
	join(listener: Listener): void {
		this.#channel.join(this.#instance, listener, this.#member);
	}

	/** `asksAgain`: it will be back soon, so its member stays for a while. */
	leave(listener: Listener, asksAgain = false): void {
		this.#channel.leave(this.#instance, listener, this.#member, asksAgain);
	}

	/** False if there is more to hear. */
	rest(listener: Listener): boolean {
		return this.#instance.rest(listener);
	}

	/** Who is there, as members of JSON; empty if the channel does not tell. */
	get members(): string {
		return this.#instance.presence?.told ?? "";
	}

	/** What tells one list of who is there from another; null if the channel does not tell. */
	get membersMark(): string | null {
		return this.#instance.presence?.mark ?? null;
	}

	/** The first thing that a listener is told: where it begins, and who is there. */
	begin(hearing: Hearing): void {
		const { members } = this;
		const id = hearing.after;
		const told = `"id":"${id}"${members === "" ? "" : `,${members}`}`;
		hearing.begin(tell("start", told, { id }));
	}
}
