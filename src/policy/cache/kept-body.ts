import type { ByteStream } from "../../core/body/byte-stream.ts";
import { type Collector, createCollector } from "../../core/body/collector.ts";
import type { Memory, RequestMemory } from "../../core/memory.ts";

/** What bounds a body that is kept while it is read. */
export interface KeptBodyBounds {
	readonly bytesMax: number;
	/** Counts the copy that is made. A body for which nothing is left counts as too long. */
	readonly memory: Memory;
	/** Counts what its client has not taken yet. */
	readonly request: RequestMemory | null;
}

/** The calls that a kept body makes. */
export interface BodyKeeper {
	/** All of it has come, within the bound. */
	keep(bytes: Uint8Array): void;
	/** Called once, last: it was kept, is too long (`long`), or ends early. */
	onOver(long: boolean): void;
}

const done = { done: true as const, value: undefined };

/**
 * A body that is kept while its client reads it, unless it is longer than `bytesMax`. It is read as fast as the client
 * reads, until `hurry`: from then on as fast as it comes, so that others need not wait for a slow client. Its client may
 * then leave, and it is read on.
 */
export class KeptBody implements ByteStream, AsyncIterator<Uint8Array> {
	readonly length: number | null;
	readonly #body: ByteStream;
	readonly #keeper: BodyKeeper;
	#pieces: AsyncIterator<Uint8Array> | null = null;
	/** Null if it is not kept. */
	#collector: Collector | null;
	readonly #memory: Memory;
	readonly #request: RequestMemory | null;
	/** What was taken of the memory for the collector. */
	#taken = 0;
	/** Pieces that were read and not yet given to the client. */
	#ahead: Uint8Array[] = [];
	#reading: Promise<void> | null = null;
	#hurries = false;
	/** Whether its client reads it. */
	#begun = false;
	#left = false;
	#ended = false;
	#failure: { readonly reason: unknown } | null = null;

	constructor(
		body: ByteStream,
		{ bytesMax, memory, request }: KeptBodyBounds,
		keeper: BodyKeeper,
	) {
		this.#memory = memory;
		this.#request = request;
		this.length = body.length;
		this.#body = body;
		this.#keeper = keeper;
		this.#collector = createCollector(bytesMax);
	}

	whole(): Uint8Array | null {
		if (this.#ended && !this.#begun && !this.#left) return this.#rest();
		if (this.#pieces !== null) return null;
		const bytes = this.#body.whole?.() ?? null;
		if (bytes === null) return null;
		this.#ended = true;
		this.#begun = true;
		if (this.#collector?.add(bytes)) this.#keeper.keep(bytes);
		this.#over(this.#collector?.length !== bytes.length);
		return bytes;
	}

	#rest(): Uint8Array {
		this.#begun = true;
		const pieces = this.#ahead;
		this.#dropAhead();
		const [only] = pieces;
		return only && pieces.length === 1 ? only : Buffer.concat(pieces);
	}

	#dropAhead(): void {
		for (const { length } of this.#ahead) this.#request?.give(length);
		this.#ahead = [];
	}

	[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
		this.#begun = true;
		this.#pieces ??= this.#body[Symbol.asyncIterator]();
		return this;
	}

	async next(): Promise<IteratorResult<Uint8Array, undefined>> {
		for (;;) {
			const piece = this.#ahead.shift();
			if (piece !== undefined) {
				this.#request?.give(piece.length);
				return { done: false, value: piece };
			}
			if (this.#failure !== null) throw this.#failure.reason;
			if (this.#ended) return done;
			await this.#read();
		}
	}

	/** Its client is gone. */
	async return(): Promise<IteratorResult<Uint8Array, undefined>> {
		this.#left = true;
		this.#dropAhead();
		if (!this.#hurries || this.#collector === null) await this.#stop();
		return done;
	}

	/** Reads all of it that may be kept, whether or not its client reads. Never rejects. */
	async hurry(): Promise<void> {
		if (this.#hurries) return;
		this.#hurries = true;
		while (!this.#ended && this.#failure === null && this.#collector !== null) {
			await this.#read();
		}
		if (this.#left) await this.#stop();
	}

	/** One reading at a time, for the client and for `hurry`. Never rejects. */
	#read(): Promise<void> {
		this.#reading ??= this.#readOne().finally(() => {
			this.#reading = null;
		});
		return this.#reading;
	}

	async #readOne(): Promise<void> {
		this.#pieces ??= this.#body[Symbol.asyncIterator]();
		try {
			const { done, value } = await this.#pieces.next();
			if (done) this.#end();
			else this.#take(value);
		} catch (reason) {
			this.#failure = { reason };
			this.#over(false);
		}
	}

	#end(): void {
		this.#ended = true;
		if (this.#collector !== null) this.#keeper.keep(this.#collector.bytes());
		this.#over(false);
	}

	#take(piece: Uint8Array): void {
		if (!this.#left) {
			this.#ahead.push(piece);
			this.#request?.hold(piece.length);
		}
		if (this.#collector !== null && !this.#collect(piece, this.#collector)) {
			this.#over(true);
		}
	}

	#collect(piece: Uint8Array, collector: Collector): boolean {
		const growth = collector.growth(piece.length);
		if (!this.#memory.takeNew(growth)) return false;
		this.#taken += growth;
		return collector.add(piece);
	}

	async #stop(): Promise<void> {
		this.#over(false);
		this.#ended = true;
		await this.#pieces?.return?.();
	}

	#over(long: boolean): void {
		if (this.#collector === null) return;
		this.#collector = null;
		this.#memory.give(this.#taken);
		this.#taken = 0;
		this.#keeper.onOver(long);
	}
}
