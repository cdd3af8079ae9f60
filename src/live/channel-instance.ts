import type { ChannelConfig } from "../config/config.ts";
import { GatewayError } from "../core/errors.ts";
import type { StoredMessage } from "../store/channel-replies.ts";
import { Audience, type AudienceOwner } from "./channel-audience.ts";
import { Hearing, type Listener } from "./channel-hearing.ts";
import { KeptMessages } from "./channel-log.ts";
import type { Found, MessageId, Numbering } from "./channel-numbering.ts";
import { Presence } from "./channel-presence.ts";
import { type Told, tell, tellUnknownGap } from "./channel-told.ts";

/** The channel that an instance belongs to, as the instance sees it. */
export interface InstanceOwner extends AudienceOwner {
	readonly config: ChannelConfig;
	/** Makes the epoch of messages that the store does not have. */
	nextEpoch(): string;
	/** The bytes of messages that are kept for later, more or less than before. */
	keeps(bytes: number, instance: Instance): void;
	/** A listener has got a message. */
	heard(): void;
	/** It may have come into use, or be in use no longer. */
	used(instance: Instance): void;
}

/** One stream of messages: a log of the last ones for those who come, and news for those who listen. */
export class Instance {
	readonly name: string;
	readonly numbering: Numbering;
	readonly presence: Presence | null;
	readonly audience: Audience;
	/** Whether what is known here is all that there is. */
	isSettled = true;
	/** Whether somebody who is told of nothing but a gap is answered only after a while, because another gateway may tell it one again. */
	pausesGaps = false;
	/** Whether messages were dropped that others may still have. */
	isShort = false;
	readonly #owner: InstanceOwner;
	readonly #kept: KeptMessages;
	/** When it was last published or listened to. */
	usedMs: number;

