import type { ByteStream } from "../../../core/body/byte-stream.ts";

/** A request's body as undici takes it: it waits for a piece even where nobody wants it any more, unless told. */
export class Upload implements ByteStream, AsyncIterator<Uint8Array> {
	readonly length: number | null;
	readonly #pieces: AsyncIterator<Uint8Array>;
	#stopped = false;
	#wake: () => void = () => {};

	constructor(body: ByteStream) {
		this.length = body.length;
		this.#pieces = body[Symbol.asyncIterator]();
	}

	[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
		return this;
	}

	next(): Promise<IteratorResult<Uint8Array>> {
		if (this.#stopped) return Promise.reject(answered);
		return new Promise((resolve, reject) => {
			this.#wake = () => reject(answered);
			this.#pieces.next().then(resolve, reject);
		});
	}

	async return(): Promise<IteratorResult<Uint8Array>> {
		this.stop();
		return { done: true, value: undefined };
	}

	/** The exchange is over, whether or not all of it was sent. */
	stop(): void {
		if (this.#stopped) return;
		this.#stopped = true;
		this.#wake();
		// Its error concerns nobody here any more.
		this.#pieces.return?.().catch(() => {});
	}
}

/** Ends undici's own loop; reaches nobody. */
const answered = new Error("the exchange is over");
