import type { TrailEnded } from "../core/events.ts";
import type { Yielding } from "../core/memory.ts";
import { keepable, weightOf } from "./kept-trail.ts";
import { matches, type RequestQuery } from "./request-filter.ts";

/** The most requests that are kept. */
const requestsMax = 200;

/** The most that their records may take. */
const bytesMax = 16 * 2 ** 20;

/** A request that has ended. */
export interface EndedRequest {
	/** Which one it is, from 1. */
	readonly number: number;
	readonly end: TrailEnded;
	/** The wall clock's time in milliseconds. */
	readonly endedAt: number;
}

interface Kept extends EndedRequest {
	readonly weight: number;
}

/** The last requests, under bounds. The oldest go first. */
export class KeptRequests implements Yielding {
	/** How many have ended. */
	ended = 0;
	bytes = 0;
	/** The number of the oldest one that is kept. */
	#oldest = 1;
	/** By number, round and round. */
	readonly #ring: (Kept | null)[] = new Array(requestsMax).fill(null);
	/** Hears how the bytes change. */
	readonly #onBytes: (change: number) => void;

	constructor(onBytes: (change: number) => void) {
		this.#onBytes = onBytes;
	}

	get count(): number {
		return this.ended - this.#oldest + 1;
	}

	add(end: TrailEnded): EndedRequest {
		const weight = weightOf(end);
		const number = ++this.ended;
		if (this.count > requestsMax) this.#dropOldest();
		const kept = { number, end: keepable(end), endedAt: Date.now(), weight };
		this.#ring[number % requestsMax] = kept;
		this.#change(weight);
		while (this.bytes > bytesMax) this.#dropOldest();
		return kept;
	}

	#dropOldest(): void {
		const at = this.#oldest++ % requestsMax;
		const weight = this.#ring[at]?.weight ?? 0;
		this.#ring[at] = null;
		this.#change(-weight);
	}

	#change(bytes: number): void {
		this.bytes += bytes;
		this.#onBytes(bytes);
	}

	yield(bytes: number): void {
		const wanted = this.bytes - bytes;
		while (this.count > 0 && this.bytes > wanted) this.#dropOldest();
	}

	*newestFirst(): Generator<EndedRequest, void, undefined> {
		for (let number = this.ended; number >= this.#oldest; number--) {
			yield this.#ring[number % requestsMax] as Kept;
		}
	}

	/** A page, and whether there are older ones. */
	find({ before, limit, ...filter }: RequestQuery): {
		readonly found: readonly EndedRequest[];
		readonly more: boolean;
	} {
		const found: EndedRequest[] = [];
		for (const request of this.newestFirst()) {
			if (before !== null && request.number >= before) continue;
			if (!matches(filter, request.end)) continue;
			if (found.length === limit) return { found, more: true };
			found.push(request);
		}
		return { found, more: false };
	}
}