	constructor(name: string, numbering: Numbering, owner: InstanceOwner) {
		this.name = name;
		this.numbering = numbering;
		this.#owner = owner;
		const { config, clock } = owner;
		this.#kept = new KeptMessages(config.keep.last, config.keep.forMs);
		this.audience = new Audience(owner);
		this.presence = config.presence
			? new Presence(clock, (kind, member) => this.#tellOf(kind, member))
			: null;
		this.usedMs = clock.now();
	}

	get listeners(): number {
		return this.audience.size;
	}

	/** Whether somebody is there: a listener, or a member who asks again and again. */
	get hasSomebody(): boolean {
		return this.listeners > 0 || (this.presence?.size ?? 0) > 0;
	}

	/** Whether it has messages for whoever comes. */
	get keepsSome(): boolean {
		return this.#kept.count > 0;
	}

	get keptBytes(): number {
		return this.#kept.bytes;
	}

	/** Gives the id of the message. */
	publish(json: string): string {
		if (!this.isSettled) this.numbering.part(this.#owner.nextEpoch());
		const id = this.add(this.numbering.next(), json, 0);
		this.audience.wakeAll();
		this.touch();
		return id;
	}

	/** Keeps a message, and tells it. Whoever adds wakes the listeners. */
	add(offset: number, json: string, ageMs: number): string {
		const id = this.numbering.idOf(offset);
		const told = this.#toldOf(offset, id, json);
		this.#change(() => this.#kept.add(told, this.#owner.clock.now() - ageMs));
		this.audience.append(told);
		return id;
	}

	#toldOf(offset: number, id: string, json: string): Told {
		const isApart = offset > this.numbering.lastShared;
		const members = `"id":"${id}","message":${json}`;
		return tell("message", members, { id, offset, isApart });
	}

	/** Keeps again what was dropped: those of the messages up to an offset. */
	restock(messages: readonly StoredMessage[], upTo: number): void {
		this.isShort = false;
		this.#change(() => {
			this.#kept.cut(0);
			for (const { offset, json, ageMs } of messages) {
				if (offset > upTo) return;
				const told = this.#toldOf(offset, this.numbering.idOf(offset), json);
				this.#kept.add(told, this.#owner.clock.now() - ageMs);
			}
		});
	}

	/** Forgets the messages after an offset: others will have their offsets. */
	cut(offset: number): void {
		this.#change(() => this.#kept.cut(offset));
		for (const { hearing } of this.audience.all) hearing.cutKept(offset);
	}

	touch(): void {
		this.usedMs = this.#owner.clock.now();
		this.#owner.used(this);
	}

	/** Drops messages that were kept for long enough. */
	expire(): void {
		this.#change(() => this.#kept.expire(this.#owner.clock.now()));
	}

	/** Drops the oldest messages until so many bytes less are kept, or none. Returns how many less. */
	shrink(bytes: number): number {
		const before = this.#kept.bytes;
		this.#change(() => {
			while (this.#kept.count > 0 && before - this.#kept.bytes < bytes) {
				this.#kept.dropOldest();
			}
		});
		this.isShort = true;
		return before - this.#kept.bytes;
	}

	#change(change: () => void): void {
		const before = this.#kept.bytes;
		change();
		if (this.#kept.bytes !== before) {
			this.#owner.keeps(this.#kept.bytes - before, this);
		}
		if (this.#kept.count === 0) this.#owner.used(this);
	}

	#tellOf(kind: "joined" | "left", member: string): void {
		this.audience.append(tell(kind, `"member":${member}`));
		this.audience.wakeSoon();
		this.#owner.used(this);
	}

	/** The listener has taken everything, and waits for more. False if there is more. */
	rest(listener: Listener): boolean {
		return this.audience.rest(listener);
	}

	/**
	 * Lets somebody hear what comes after `after`, or first what is kept if that is null. `latest` is only what comes from now
	 * on. Throws `request_invalid` for an id that was never given.
	 */
	hear(after: MessageId | "latest" | null): Hearing {
		this.expire();
		this.touch();
		const { numbering } = this;
		if (!this.isSettled) numbering.part(this.#owner.nextEpoch());
		if (after === "latest") return this.#hearFrom(numbering.last + 1);
		if (after === null) return this.#hearFrom(this.firstOffset);
		const found = numbering.find(after, this.isSettled);
		if (found.kind === "apart") {
			const { offset, base } = found;
			const id = base === null ? null : numbering.apartId(offset, base);
			return this.#hearFrom(offset + 1, { base, id });
		}
		if (!this.isSettled) return this.#hearApart(after, found);
		if (found.kind === "ahead") throw neverGiven(after.at);
		if (found.kind === "unknown") {
			return this.#hearFrom(this.firstOffset, { isExact: false });
		}
		const { offset, exact: isExact } = found;
		return this.#hearFrom(offset + 1, { isExact });
	}

	/**
	 * Without the store, one who comes from elsewhere hears what came from there before, if it is sure to lack that. What this gateway has said
	 * alone it may have heard, and left it since. So it hears only what is said from now on, and if there was anything before that it lacks something.
	 */
	#hearApart(after: MessageId, found: Found): Hearing {
		const { numbering } = this;
		const { last, lastShared, saidApart } = numbering;
		if (found.kind === "known") {
			const { name: epoch } = numbering.newest;
			const base = numbering.baseOf({ ...after, epoch, offset: lastShared });
			const isExact = found.exact && !saidApart;
			const from = found.offset + 1;
			const id = numbering.placeOf(found.offset);
			const all = { base, isExact, to: lastShared };
			if (from <= lastShared) return this.#hearFrom(from, { ...all, id });
			return this.#hearFrom(last + 1, {
				...all,
				id: numbering.apartId(last, base),
			});
		}
		const base = numbering.baseOf(after);
		const id = numbering.apartId(last, base);
		return this.#hearFrom(last + 1, { base, id, isExact: !saidApart });
	}

	#hearFrom(
		from: number,
		{
			base = null,
			id = null,
			isExact = true,
			to = this.numbering.last,
		}: {
			/** Where it was before this gateway lost its store, if that is not where the gateway was. */
			readonly base?: string | null;
			/** Its id; null for the usual one of its place. */
			readonly id?: string | null;
			/** Whether it is told first that it perhaps lacks something. */
			readonly isExact?: boolean;
			/** The last that it is told of what is kept. */
			readonly to?: number;
		} = {},
	): Hearing {
		const after = id ?? this.numbering.placeOf(from - 1);
		const own = isExact ? [] : [tellUnknownGap(after)];
		const begins = { after, own, base };
		return new Hearing(this, this.audience.last, { from, to }, begins);
	}

	heard(): void {
		this.#owner.heard();
	}

	/** The message of that offset; null if it is not kept any more. */
	messageAt(offset: number): Told | null {
		return this.#kept.at(offset);
	}

	/** The oldest message that is kept has this offset. If none is, the next one will have it. */
	get firstOffset(): number {
		return this.#kept.firstOffset ?? this.numbering.last + 1;
	}

	/** `member` is null for somebody who is not told of. */
	join(listener: Listener, member: string | null): void {
		if (member !== null && this.presence?.enter(member) === true) {
			listener.hearing.skipNews(this.audience.last);
		}
		this.audience.join(listener);
		this.#owner.used(this);
	}

	leave(listener: Listener, member: string | null, asksAgain: boolean): void {
		this.audience.leave(listener);
		if (member !== null) this.presence?.leave(member, asksAgain);
		this.touch();
	}

	close(): void {
		this.presence?.close();
		this.shrink(Number.POSITIVE_INFINITY);
		this.audience.close();
	}
}

function neverGiven(at: string): GatewayError {
	const message = "is no id that was ever given";
	const errors = [{ at, message }];
	return new GatewayError("request_invalid", `${at} ${message}`, { errors });
}
