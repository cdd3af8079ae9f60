import { Writable } from "node:stream";

/**
 * TLS encrypts at once what it is handed, and holds it until the client has read it: of 50 MB a second copy. So a longer
 * answer is handed over in pieces of so many bytes.
 */
export const tlsPieceBytes = 64 * 1024;

/** Hands an answer over piece by piece, each when the one before has left. */
export class Pieces extends Writable {
	/** How many bytes have left. */
	bytesLeft = 0;
	readonly #to: Writable;
	readonly #pieceBytes: number;
	readonly #end: () => void;

	/** `end` is called when all has left. */
	constructor(to: Writable, pieceBytes: number, end: () => void) {
		super({ autoDestroy: false });
		this.#to = to;
		this.#pieceBytes = pieceBytes;
		this.#end = end;
		// Whatever it is, the end of the connection or of its stream tells it.
		this.on("error", () => {});
	}

	override _write(
		chunk: Buffer,
		_coding: BufferEncoding,
		done: (error?: Error | null) => void,
	): void {
		let at = 0;
		const next = (error?: Error | null) => {
			if (error) return done(error);
			if (at >= chunk.length) return done();
			const piece = chunk.subarray(at, at + this.#pieceBytes);
			at += piece.length;
			this.#to.write(piece, (failed) => {
				if (!failed) this.bytesLeft += piece.length;
				next(failed);
			});
		};
		next();
	}

	override _final(done: (error?: Error | null) => void): void {
		this.#end();
		done();
	}
}
