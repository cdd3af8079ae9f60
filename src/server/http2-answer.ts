import type { OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { Writable } from "node:stream";
import {
	eachHeader,
	type HeaderList,
	isFieldValue,
	isToken,
} from "../core/http/headers.ts";
import type { AnswerWriter } from "./carrier.ts";
import { Pieces } from "./pieces.ts";

/**
 * A longer answer is handed to Node in pieces of one frame (RFC 9113, 4.2). So it can be seen how much of it the client has
 * taken, and answers on one connection take turns.
 */
export const pieceBytes = 16 * 1024;

/** An upstream could send many interim answers, and a client that reads none would make us hold them. */
const informedMax = 8;

/** An answer in HTTP/2. */
export class Http2Answer implements AnswerWriter {
	readonly framed = true;
	readonly #stream: ServerHttp2Stream;
	#pieces: Pieces | null = null;
	#informed = 0;

	constructor(stream: ServerHttp2Stream) {
		this.#stream = stream;
	}

	get begun(): boolean {
		return this.#stream.headersSent;
	}

	begin(status: number, fields: string[]): void {
		const sent: string[] = [":status", String(status)];
		for (let at = 0; at < fields.length; at += 2) {
			const name = fields[at] ?? "";
			const value = fields[at + 1] ?? "";
			if (!isToken(name) || !isFieldValue(value)) {
				throw new TypeError(`the header ${name} cannot be written`);
			}
			sent.push(name.toLowerCase(), value);
		}
		this.#stream.respond(sent as unknown as OutgoingHttpHeaders);
	}

	/** Node sends the head at once. */
	flush(): void {}

	write(piece: string | Uint8Array): Writable | null {
		if (this.#stream.writableEnded) return null;
		this.#pieces ??= this.#inPieces();
		return this.#pieces.write(piece) ? null : this.#pieces;
	}

	end(
		body: string | Uint8Array | null,
		onEnd: (error?: Error | null) => void,
	): void {
		const stream = this.#stream;
		// Node has ended an answer that has no body, and may have done so long ago.
		if (stream.writableFinished) {
			process.nextTick(onEnd);
			return;
		}
		// A client that leaves is told of by the stream's own end.
		stream.once("finish", () => onEnd());
		if (stream.writableEnded) return;
		if (this.#pieces === null && isShort(body)) stream.end(body);
		else {
			this.#pieces ??= this.#inPieces();
			this.#pieces.end(body);
		}
	}

	#inPieces(): Pieces {
		const stream = this.#stream;
		return new Pieces(stream, pieceBytes, () => void stream.end());
	}

	/** Whether bytes of it wait for the client. */
	get waits(): boolean {
		const { writableLength } = this.#pieces ?? this.#stream;
		return writableLength > 0;
	}

	/** How many bytes the client has let us send. */
	get bytesLeft(): number {
		return this.#pieces?.bytesLeft ?? 0;
	}

	proceed(): void {
		if (this.#canInform) this.#stream.additionalHeaders({ ":status": 100 });
	}

	inform(status: number, headers: HeaderList): void {
		if (!this.#canInform || this.#informed >= informedMax) return;
		this.#informed++;
		const fields: Record<string, string[]> = Object.create(null);
		eachHeader(headers, (name, value) => {
			const field = name.toLowerCase();
			fields[field] = [...(fields[field] ?? []), value];
		});
		try {
			this.#stream.additionalHeaders({ ...fields, ":status": status });
		} catch {
			// Versions of Node differ in what they refuse. It is only a hint, and whoever brought it may not expect an error.
		}
	}

	get #canInform(): boolean {
		const { destroyed, closed, headersSent } = this.#stream;
		return !destroyed && !closed && !headersSent;
	}
}

function isShort(body: string | Uint8Array | null): boolean {
	return body === null || body.length <= pieceBytes / 4;
}
