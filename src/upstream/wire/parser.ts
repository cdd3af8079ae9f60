import { hasFramedBody, isInterim } from "../../core/http/status.ts";
import {
	beginsHead,
	faultOfTrailer,
	fieldsMax,
	type Head,
	headBytesMax,
	mayBecomeHead,
} from "./head.ts";
import type { HeadReader } from "./head-reader.ts";
import { isTlsAlert, speaksTls } from "./tls-faults.ts";

/** Receives the parts of an answer. A returned text says why it is no proper answer. */
export interface Sink {
	/** `hasBody` is true if it may have a body, whatever its headers announce (RFC 9110, 6.4.1). */
	onHead(head: Head, hasBody: boolean): string | null;
	/** An interim answer, which has no body and is not 101. Absent: nobody wants them. */
	onInterim?(head: Head): void;
	/** A part of the memory that is being read. */
	onData(memory: Buffer, from: number, to: number): string | null;
}

/** More interim answers than this are an attack on the caller that waits for the final one. */
const interimMax = 32;

/** The longest line before a chunk, and the most that such lines may hold in all besides sizes. */
const chunkLineMax = 1024;
const extensionsMax = 16 * 1024;

/** The part that is read next. */
const atHead = 0;
const inLength = 1;
const untilClose = 2;
const atChunkSize = 3;
const inChunk = 4;
const atChunkReturn = 5;
const atChunkNewline = 6;
const atTrailer = 7;
const over = 8;

/**
 * Reads the answers to requests on one connection, byte for byte as they come: interim ones, then one final. Does no
 * I/O and keeps no memory it was lent. It stops at the last byte of an answer, or at the first byte that cannot belong
 * to one.
 */
export class ResponseParser {
	/** Why the bytes are no answer; null while they may be one. */
	fault: string | null = null;
	/** Whether an answer has begun. */
	begun = false;
	/** Whether the whole final answer came. */
	whole = false;
	/** The head of the final answer, once it is there. */
	head: Head | null = null;
	readonly #heads: HeadReader;
	readonly #bytesMax: number;
	#sink: Sink = nobody;
	#toHead = false;
	#state = over;
	/** Bytes of the body, or of its chunk, still to come. */
	#left = 0;
	/** The beginning of a head or line whose end has not come. */
	#part = "";
	#interim = 0;
	/** Bytes of chunk extensions, and then of header fields and trailers. */
	#extra = 0;
	/** Bytes of the final head, and then its fields and trailers. */
	#headBytes = 0;
	#fields = 0;

	constructor(heads: HeadReader, bytesMax = headBytesMax) {
		this.#heads = heads;
		this.#bytesMax = bytesMax;
	}

	/** Prepares for the answer to one request. `toHead` is true for a HEAD request. */
	begin(sink: Sink, toHead: boolean): void {
		this.#sink = sink;
		this.#toHead = toHead;
		this.#state = atHead;
		this.#part = "";
		this.#interim = 0;
		this.#extra = 0;
		this.fault = null;
		this.begun = false;
		this.whole = false;
		this.head = null;
	}

	/**
	 * Whether the connection can carry another request after this answer. An answer to HEAD may have a body all the same.
	 * So may an answer that announces a body although it must have none.
	 */
	get reusable(): boolean {
		const head = this.head;
		if (!this.whole || head === null || !head.persistent || this.#toHead) {
			return false;
		}
		return hasFramedBody(head.status)
			? head.chunked || head.length !== null
			: !head.chunked && !head.length;
	}

	/**
	 * Reads on, from `from` up to `end`, and returns where it stopped. It stops before `end` only if the answer is over.
	 */
	read(memory: Buffer, from: number, end: number): number {
		let at = from;
		while (at < end && this.#state !== over) at = this.#step(memory, at, end);
		return at;
	}

	/** The other side has ended. */
	finish(): void {
		if (this.#state === untilClose) this.#complete();
		else if (this.#state !== over) this.#refuse("it ended too early", 0);
	}

	#step(memory: Buffer, at: number, end: number): number {
		switch (this.#state) {
			case atHead:
				return this.#readHead(memory, at, end);
			case inLength:
			case inChunk:
				return this.#readCounted(memory, at, end);
			case untilClose:
				return this.#give(memory, at, end);
			case atChunkSize:
				return this.#readChunkSize(memory, at, end);
			case atChunkReturn:
				return this.#expect(memory, at, 0x0d, atChunkNewline);
			case atChunkNewline:
				return this.#expect(memory, at, 0x0a, atChunkSize);
			default:
				return this.#readTrailer(memory, at, end);
		}
	}

	#readHead(memory: Buffer, at: number, end: number): number {
		if (this.#part !== "") return this.#readRestOfHead(memory, at, end);
		// The bytes behind the end belong to another read. To find something there does no harm.
		const blank = memory.indexOf("\r\n\r\n", at, "latin1");
		if (blank < 0 || blank + 4 > end) {
			return this.#readRestOfHead(memory, at, end);
		}
		return this.#takeHead(memory.toString("latin1", at, blank + 2), blank + 4);
	}

	#readRestOfHead(memory: Buffer, at: number, end: number): number {
		const before = this.#part.length;
		const text = this.#part + memory.toString("latin1", at, end);
		const blank = text.indexOf("\r\n\r\n", Math.max(0, before - 3));
		if (blank >= 0) {
			this.#part = "";
			return this.#takeHead(text.slice(0, blank + 2), at + blank + 4 - before);
		}
		this.begun ||= beginsHead(text);
		if (!mayBecomeHead(text, before)) {
			const why = isTlsAlert(text) ? speaksTls : "not HTTP/1.1";
			return this.#refuse(why, at);
		}
		if (text.length > this.#bytesMax) {
			return this.#refuse(
				`a head over ${this.#bytesMax} bytes (\`maxHeaderBytes\`)`,
				at,
			);
		}
		this.#part = text;
		return end;
	}

