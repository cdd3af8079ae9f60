import type { Transform } from "node:stream";
// Not by name: an old Node, which has no zstd, must get as far as saying that it is too old.
import zlib from "node:zlib";
import type { AnswerCoding } from "../http/accept-encoding.ts";
import type { ByteStream } from "./byte-stream.ts";

const { constants } = zlib;

/** The binary logarithm of how far back a coder looks. Beyond it costs memory for each answer on its way, and saves little. */
const windowBits = 17;

/** The levels are those at which a gateway saves most for the time that they take (`bench/compress`). */
const gzipOptions = { level: 4 };
const brotliParams = {
	[constants.BROTLI_PARAM_QUALITY]: 4,
	[constants.BROTLI_PARAM_LGWIN]: windowBits,
};
const zstdParams = {
	[constants.ZSTD_c_compressionLevel]: 1,
	[constants.ZSTD_c_windowLog]: windowBits,
};

/** What a coder holds while it works: its window, its tables and what waits in it. Measured, and rounded up. */
export const coderBytes: Readonly<Record<AnswerCoding, number>> = {
	gzip: 320 * 1024,
	br: 1024 * 1024,
	zstd: 512 * 1024,
};

/** Codes a whole body at once. */
export function codedNow(
	coding: AnswerCoding,
	body: string | Uint8Array,
): Uint8Array {
	switch (coding) {
		case "gzip":
			return zlib.gzipSync(body, gzipOptions);
		case "br":
			return zlib.brotliCompressSync(body, { params: brotliParams });
		case "zstd":
			return zlib.zstdCompressSync(body, { params: zstdParams });
	}
}

/** Codes a whole body on a thread. */
export function codedAside(
	coding: AnswerCoding,
	body: string | Uint8Array,
): Promise<Uint8Array> {
	return new Promise((resolve, reject) => {
		const done = (error: Error | null, coded: Uint8Array) => {
			if (error === null) resolve(coded);
			else reject(error);
		};
		switch (coding) {
			case "gzip":
				zlib.gzip(body, gzipOptions, done);
				break;
			case "br":
				zlib.brotliCompress(body, { params: brotliParams }, done);
				break;
			case "zstd":
				zlib.zstdCompress(body, { params: zstdParams }, done);
		}
	});
}

/** Each piece is let out at once, because its reader may wait for it. */
function createCoder(coding: AnswerCoding): Transform {
	switch (coding) {
		case "gzip":
			return zlib.createGzip({ ...gzipOptions, flush: constants.Z_SYNC_FLUSH });
		case "br":
			return zlib.createBrotliCompress({
				params: brotliParams,
				flush: constants.BROTLI_OPERATION_FLUSH,
			});
		case "zstd":
			return zlib.createZstdCompress({
				params: zstdParams,
				flush: constants.ZSTD_e_flush,
			});
	}
}

/**
 * A body that is coded while it comes. Each piece can be decoded as soon as it is there. `onEnd` is called once, when it was read to its end, has
 * failed or was left.
 */
export class CodedStream
	implements ByteStream, AsyncIterator<Uint8Array, undefined>
{
	readonly length = null;
	readonly #body: ByteStream;
	readonly #coding: AnswerCoding;
	readonly #onEnd: () => void;
	#pieces: AsyncIterator<Uint8Array, undefined> | null = null;
	/** Null before it is first needed. */
	#coder: Transform | null = null;
	/** What the coder has let out, and was not read yet. */
	#out: Uint8Array[] = [];
	#failure: Error | null = null;
	#state: "open" | "ending" | "over" = "open";

	constructor(body: ByteStream, coding: AnswerCoding, onEnd: () => void) {
		this.#body = body;
		this.#coding = coding;
		this.#onEnd = onEnd;
	}

	[Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
		this.#pieces = this.#body[Symbol.asyncIterator]();
		return this;
	}

	async next(): Promise<IteratorResult<Uint8Array, undefined>> {
		try {
			while (this.#state === "open") {
				const piece = await this.#pieces?.next();
				if (this.#state !== "open") break;
				if (piece === undefined || piece.done) await this.#finish();
				else await this.#code(piece.value);
				if (this.#out.length > 0) return { done: false, value: this.#take() };
			}
		} catch (error) {
			this.#close();
			throw error;
		}
		this.#close();
		return { done: true, value: undefined };
	}

	#take(): Uint8Array {
		const out = this.#out;
		this.#out = [];
		return out.length === 1 ? (out[0] as Uint8Array) : Buffer.concat(out);
	}

	#code(piece: Uint8Array): Promise<void> {
		return this.#work((coder, done) => coder.write(piece, done));
	}

	#finish(): Promise<void> {
		this.#state = "ending";
		return this.#work((coder, done) => {
			coder.once("end", done);
			coder.end();
		});
	}

	#work(
		work: (coder: Transform, done: (error?: Error | null) => void) => void,
	): Promise<void> {
		this.#coder ??= this.#open();
		const coder = this.#coder;
		return new Promise((resolve, reject) => {
			// A coder that is destroyed calls nobody back in some cases.
			coder.once("close", resolve);
			work(coder, (error) => {
				coder.off("close", resolve);
				const failure = error ?? this.#failure;
				if (failure === null) resolve();
				else reject(failure);
			});
		});
	}

	#open(): Transform {
		return createCoder(this.#coding)
			.on("data", (bytes: Uint8Array) => this.#out.push(bytes))
			.on("error", (error) => {
				this.#failure = error;
			});
	}

	#close(): void {
		if (this.#state === "over") return;
		this.#state = "over";
		this.#out = [];
		this.#coder?.destroy();
		this.#onEnd();
	}

	async return(): Promise<IteratorResult<Uint8Array, undefined>> {
		this.#close();
		await this.#pieces?.return?.();
		return { done: true, value: undefined };
	}
}
