import type { TrailEnded } from "../../core/events.ts";
import type { Yielding } from "../../core/memory.ts";
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
	bytes = 0;
	count = 0;
	/** Where the next one goes. */
	#next = 0;
	readonly #ring: (Kept | null)[] = new Array(requestsMax).fill(null);
	/** Hears how the bytes change. */
	readonly #onBytes: (change: number) => void;

	constructor(onBytes: (change: number) => void) {
		this.#onBytes = onBytes;
	}

	add({ number, end, endedAt }: EndedRequest): void {
		const weight = weightOf(end);
		if (this.count === requestsMax) this.#dropOldest();
		this.#ring[this.#next] = { number, end: keepable(end), endedAt, weight };
		this.#next = (this.#next + 1) % requestsMax;
		this.count++;
		this.#change(weight);
		while (this.bytes > bytesMax) this.#dropOldest();
	}

	#dropOldest(): void {
		const at = this.#placeOf(this.count);
		const weight = this.#ring[at]?.weight ?? 0;
		this.#ring[at] = null;
		this.count--;
		this.#change(-weight);
	}

	/** Of the newest, 1, or of one before it. */
	#placeOf(back: number): number {
		return (this.#next - back + requestsMax) % requestsMax;
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
		for (let back = 1; back <= this.count; back++) {
			yield this.#ring[this.#placeOf(back)] as Kept;
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
