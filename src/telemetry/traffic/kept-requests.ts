import type { TrailEnded } from "../../core/events.ts";
import type { Yielding } from "../../core/memory.ts";
import {
	type PackedEnd,
	packEnd,
	type RowHead,
	unpackEnd,
} from "../trail/packed.ts";
import { matches, type RequestQuery } from "./request-filter.ts";

/** The most requests that are kept. */
const requestsMax = 200;

/** The most that their records may take. */
const bytesMax = 16 * 2 ** 20;

/** What a kept request takes of the heap besides its packed record, in bytes: measured, and rounded up. */
const headBytes = 400;

/** A request that has ended. */
export interface EndedRequest {
	/** Which one it is, from 1. */
	readonly number: number;
	readonly end: TrailEnded;
	/** The wall clock's time in milliseconds. */
	readonly endedAt: number;
}

/** The same in one text: a record has dozens of objects, which the collector would move again and again. */
interface Kept extends RowHead {
	readonly number: number;
	readonly endedAt: number;
	readonly packed: string;
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
		const { requestId: id, route, status, durationMs } = end;
		const packed = packEnd(end, true);
		const kept = { id, route, status, durationMs, number, endedAt, packed };
		if (this.count === requestsMax) this.#dropOldest();
		this.#ring[this.#next] = kept;
		this.#next = (this.#next + 1) % requestsMax;
		this.count++;
		this.#change(bytesOf(kept));
		while (this.bytes > bytesMax) this.#dropOldest();
	}

	#dropOldest(): void {
		const at = this.#placeOf(this.count);
		const bytes = bytesOf(this.#ring[at] as Kept);
		this.#ring[at] = null;
		this.count--;
		this.#change(-bytes);
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

	*#newestFirst(): Generator<Kept, void, undefined> {
		for (let back = 1; back <= this.count; back++) {
			yield this.#ring[this.#placeOf(back)] as Kept;
		}
	}

	/** The newest with this id; null if there is none. */
	newest(id: string): EndedRequest | null {
		for (const kept of this.#newestFirst()) {
			if (kept.id === id) return unpacked(kept);
		}
		return null;
	}

	/** Those that ended after this one, the oldest first. */
	after(number: number): readonly EndedRequest[] {
		const found: EndedRequest[] = [];
		for (const kept of this.#newestFirst()) {
			if (kept.number <= number) break;
			found.push(unpacked(kept));
		}
		return found.reverse();
	}

	/** A page, and whether there are older ones. */
	find({ before, limit, ...filter }: RequestQuery): {
		readonly found: readonly EndedRequest[];
		readonly more: boolean;
	} {
		const found: EndedRequest[] = [];
		for (const kept of this.#newestFirst()) {
			if (before !== null && kept.number >= before) continue;
			const request = unpacked(kept);
			if (!matches(filter, request.end)) continue;
			if (found.length === limit) return { found, more: true };
			found.push(request);
		}
		return { found, more: false };
	}
}

function bytesOf({ id, packed }: Kept): number {
	return headBytes + 2 * id.length + packed.length;
}

function unpacked({ number, endedAt, packed, ...head }: Kept): EndedRequest {
	const end = unpackEnd(head, JSON.parse(packed) as PackedEnd);
	return { number, endedAt, end };
}
