import type { BodySource } from "./request-body.ts";

/** How much of a body may wait before the client is kept from sending more. node:http takes as much. */
const waitingBytesMax = 64 * 1024;

/** A client that sends single bytes would fill the memory with the objects that hold them. */
const waitingPiecesMax = 256;

/** The connection on which a body comes. */
interface Sending {
	pause(): void;
	resume(): void;
}

/**
 * A body of a known length, as far as it has come. It is read as a stream is: nothing is told before the next tick. By then
 * whoever reads the connection has looked at what came behind it.
 */
export class PlainBody implements BodySource {
	readableEnded = false;
	readableFlowing: boolean | null = null;
	readonly rawHeaders: string[];
	readonly rawTrailers: string[] = [];
	readonly #from: Sending;
	/** How many bytes are still to come. */
	#left: number;
	#waiting: Uint8Array[] = [];
	#waitingBytes = 0;
	/** Whether the client is kept from sending. */
	#full = false;
	readonly #takes = new Set<(chunk: Uint8Array) => void>();
	readonly #ends = new Set<() => void>();

	constructor(length: number, rawHeaders: string[], from: Sending) {
		this.#left = length;
		this.rawHeaders = rawHeaders;
		this.#from = from;
	}

	get complete(): boolean {
		return this.#left === 0;
	}

	/** Takes its part of what has come, from an index on. Gives the index behind it. */
	let(bytes: Uint8Array, from: number): number {
		const end = Math.min(bytes.length, from + this.#left);
		if (end === from) return end;
		this.#left -= end - from;
		this.#waiting.push(bytes.subarray(from, end));
		this.#waitingBytes += end - from;
		if (this.readableFlowing === true) this.resume();
		const much =
			this.#waitingBytes >= waitingBytesMax ||
			this.#waiting.length >= waitingPiecesMax;
		if (much && !this.complete && !this.#full) {
			this.#full = true;
			this.#from.pause();
		}
		return end;
	}

	on(event: "data", take: (chunk: Uint8Array) => void): this;
	on(event: "end", end: () => void): this;
	on(event: string, listener: (chunk: Uint8Array) => void): this {
		if (event === "end") this.#ends.add(listener as unknown as () => void);
		else {
			this.#takes.add(listener);
			if (this.readableFlowing !== false) this.resume();
		}
		return this;
	}

	off(event: "data", take: (chunk: Uint8Array) => void): this;
	off(event: "end", end: () => void): this;
	off(event: string, listener: (chunk: Uint8Array) => void): this {
		if (event === "end") this.#ends.delete(listener as unknown as () => void);
		else this.#takes.delete(listener);
		return this;
	}

	pause(): this {
		this.readableFlowing = false;
		return this;
	}

	resume(): this {
		this.readableFlowing = true;
		process.nextTick(() => this.#flow());
		return this;
	}

	/** Whoever takes a piece may have to wait before it can take the next, or the end. */
	#flow(): void {
		while (this.readableFlowing === true) {
			const piece = this.#waiting.shift();
			if (piece === undefined) break;
			this.#waitingBytes -= piece.length;
			for (const take of this.#takes) take(piece);
		}
		if (this.readableFlowing !== true || this.readableEnded) return;
		if (this.complete) {
			this.readableEnded = true;
			for (const end of this.#ends) end();
		}
		if (!this.#full) return;
		this.#full = false;
		this.#from.resume();
	}
}
