/** A body that comes piece by piece: read once, at the pace of its reader, who gives it up by leaving the loop. */
export interface ByteStream extends AsyncIterable<Uint8Array> {
	/** How many bytes come in all, or reading fails; null where only the end will tell. */
	readonly length: number | null;
	/** All of it, instead of reading it, where all has come already and none of it was read; else null. */
	whole?(): Uint8Array | null;
}

/** What is whole already, as a stream; null where there is nothing. */
export function streamOf(bytes: Uint8Array): ByteStream | null {
	if (bytes.length === 0) return null;
	return {
		length: bytes.length,
		async *[Symbol.asyncIterator]() {
			yield bytes;
		},
	};
}

/** A body without a piece; `length` is what another answer to the same question would have announced. */
export function emptyStream(length: number | null): ByteStream {
	return {
		length,
		async *[Symbol.asyncIterator]() {},
	};
}

/** Gives up a body of which nothing is read, so that its maker makes no more of it. */
export function leave(body: ByteStream): void {
	body[Symbol.asyncIterator]()
		.return?.()
		// What it fails with concerns nobody any more.
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
