import type { ChannelConfig } from "../config/config.ts";
import type { Clock, Timer } from "../tasks/clock.ts";
import { tellApart } from "../tasks/failure.ts";
import { Crowd } from "./channel-crowd.ts";
import { type Listener, News } from "./channel-hearing.ts";
import type { Told } from "./channel-told.ts";

/** What listeners cost, as their channel counts it. */
export interface AudienceOwner {
	readonly config: Pick<ChannelConfig, "waiting">;
	readonly clock: Clock;
	/** The bytes that wait for slow listeners, more or less than before. False if there is no room for more. */
	holds(bytes: number): boolean;
	/** A listener was let go because it was too slow. */
	letGo(): void;
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
 * Those who listen to an instance, and the chain of news that they are told. Each stands somewhere in the chain. What nobody needs any more
 * falls off by itself.
 */
export class Audience {
	readonly #owner: AudienceOwner;
	/** The end of the chain. */
	#last = new News(null, 0, 0);
	/** Listeners that have heard everything, and wait. */
	#resting = new Crowd();
	/** Listeners that were resting, and are about to be woken. */
	#waking = new Crowd();
	/** No listener that rests or is being woken stands before it. */
	#behindFrom = this.#last;
	/** Whoever rests before this position is to be woken now. */
	#dueTo = 0;
	/** Set while there are news for which nobody was woken yet. */
	#gathering: Timer | null = null;
	/** Listeners that have something to take. */
	readonly #busy = new Crowd();
	#isWaking = false;
	#heldBytes = 0;

	constructor(owner: AudienceOwner) {
		this.#owner = owner;
	}

	get size(): number {
		return this.#resting.size + this.#waking.size + this.#busy.size;
	}

	get all(): Listener[] {
		return [...this.#busy, ...this.#waking, ...this.#resting];
	}

	/** The end of the chain. */
	get last(): News {
		return this.#last;
	}

	append(told: Told): void {
		const { position, endBytes } = this.#last;
		const last = new News(told, position + 1, endBytes + told.event.length);
		this.#last.next = last;
		this.#last = last;
		// Else what nobody has to hear would be held.
		if (!this.#isWaking && this.#resting.size === 0) this.#behindFrom = last;
		this.#letSlowGo();
	}

	/** Wakes those who rest: at once, or if many listen a little later. */
	wakeSoon(): void {
		const gatherMs = gatherMsFor(this.size);
		if (gatherMs === 0 || this.#gathersMuch) return this.wakeAll();
		this.#gathering ??= this.#owner.clock.aside(gatherMs, () => this.wakeAll());
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
			tellApart(() => listener.end("slow"));
		}
	}

	/** The chain from the listener that is furthest behind. */
	#hold(bytes: number): boolean {
		if (!this.#owner.holds(bytes - this.#heldBytes)) return false;
		this.#heldBytes = bytes;
		return true;
	}

	wakeAll(): void {
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
			for (;;) {
				const listener = this.#waking.first;
				if (listener === null) break;
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
				tellApart(() => listener.wake());
			}
			this.#behindFrom = from;
		}
		this.#isWaking = false;
		if (this.#resting.size === 0) this.#behindFrom = this.#last;
		if (this.#busy.size === 0) this.#hold(0);
	}

	/** It has something to take that is its own. */
	wakeOne(listener: Listener): void {
		if (!listener.hearing.hasMore || !this.#resting.delete(listener)) return;
		this.#busy.add(listener);
		listener.wake();
	}

	join(listener: Listener): void {
		listener.hearing.listener = listener;
		this.#busy.add(listener);
	}

	/** The listener has taken everything, and waits for more. False if there is more. */
	rest(listener: Listener): boolean {
		if (listener.hearing.hasMore) return false;
		if (!this.#busy.delete(listener)) return true;
		this.#resting.add(listener);
		if (this.#busy.size === 0 && !this.#isWaking) this.#hold(0);
		return true;
	}

	leave(listener: Listener): void {
		this.#busy.delete(listener);
		this.#resting.delete(listener);
		this.#waking.delete(listener);
		if (this.#busy.size === 0 && !this.#isWaking) this.#hold(0);
	}

	close(): void {
		this.#gathering?.cancel();
		this.#hold(0);
	}
}
