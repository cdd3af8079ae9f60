/** Puts a body together from its chunks, under a bound. */
export interface Collector {
	/** Bytes kept so far. */
	readonly length: number;
	/** How much more memory it will hold if it keeps so many bytes more. */
	growth(bytes: number): number;
	/**
	 * Keeps a chunk, whose memory must not change from then on. If it exceeds the bound, keeps nothing and returns false.
	 */
	add(chunk: Uint8Array): boolean;
	/** As `add`, but keeps a copy, for memory that is only lent. */
	copy(memory: Buffer, from: number, to: number): boolean;
	/** The kept bytes, in one piece. */
	bytes(): Uint8Array;
}

/** `announced` is the length that the sender promised, or 0. It saves copies and is not trusted otherwise. */
export function createCollector(bytesMax: number, announced = 0): Collector {
	return new GrowingCollector(bytesMax, announced);
}

const nothing = new Uint8Array(0);

/**
 * Usually a body is one chunk, which is kept as it is. Several chunks are copied into memory that doubles. With a list
 * of chunks a sender of single bytes would cost a hundred times the memory that it sent.
 */
class GrowingCollector implements Collector {
	length = 0;
	readonly #bytesMax: number;
	readonly #announced: number;
	#memory: Uint8Array = nothing;
	#owned = false;

	constructor(bytesMax: number, announced: number) {
		this.#bytesMax = bytesMax;
		this.#announced = announced;
	}

	add(chunk: Uint8Array): boolean {
		const needed = this.length + chunk.length;
		if (needed > this.#bytesMax) return false;
		if (this.length === 0) {
			this.#memory = chunk;
			this.#owned = false;
		} else {
			this.#makeRoom(needed);
			this.#memory.set(chunk, this.length);
		}
		this.length = needed;
		return true;
	}

	copy(memory: Buffer, from: number, to: number): boolean {
		const needed = this.length + to - from;
		if (needed > this.#bytesMax) return false;
		if (this.length === 0 && needed >= this.#announced) {
			this.#memory = Buffer.allocUnsafe(needed);
		} else {
			this.#makeRoom(needed);
		}
		memory.copy(this.#memory, this.length, from, to);
		this.length = needed;
		return true;
	}

	growth(bytes: number): number {
		const needed = this.length + bytes;
		if (needed > this.#bytesMax) return 0;
		const { length } = this.#memory;
		if (this.length === 0 && needed >= this.#announced) return needed;
		return this.#fits(needed) ? 0 : this.#roomFor(needed) - length;
	}

	#fits(needed: number): boolean {
		return this.#owned && needed <= this.#memory.length;
	}

	#roomFor(needed: number): number {
		return Math.min(Math.max(2 * needed, this.#announced), this.#bytesMax);
	}

	#makeRoom(needed: number): void {
		if (this.#fits(needed)) return;
		const memory = Buffer.allocUnsafeSlow(this.#roomFor(needed));
		memory.set(this.bytes());
		this.#memory = memory;
		this.#owned = true;
	}

	bytes(): Uint8Array {
		return this.#memory.subarray(0, this.length);
	}
}
