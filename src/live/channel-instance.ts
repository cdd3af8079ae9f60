import type { ChannelConfig } from "../config/config.ts";
import { GatewayError } from "../core/errors.ts";
import type { Clock, Timer } from "../tasks/clock.ts";
import { Hearing, type Listener, News } from "./channel-hearing.ts";
import { KeptMessages } from "./channel-log.ts";
import { Presence } from "./channel-presence.ts";
import { type Told, tell } from "./channel-told.ts";

/** The channel that an instance belongs to, as the instance sees it. */
export interface InstanceOwner {
	readonly config: ChannelConfig;
	readonly clock: Clock;
	/** The bytes of messages that are kept for later, more or less than before. */
	keeps(bytes: number, instance: Instance): void;
	/** The bytes that wait for slow listeners, more or less than before. False if there is no room for more. */
	holds(bytes: number): boolean;
	/** A listener has got a message. */
	heard(): void;
	/** A listener was let go because it was too slow. */
	letGo(): void;
	/** It may have come into use, or be in use no longer. */
	used(instance: Instance): void;
}

/** What a client comes back with: the id of the last message that it has. */
export interface MessageId {
	readonly epoch: string;
	readonly offset: number;
	/** Of whoever polls: the mark of the list of members that it has; null if it has none. */
	readonly membersMark: string | null;
	/** Where the client gave it, as a fault names it. */
	readonly at: string;
}

/** Where so few listen, they hear at once who comes and goes. */
const fewListeners = 50;

/** They never wait longer for it than this, so that a list of who is there is good enough to read. */
const gatherMsMax = 1_000;

/**
 * To wake a listener takes some 20 µs. If many come, each waking all others would take all time. So who comes and goes is gathered for
 * a fifth of a millisecond for each listener, and telling it takes a tenth of the time.
 */
function gatherMsFor(listeners: number): number {
	if (listeners < fewListeners) return 0;
	return Math.min(Math.floor(listeners / 5), gatherMsMax);
}

/**
 * One stream of messages: a log of the last ones for those who come, and a chain of news for those who listen. Each listener
 * stands somewhere in the chain. What nobody needs any more falls off by itself.
 */
export class Instance {
	readonly name: string;
	readonly epoch: string;
	readonly presence: Presence | null;
	readonly #owner: InstanceOwner;
	readonly #kept: KeptMessages;
	#lastOffset = 0;
	/** The end of the chain. */
	#last = new News(null, 0, 0);
	/** Listeners that have heard everything, and wait. */
	#resting = new Set<Listener>();
	/** Listeners that were resting, and are about to be woken. */
	#waking = new Set<Listener>();
	/** No listener that rests or is being woken stands before it. */
	#behindFrom = this.#last;
	/** Whoever rests before this position is to be woken now. */
	#dueTo = 0;
	/** Set while there are news for which nobody was woken yet. */
	#gathering: Timer | null = null;
	/** Listeners that have something to take. */
	readonly #busy = new Set<Listener>();
	#isWaking = false;
	#heldBytes = 0;
	/** When it was last published or listened to. */
	usedMs: number;

