// Types only: an instance makes them.
import type { Instance } from "./channel-instance.ts";
import { type EndReason, type Told, tell } from "./channel-told.ts";

/** A link of the chain of what the listeners of an instance are told. The chain holds only what somebody has still to hear. */
export class News {
	readonly told: Told | null;
	readonly position: number;
	/** The bytes of all news up to this. */
	readonly endBytes: number;
	next: News | null = null;

	constructor(told: Told | null, position: number, endBytes: number) {
		this.told = told;
		this.position = position;
		this.endBytes = endBytes;
	}
}

/** Somebody who listens, in any of the forms. */
export interface Listener {
	readonly hearing: Hearing;
	/** What it takes of a turn of the loop to wake it, in units of 100 ns. */
	readonly wakeCost: number;
	/** There is something to take. Called if it rests. */
	wake(): void;
	/** It is told why, and gets nothing more. */
	end(reason: EndReason): void;
}

/** How far one listener has heard: first what is its own, then messages that were kept, then the news. */
export class Hearing {
	readonly instance: Instance;
	/** Null when it has heard that. */
	#own: Told[] | null;
	/** The next message of those that were kept when it came, and the last. */
	#nextKept: number;
	readonly #lastKept: number;
	/** The last message that it has heard, or that it came with. */
	#heard: number;
	position: News;

	constructor(
		instance: Instance,
		position: News,
		kept: { readonly from: number; readonly to: number },
		own: readonly Told[],
	) {
		this.instance = instance;
		this.position = position;
		this.#nextKept = kept.from;
		this.#lastKept = kept.to;
		this.#heard = kept.from - 1;
		this.#own = own.length === 0 ? null : own.slice();
	}

	/** The id with which it misses nothing if it comes back. */
	get after(): string {
		return this.instance.idOf(this.#heard);
	}

	/** It is told this before anything else. */
	begin(told: Told): void {
		this.#own = [told, ...(this.#own ?? [])];
	}

	/** It is not told of what happened before. */
	skipNews(position: News): void {
		this.position = position;
	}

	get hasMore(): boolean {
		return (
			this.position.next !== null ||
			this.#nextKept <= this.#lastKept ||
			this.#own !== null
		);
	}

	/** The next thing to hear; null if there is none yet. */
	next(): Told | null {
		if (this.#own !== null) return this.#nextOwn(this.#own);
		if (this.#nextKept <= this.#lastKept) return this.#nextOfKept();
		const { next } = this.position;
		if (next === null) return null;
		this.position = next;
		const told = next.told as Told;
		if (told.offset > 0) this.#hear(told.offset);
		return told;
	}

	#nextOwn(own: Told[]): Told {
		const told = own.shift() as Told;
		if (own.length === 0) this.#own = null;
		return told;
	}

	#hear(offset: number): void {
		this.#heard = offset;
		this.instance.heard();
	}

	/** A message may be dropped before a slow listener has taken it. Then it is told of the gap. */
	#nextOfKept(): Told {
		const { instance } = this;
		const from = this.#nextKept;
		const told = instance.messageAt(from);
		if (told !== null) {
			this.#nextKept++;
			this.#hear(from);
			return told;
		}
		const to = Math.min(instance.firstOffset - 1, this.#lastKept);
		this.#nextKept = to + 1;
		this.#heard = to;
		const [first, last] = [instance.idOf(from), instance.idOf(to)];
		const lost = `"from":"${first}","to":"${last}","lost":${to - from + 1}`;
		return tell("gap", lost, { id: last });
	}
}
