import type { BodySource } from "./request-body.ts";

/** A body that came whole with its head. It is read as a stream is: nothing of it is told before the next tick. */
export class WholeBody implements BodySource {
	readonly complete = true;
	readableEnded = false;
	readableFlowing: boolean | null = null;
	readonly rawHeaders: string[];
	readonly rawTrailers: string[] = [];
	/** Null when it was told. */
	#bytes: Uint8Array | null;
	readonly #takes = new Set<(chunk: Uint8Array) => void>();
	readonly #ends = new Set<() => void>();

	constructor(bytes: Uint8Array, rawHeaders: string[]) {
		this.#bytes = bytes;
		this.rawHeaders = rawHeaders;
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

	#flow(): void {
		if (this.readableFlowing !== true || this.readableEnded) return;
		const bytes = this.#bytes;
		if (bytes !== null) {
			this.#bytes = null;
			for (const take of this.#takes) take(bytes);
			// Whoever takes it may have to wait before it can take the end.
			if (this.readableFlowing !== true) return;
		}
		this.readableEnded = true;
		for (const end of this.#ends) end();
	}
}
