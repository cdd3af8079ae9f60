import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Writable } from "node:stream";
import type { HeaderList } from "../core/http/headers.ts";
import type { SharedFrame } from "../core/http/shared-frame.ts";
import type { AnswerWriter } from "./carrier.ts";
import { sendInterim } from "./interim.ts";
import { Pieces, tlsPieceBytes } from "./pieces.ts";
import { rawSocketOf } from "./raw-socket.ts";

/** Bytes up to here are copied into a text, which costs less than a second buffer in a write. */
const textBytesMax = 16 * 1024;

/** An answer in HTTP/1.1, or in 1.0, to a request that node:http has read. */
export class NodeHttp1Answer implements AnswerWriter {
	readonly #response: ServerResponse;
	readonly #socket: Socket;
	readonly #sharedChunk: SharedFrame;
	readonly #isHttp11: boolean;
	/** Null if the answer is handed over as it is. */
	#pieces: Pieces | null = null;
	#onEnd: (error?: Error | null) => void = nothing;

	/** `sharedChunk` is the last piece of a stream that went to several clients, as a chunk. */
	constructor(
		message: IncomingMessage,
		response: ServerResponse,
		sharedChunk: SharedFrame,
	) {
		this.#response = response;
		this.#socket = message.socket;
		this.#sharedChunk = sharedChunk;
		this.#isHttp11 = message.httpVersionMinor === 1;
	}

	get begun(): boolean {
		return this.#response.headersSent;
	}

	get framed(): boolean {
		return this.#response.chunkedEncoding;
	}

	begin(status: number, fields: string[]): void {
		this.#response.writeHead(status, fields);
	}

	flush(): void {
		this.#response.flushHeaders();
	}

	write(piece: string | Uint8Array): Writable | null {
		const pieces = this.#piecesFor(piece);
		if (pieces !== null) return pieces.write(piece) ? null : pieces;
		const response = this.#response;
		const socket = this.#socket;
		// An empty chunk would be the end.
		const frame =
			response.chunkedEncoding && typeof piece !== "string" && piece.length > 0
				? this.#sharedChunk.of(piece)
				: null;
		// Node itself would write four pieces, in the next tick. Until then, or as long as the connection is another answer's, it
		// holds what was written.
		const isHeld = response.writableCorked > 0 || response.socket !== socket;
		if (frame === null || isHeld || !socket.writable) {
			return response.write(piece) ? null : response;
		}
		return socket.write(frame) ? null : socket;
	}

	end(
		body: string | Uint8Array | null,
		onEnd: (error?: Error | null) => void,
	): void {
		const pieces = this.#piecesFor(body);
		if (pieces !== null) {
			this.#onEnd = onEnd;
			pieces.end(body);
			return;
		}
		if (body instanceof Uint8Array && body.length <= textBytesMax) {
			// The bytes are the same, but Node writes head and body with one plain write if both are texts.
			const text = bufferOf(body).toString("latin1");
			this.#response.end(text, "latin1", onEnd);
		} else this.#response.end(body, onEnd);
	}

	/** Null if it may be handed over whole. What follows pieces goes the same way. */
	#piecesFor(body: string | Uint8Array | null): Pieces | null {
		const isLong = body !== null && body.length > tlsPieceBytes;
		if (isLong && rawSocketOf(this.#socket) !== null) {
			const end = () => void this.#response.end(this.#onEnd);
			this.#pieces ??= new Pieces(this.#response, tlsPieceBytes, end);
		}
		return this.#pieces;
	}

	proceed(): void {
		this.#response.writeContinue();
	}

	inform(status: number, headers: HeaderList): void {
		// HTTP/1.0 has none: it would take the first of them for the answer.
		if (!this.#isHttp11) return;
		// An upstream could send many, and a client that reads none would make us hold them.
		if (this.#socket.writableLength > 0) return;
		sendInterim(this.#response, status, headers);
	}
}

/** A piece of a body as a chunk (RFC 9112, 7.1). */
export function chunkOf(bytes: Uint8Array): Uint8Array {
	const head = Buffer.from(`${bytes.length.toString(16)}\r\n`);
	return Buffer.concat([head, bytes, Buffer.from("\r\n")]);
}

function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
	return Buffer.from(buffer, byteOffset, length);
}

function nothing(): void {}
