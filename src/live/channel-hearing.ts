// Types only: an instance makes them.
import type { Crowd } from "./channel-crowd.ts";
import type { Instance } from "./channel-instance.ts";
import { type EndReason, type Told, tellGap, toldAs } from "./channel-told.ts";

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

/** How somebody begins to hear. */
export interface Beginning {
	/** The id with which it would miss nothing. */
	readonly after: string;
	/** What it is told first. */
	readonly own: readonly Told[];
	/** Where it was before this gateway lost its store, if that is not where the gateway was. */
	readonly base: string | null;
}

/** How far one listener has heard: first what is its own, then messages that were kept, then the news. */
export class Hearing {
	readonly instance: Instance;
	/** Null when it has heard that. */
	#own: Told[] | null;
	/** The next message of those that were kept when it came, and the last. */
	#nextKept: number;
	#lastKept: number;
	#after: string;
	#base: string | null;
	position: News;
	/** Who hears; null before it has joined. */
	listener: Listener | null = null;
	/** The crowd in which it stands, and its neighbours there. */
	crowd: Crowd | null = null;
	before: Hearing | null = null;
	behind: Hearing | null = null;

	constructor(
		instance: Instance,
		position: News,
		kept: { readonly from: number; readonly to: number },
		{ after, own, base }: Beginning,
	) {
		this.instance = instance;
		this.position = position;
		this.#nextKept = kept.from;
		this.#lastKept = kept.to;
		this.#after = after;
		this.#own = own.length === 0 ? null : own.slice();
		this.#base = base;
	}

	/** The id with which it misses nothing if it comes back. */
	get after(): string {
		return this.#after;
	}

	/** Whether it is somewhere else than this gateway was when it lost its store. */
	get isElsewhere(): boolean {
		return this.#base !== null;
	}

	/** It is told this before anything else. */
	begin(told: Told): void {
		this.#own = [told, ...(this.#own ?? [])];
	}

	/** It is not told of what happened before. */
	skipNews(position: News): void {
		this.position = position;
	}

	/** The messages after this offset are not those any more that it would have heard. */
	cutKept(offset: number): void {
		this.#lastKept = Math.min(this.#lastKept, offset);
	}

	/** It goes on as if it had come back. */
	becomes(other: Hearing): void {
		// The start of its listening is still to be told.
		const starts = (this.#own ?? []).filter(({ kind }) => kind === "start");
		const own = [...starts, ...(other.#own ?? [])];
		this.#own = own.length === 0 ? null : own;
		this.#nextKept = other.#nextKept;
		this.#lastKept = other.#lastKept;
		this.#after = other.#after;
		this.#base = other.#base;
		this.position = other.position;
	}

	/** Whether it has nothing to hear but that it lacks something. */
	get hasOnlyGap(): boolean {
		const isGap = this.#own?.length === 1 && this.#own[0]?.kind === "gap";
		const hasKept = this.#nextKept <= this.#lastKept;
		return isGap && !hasKept && this.position.next === null;
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
		if (this.#nextKept <= this.#lastKept) return this.#hear(this.#takeKept());
		const { next } = this.position;
		if (next === null) return null;
		this.position = next;
		return this.#hear(next.told as Told);
	}

	#nextOwn(own: Told[]): Told {
		const told = own.shift() as Told;
		if (own.length === 0) this.#own = null;
		return told;
	}

	#hear(told: Told): Told {
		if (told.id === null) return told;
		if (told.kind === "message") this.instance.heard();
		const own =
			told.isApart && this.#base !== null
				? toldAs(told, this.instance.numbering.apartId(told.offset, this.#base))
				: told;
		this.#after = own.id as string;
		return own;
	}

	/** A message may be dropped before a slow listener has taken it. Then it is told of the gap. */
	#takeKept(): Told {
		const { instance } = this;
		const from = this.#nextKept;
		const told = instance.messageAt(from);
		if (told !== null) {
			this.#nextKept++;
			return told;
		}
		const to = Math.min(instance.firstOffset - 1, this.#lastKept);
		this.#nextKept = to + 1;
		const { numbering } = instance;
		return tellGap(numbering.idOf(from), numbering.idOf(to), to - from + 1);
	}
}
