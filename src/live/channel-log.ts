import { type Told, tell } from "./channel-told.ts";

/** An object that holds a message, measured. */
const messageBytes = 300;

/** The bytes that a kept message takes. */
function bytesOf({ event }: Told): number {
	return event.length + messageBytes;
}

interface Kept {
	readonly told: Told;
	readonly atMs: number;
}

/** The last messages of one instance. Their offsets follow each other, so that one is found at once. */
export class KeptMessages {
	readonly #lastMax: number;
	readonly #forMs: number;
	#all: Kept[] = [];
	/** The index of the oldest that is still kept. */
	#from = 0;
	bytes = 0;

	constructor(lastMax: number, forMs: number) {
		this.#lastMax = lastMax;
		this.#forMs = forMs;
	}

	get count(): number {
		return this.#all.length - this.#from;
	}

	/** The offset of the oldest; null if none is kept. */
	get firstOffset(): number | null {
		return this.#all[this.#from]?.told.offset ?? null;
	}

	/** The message of this offset; null if it is not kept. */
	at(offset: number): Told | null {
		const first = this.firstOffset;
		if (first === null || offset < first) return null;
		return this.#all[this.#from + offset - first]?.told ?? null;
	}

	/** If some between are missing, those before are dropped. `atMs` is when it was said: earlier ones have no later time. */
	add(told: Told, atMs: number): void {
		const newest = this.#all.at(-1);
		const follows = newest?.told.offset === told.offset - 1;
		while (!follows && this.count > 0) this.dropOldest();
		this.#all.push({ told, atMs });
		this.bytes += bytesOf(told);
		if (this.count > this.#lastMax) this.dropOldest();
		this.expire(atMs);
	}

	/** Drops those after an offset. */
	cut(offset: number): void {
		while (this.count > 0) {
			const newest = this.#all.at(-1) as Kept;
			if (newest.told.offset <= offset) return;
			this.bytes -= bytesOf(newest.told);
			this.#all.pop();
		}
	}

	/** Drops those that were kept for long enough. */
	expire(nowMs: number): void {
		const sinceMs = nowMs - this.#forMs;
		for (;;) {
			const oldest = this.#all[this.#from];
			if (oldest === undefined || oldest.atMs > sinceMs) return;
			this.dropOldest();
		}
	}

	dropOldest(): void {
		const oldest = this.#all[this.#from];
		if (oldest === undefined) return;
		this.bytes -= bytesOf(oldest.told);
		// It is held no longer, although the list is cut only now and then.
		this.#all[this.#from] = nothing;
		this.#from++;
		if (2 * this.#from < this.#all.length) return;
		this.#all = this.#all.slice(this.#from);
		this.#from = 0;
	}
}

const nothing: Kept = { told: tell("end", ""), atMs: 0 };
