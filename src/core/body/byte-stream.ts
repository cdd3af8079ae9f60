/**
 * A body that comes piece by piece. It is read once, at the pace of its reader. The reader gives it up by leaving the
 * loop. The content of a piece never changes, so the same piece may be given to many readers, and is encoded once for them.
 */
export interface ByteStream extends AsyncIterable<Uint8Array> {
	/** How many bytes come in all, or reading fails. Null if only the end will show it. */
	readonly length: number | null;
	/** Present if all of it is here, so that its reader waits for nobody. */
	readonly arrived?: true;
	/** Present if its sender waits to hear that it is wanted. The first reading says so. */
	readonly held?: true;
	/** The whole body, to be taken instead of reading it, if all of it has come and none was read. Else null. */
	whole?(): Uint8Array | null;
	/**
	 * Hands its pieces over by itself, instead of being read. Present if it may go on for hours, to many: a promise for each piece
	 * costs each of them as much as to write it. The first pieces may be handed over before it returns.
	 */
	flowTo?(taker: PieceTaker): PieceFlow;
}

/** Who takes the pieces of a body as they come. */
export interface PieceTaker {
	/** False if the taker has no room for another piece. Then the flow waits until it may go on. */
	take(piece: Uint8Array): boolean;
	/** Called once: nothing follows. */
	ended(): void;
}

/** A body that is handed over. */
export interface PieceFlow {
	/** Its taker has room again. */
	goOn(): void;
	/** Its taker wants no more of it. May be called after its end. */
	leave(): void;
}

/** A whole body as a stream; null if there is none. */
export function streamOf(bytes: Uint8Array): ByteStream | null {
	if (bytes.length === 0) return null;
	return {
		length: bytes.length,
		arrived: true,
		async *[Symbol.asyncIterator]() {
			yield bytes;
		},
	};
}

/** A body that came whole, in these pieces, to be taken once. `length` is the length that was announced. */
export function arrivedStream(
	pieces: readonly Uint8Array[],
	length: number | null,
): ByteStream {
	return new ArrivedStream(pieces, length);
}

class ArrivedStream implements ByteStream {
	readonly length: number | null;
	readonly arrived = true;
	/** Null when it was taken. */
	#pieces: readonly Uint8Array[] | null;

	constructor(pieces: readonly Uint8Array[], length: number | null) {
		this.length = length;
		this.#pieces = pieces;
	}

	whole(): Uint8Array | null {
		const pieces = this.#pieces;
		if (pieces === null) return null;
		this.#pieces = null;
		const [only] = pieces;
		return only && pieces.length === 1 ? only : Buffer.concat(pieces);
	}

	async *[Symbol.asyncIterator]() {
		const bytes = this.whole();
		if (bytes !== null && bytes.length > 0) yield bytes;
	}
}

/** A body without a piece. `length` is the length that the answer to a GET would have announced. */
export function emptyStream(length: number | null): ByteStream {
	return {
		length,
		async *[Symbol.asyncIterator]() {},
	};
}

/** Gives up an unread body, so that its maker makes no more of it. */
export function leave(body: ByteStream): void {
	body[Symbol.asyncIterator]()
		.return?.()
		// Its error concerns nobody any more.
		.catch(() => {});
}

/** Whether a body comes piece by piece. */
export function isStream(
	body: string | Uint8Array | ByteStream | null,
): body is ByteStream {
	return (
		typeof body === "object" && body !== null && Symbol.asyncIterator in body
	);
}
