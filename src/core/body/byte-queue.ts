import type { RequestMemory } from "../memory.ts";
import type { ByteStream } from "./byte-stream.ts";

/** The calls that the maker of a queue's bytes receives. */
export interface ByteMaker {
	/** The announced length; null if there is none. */
	readonly length: number | null;
	/** Counts the bytes that wait. Absent: nobody does. */
	readonly memory?: RequestMemory;
	/** The queue is full, so the maker should pause. Bytes that are on their way are still taken. */
	onFull(): void;
	/** The reader has taken everything, after the queue had been full. */
	onWanted(): void;
	/** The reader has left before the end. Not called after `end` or `fail`. */
	onLeft(): void;
}

/** How many bytes may wait for a slow reader: as many as between two sockets of Node. */
const waitingBytesMax = 64 * 1024;

/** A sender of single bytes would fill the memory with the objects that hold them. */
const waitingChunksMax = 256;

const noBytes = new Uint8Array(0);

const done = { done: true as const, value: undefined };

/** A queue between a maker of bytes, which works at its own speed, and one reader that asks for them. */
export class ByteQueue implements ByteStream, AsyncIterator<Uint8Array> {
	readonly length: number | null;
	readonly #maker: ByteMaker;
	#chunks: Uint8Array[] = [];
	#bytes = 0;
	#full = false;
	#ended = false;
	#begun = false;
	#failure: { readonly reason: unknown } | null = null;
	#wake: (() => void) | null = null;

	constructor(maker: ByteMaker) {
		this.length = maker.length;
		this.#maker = maker;
	}

	/** Takes a chunk, whose memory must not change from then on. */
	push(chunk: Uint8Array): void {
		if (this.#over || chunk.length === 0) return;
		this.#chunks.push(chunk);
		this.#bytes += chunk.length;
		this.#maker.memory?.hold(chunk.length);
		this.#wake?.();
		const much =
			this.#bytes >= waitingBytesMax || this.#chunks.length >= waitingChunksMax;
		if (this.#full || !much) return;
		this.#full = true;
		this.#maker.onFull();
	}

	/** The maker is done. The bytes that wait can still be read. */
	end(): void {
		this.#ended = true;
		this.#wake?.();
	}

	/** The maker has failed. The bytes that wait are dropped. */
	fail(reason: unknown): void {
		if (this.#over) return;
		this.#failure = { reason };
		this.#drop();
		this.#wake?.();
	}

	/** Whether the reader has taken all that was pushed. */
	get empty(): boolean {
		return this.#chunks.length === 0;
	}

	get #over(): boolean {
		return this.#ended || this.#failure !== null;
	}

	whole(): Uint8Array | null {
		if (!this.#ended || this.#begun) return null;
		this.#begun = true;
		return this.#chunks.length === 0 ? noBytes : this.#take();
	}

	[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
		this.#begun = true;
		return this;
	}

	async next(): Promise<IteratorResult<Uint8Array, undefined>> {
		while (this.#chunks.length === 0) {
			if (this.#failure !== null) throw this.#failure.reason;
			if (this.#ended) return done;
			await new Promise<void>((resolve) => {
				this.#wake = resolve;
			});
			this.#wake = null;
		}
		return { done: false, value: this.#take() };
	}

	#take(): Uint8Array {
		const chunks = this.#chunks;
		this.#drop();
		if (this.#full) {
			this.#full = false;
			if (!this.#over) this.#maker.onWanted();
		}
		const [only] = chunks;
		return only && chunks.length === 1 ? only : Buffer.concat(chunks);
	}

	#drop(): void {
		this.#chunks = [];
		this.#maker.memory?.give(this.#bytes);
		this.#bytes = 0;
	}

	async return(): Promise<IteratorResult<Uint8Array, undefined>> {
		this.#drop();
		if (!this.#over) {
			this.#ended = true;
			this.#maker.onLeft();
			this.#wake?.();
		}
		return done;
	}
}