	/** `next` is the index behind the head. */
	#takeHead(text: string, next: number): number {
		if (text.length + 2 > this.#bytesMax) {
			return this.#refuse(
				`a head over ${this.#bytesMax} bytes (\`maxHeaderBytes\`)`,
				next,
			);
		}
		this.begun ||= beginsHead(text);
		this.#headBytes = text.length + 2;
		const head = this.#heads.read(text);
		if (typeof head === "string") return this.#refuse(head, next);
		return isInterim(head.status)
			? this.#passInterim(head, next)
			: this.#takeFinal(head, next);
	}

	#passInterim(head: Head, next: number): number {
		if (head.status === 101) {
			return this.#refuse("protocols switch unasked", next);
		}
		if (head.closes) return this.#refuse("an interim answer is the last", next);
		// It never has a body (RFC 9110, 15.2). Whoever believed these fields would look for the next answer elsewhere.
		if (head.chunked || head.length !== null) {
			return this.#refuse("an interim answer announces a body", next);
		}
		this.#interim++;
		if (this.#interim > interimMax) {
			return this.#refuse("never a final status", next);
		}
		this.#sink.onInterim?.(head);
		return next;
	}

	#takeFinal(head: Head, next: number): number {
		this.head = head;
		const mayHaveBody = !this.#toHead && hasFramedBody(head.status);
		const refusal = this.#sink.onHead(head, mayHaveBody);
		if (refusal !== null) return this.#refuse(refusal, next);
		if (!mayHaveBody || head.length === 0) this.#complete();
		else if (head.chunked) this.#state = atChunkSize;
		else if (head.length === null) this.#state = untilClose;
		else {
			this.#left = head.length;
			this.#state = inLength;
		}
		return next;
	}

	#readCounted(memory: Buffer, at: number, end: number): number {
		const to = Math.min(end, at + this.#left);
		this.#left -= to - at;
		if (this.#left > 0) return this.#give(memory, at, to);
		const inside = this.#state === inChunk;
		this.#give(memory, at, to);
		if (this.fault !== null) return to;
		if (inside) this.#state = atChunkReturn;
		else this.#complete();
		return to;
	}

	#give(memory: Buffer, at: number, to: number): number {
		const refusal = this.#sink.onData(memory, at, to);
		return refusal === null ? to : this.#refuse(refusal, to);
	}

	#readChunkSize(memory: Buffer, at: number, end: number): number {
		const next = this.#readLine(memory, at, end);
		const line = this.#part;
		if (line.length > chunkLineMax) {
			return this.#refuse("the line of a chunk is too long", next);
		}
		if (!line.endsWith("\n")) {
			return partOfChunkLine.test(line)
				? next
				: this.#refuse("a chunk without a size", next);
		}
		const found = chunkLine.exec(line);
		if (found === null) return this.#refuse("a chunk without a size", next);
		const [, size = "", extensions = ""] = found;
		this.#extra += extensions.length;
		if (this.#extra > extensionsMax) {
			return this.#refuse("chunks with too much beside", next);
		}
		this.#part = "";
		this.#left = Number.parseInt(size, 16);
		this.#state = this.#left > 0 ? inChunk : atTrailer;
		if (this.#left === 0) this.#beginTrailers();
		return next;
	}

	/** Trailers count among the header fields. */
	#beginTrailers(): void {
		this.#extra = this.#headBytes;
		this.#fields = (this.head?.headers.length ?? 0) / 2;
	}

	#readTrailer(memory: Buffer, at: number, end: number): number {
		const next = this.#readLine(memory, at, end);
		const line = this.#part;
		this.#extra += next - at;
		if (this.#extra > this.#bytesMax) {
			return this.#refuse(
				`fields over ${this.#bytesMax} bytes (\`maxHeaderBytes\`)`,
				next,
			);
		}
		if (!line.endsWith("\n")) return next;
		this.#part = "";
		if (line === "\r\n") {
			this.#complete();
			return next;
		}
		if (++this.#fields > fieldsMax) {
			return this.#refuse(
				`more than ${fieldsMax} header fields and trailers`,
				next,
			);
		}
		const fault = faultOfTrailer(line);
		return fault === null ? next : this.#refuse(fault, next);
	}

	/** Adds to the line that has begun, up to its line break or the end. */
	#readLine(memory: Buffer, at: number, end: number): number {
		const newline = memory.indexOf(0x0a, at);
		const next = newline < 0 || newline >= end ? end : newline + 1;
		this.#part += memory.toString("latin1", at, next);
		return next;
	}

	#expect(memory: Buffer, at: number, byte: number, then: number): number {
		if (memory[at] !== byte) {
			return this.#refuse("a chunk is longer than its size", at);
		}
		this.#state = then;
		return at + 1;
	}

	#complete(): void {
		this.whole = true;
		this.#state = over;
		this.#sink = nobody;
	}

	#refuse(why: string, at: number): number {
		this.fault = why;
		this.#state = over;
		this.#sink = nobody;
		return at;
	}
}

/** RFC 9112, 7.1.1, without white space around an extension's parts, which nobody sends. */
const chunkLine =
	/^([0-9a-f]{1,12})((?:;[!#$%&'*+\-.^_`|~0-9a-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9a-z]+|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"))?)*)\r\n$/i;
const partOfChunkLine =
	/^(?:|[0-9a-f]{1,12}(?:;[\t\x20-\x7e\x80-\xff]*)?\r?)$/i;

const nobody: Sink = {
	onHead: () => null,
	onData: () => null,
};