	constructor(name: string, epoch: string, owner: InstanceOwner) {
		this.name = name;
		this.epoch = epoch;
		this.#owner = owner;
		const { config, clock } = owner;
		this.#kept = new KeptMessages(config.keep.last, config.keep.forMs);
		this.presence = config.presence
			? new Presence(clock, (member) => this.#tellOf("left", member))
			: null;
		this.usedMs = clock.now();
	}

	get listeners(): number {
		return this.#resting.size + this.#waking.size + this.#busy.size;
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

	/** The id of the newest message: whoever has it has missed nothing. */
	get lastId(): string {
		return this.idOf(this.#lastOffset);
	}

	idOf(offset: number): string {
		return `${this.epoch}-${offset}`;
	}

	/** Gives the id of the message. */
	publish(json: string): string {
		const offset = this.#lastOffset + 1;
		const id = this.idOf(offset);
		const told = tell("message", `"id":"${id}","message":${json}`, {
			id,
			offset,
		});
		this.#lastOffset = offset;
		this.#change(() => this.#kept.add(told, this.#owner.clock.now()));
		this.#append(told);
		this.#wakeAll();
		this.#touch();
		return id;
	}

	#touch(): void {
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
		const gatherMs = gatherMsFor(this.listeners);
		this.#append(tell(kind, `"member":${member}`));
		if (gatherMs === 0 || this.#gathersMuch) this.#wakeAll();
		else {
			this.#gathering ??= this.#owner.clock.aside(gatherMs, () =>
				this.#wakeAll(),
			);
		}
		this.#owner.used(this);
	}

	#append(told: Told): void {
		const { position, endBytes } = this.#last;
		const last = new News(told, position + 1, endBytes + told.event.length);
		this.#last.next = last;
		this.#last = last;
		// Else what nobody has to hear would be held.
		if (!this.#isWaking && this.#resting.size === 0) this.#behindFrom = last;
		this.#letSlowGo();
	}

	/** Whether those who rest could soon be taken for slow, through no fault of theirs. */
	get #gathersMuch(): boolean {
		const { messagesMax, bytesMax } = this.#owner.config.waiting;
		const news = this.#last.position - this.#behindFrom.position;
		const bytes = this.#last.endBytes - this.#behindFrom.endBytes;
		return news > messagesMax / 4 || bytes > bytesMax / 4;
	}

	/** Listeners that have too much to take are told so, and let go. The others do not feel it. */
	#letSlowGo(): void {
		const { waiting } = this.#owner.config;
		const { position, endBytes } = this.#last;
		const slow: Listener[] = [];
		const someWait = this.#isWaking || this.#gathering !== null;
		let most = someWait ? endBytes - this.#behindFrom.endBytes : 0;
		this.#owner.clock.turn.spent += this.#busy.size >>> 2;
		for (const listener of this.#busy) {
			const at = listener.hearing.position;
			const bytes = endBytes - at.endBytes;
			if (
				position - at.position > waiting.messagesMax ||
				bytes > waiting.bytesMax
			) {
				slow.push(listener);
			} else if (bytes > most) most = bytes;
		}
		if (!this.#hold(most)) {
			// Whoever needs the memory is let go, and nobody else.
			slow.push(...this.#busy);
			this.#hold(0);
		}
		// All at once: that one of them goes is news itself.
		for (const listener of slow) this.#busy.delete(listener);
		for (const listener of new Set(slow)) {
			this.#owner.letGo();
			listener.end("slow");
		}
	}

	/** The chain from the listener that is furthest behind. */
	#hold(bytes: number): boolean {
		if (!this.#owner.holds(bytes - this.#heldBytes)) return false;
		this.#heldBytes = bytes;
		return true;
	}

	#wakeAll(): void {
		this.#gathering?.cancel();
		this.#gathering = null;
		this.#dueTo = this.#last.position;
		if (this.#isWaking || this.#resting.size === 0) return;
		this.#isWaking = true;
		void this.#wake();
	}

	/** In slices, so that a turn of the loop is never long. Whoever rests again meanwhile is woken in the next round. */
	async #wake(): Promise<void> {
		const { turn } = this.#owner.clock;
		// Whoever publishes is not to wait for those who hear it.
		await Promise.resolve();
		while (this.#behindFrom.position < this.#dueTo && this.#resting.size > 0) {
			// Whoever rests from here on has heard so much.
			const from = this.#last;
			const empty = this.#waking;
			this.#waking = this.#resting;
			this.#resting = empty;
			for (const listener of this.#waking) {
				const { wakeCost } = listener;
				if (!turn.hasTimeFor(wakeCost)) {
					await turn.later("listeners", wakeCost);
				}
				turn.spent += wakeCost;
				// It may have gone while others had their turn.
				if (!this.#waking.delete(listener)) continue;
				if (!listener.hearing.hasMore) {
					this.#resting.add(listener);
					continue;
				}
				this.#busy.add(listener);
				listener.wake();
			}
			this.#behindFrom = from;
		}
		this.#isWaking = false;
		if (this.#resting.size === 0) this.#behindFrom = this.#last;
		if (this.#busy.size === 0) this.#hold(0);
	}

	/** The listener has taken everything, and waits for more. False if there is more. */
	rest(listener: Listener): boolean {
		if (listener.hearing.hasMore) return false;
		if (!this.#busy.delete(listener)) return true;
		this.#resting.add(listener);
		if (this.#busy.size === 0 && !this.#isWaking) this.#hold(0);
		return true;
	}

	/**
	 * Lets somebody hear what comes after `after`, or first what is kept if that is null. `latest` is only what comes from now
	 * on. Throws `request_invalid` for an id that was never given.
	 */
	hear(after: MessageId | "latest" | null): Hearing {
		this.expire();
		this.#touch();
		const last = this.#lastOffset;
		const firstKept = this.#kept.firstOffset ?? last + 1;
		const hearing = (from: number, told: readonly Told[]) =>
			new Hearing(this, this.#last, { from, to: last }, told);
		if (after === "latest") return hearing(last + 1, []);
		if (after === null) return hearing(firstKept, []);
		if (after.epoch !== this.epoch) {
			const id = this.idOf(firstKept - 1);
			const gap = '"from":null,"to":null,"lost":null';
			return hearing(firstKept, [tell("gap", gap, { id })]);
		}
		if (after.offset > last) throw neverGiven(after.at);
		return hearing(after.offset + 1, []);
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
		return this.#kept.firstOffset ?? this.#lastOffset + 1;
	}

	/** `member` is null for somebody who is not told of. */
	join(listener: Listener, member: string | null): void {
		if (member !== null && this.presence?.enter(member) === true) {
			this.#tellOf("joined", member);
			listener.hearing.skipNews(this.#last);
		}
		this.#busy.add(listener);
		this.#owner.used(this);
	}

	leave(listener: Listener, member: string | null, asksAgain: boolean): void {
		this.#busy.delete(listener);
		this.#resting.delete(listener);
		this.#waking.delete(listener);
		if (member !== null) this.presence?.leave(member, asksAgain);
		if (this.#busy.size === 0 && !this.#isWaking) this.#hold(0);
		this.#touch();
	}

	get allListeners(): Listener[] {
		return [...this.#busy, ...this.#waking, ...this.#resting];
	}

	close(): void {
		this.#gathering?.cancel();
		this.presence?.close();
		this.shrink(Number.POSITIVE_INFINITY);
		this.#hold(0);
	}
}

function neverGiven(at: string): GatewayError {
	const message = "is no id that was ever given";
	const errors = [{ at, message }];
	return new GatewayError("request_invalid", `${at} ${message}`, { errors });
}
