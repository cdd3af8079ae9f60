import type { Socket } from "node:net";
import type { Writable } from "node:stream";
import {
	type HeaderList,
	isFieldValue,
	isToken,
} from "../core/http/headers.ts";
import { STATUS_CODES } from "../core/http/node-http.ts";
import { SharedFrame } from "../core/http/shared-frame.ts";
import { hasFramedBody } from "../core/http/status.ts";
import type { AnswerWriter } from "./carrier.ts";
import type { ClientConnection } from "./client-connection.ts";
import { chunkOf } from "./node-http1-answer.ts";
import { Pieces, tlsPieceBytes } from "./pieces.ts";
import { rawSocketOf } from "./raw-socket.ts";
import { TurnWrites } from "./turn-writes.ts";

/** Bytes up to here are copied into a text, which costs less than a second buffer in a write. */
const textBytesMax = 16 * 1024;

/** Of this many names the lines are kept. A hostile upstream may send any number. */
const namesMax = 256;

/** A longer line is not kept. The fields of an upstream may be as long as its `maxHeaderBytes`. */
const lineLengthMax = 1_024;

/** What a field's name says about the rest of the head. */
type Says = "date" | "connection" | "content-length" | null;

/** The last line with a name. Most fields are the same in each answer. */
interface FieldLine {
	readonly says: Says;
	value: string;
	text: string;
}

/** What all answers to simple requests of a server share. */
export class AnswerForm {
	/** The last piece of a stream that went to several clients, as a chunk. */
	readonly sharedChunk = new SharedFrame(chunkOf);
	readonly turnWrites = new TurnWrites();
	/** What an answer says after which the connection is kept. */
	readonly kept: string;
	#date = "";
	#dateUntilMs = 0;
	readonly #lines = new Map<string, FieldLine>();

	constructor(idleTimeoutMs: number) {
		const seconds = Math.floor(idleTimeoutMs / 1000);
		this.kept = `Connection: keep-alive\r\nKeep-Alive: timeout=${seconds}\r\n`;
	}

	/** It is made once a second. */
	get date(): string {
		const nowMs = Date.now();
		// The clock may have been set back.
		if (nowMs >= this.#dateUntilMs || nowMs < this.#dateUntilMs - 1000) {
			this.#date = `Date: ${new Date(nowMs).toUTCString()}\r\n`;
			this.#dateUntilMs = nowMs - (nowMs % 1000) + 1000;
		}
		return this.#date;
	}

	/** Throws if the field cannot be written. */
	lineOf(name: string, value: string): FieldLine {
		const known = this.#lines.get(name);
		if (known?.value === value) return known;
		const says = known?.says ?? saidBy(name);
		const text = textOf(name, value);
		const isNew = known === undefined;
		const isFull = isNew && this.#lines.size >= namesMax;
		if (isFull || text.length > lineLengthMax) return { says, value, text };
		const own = copyOf(text);
		const line = isNew ? { says, value, text } : known;
		line.text = own;
		line.value = own.slice(name.length + 2, -2);
		if (isNew) this.#lines.set(own.slice(0, name.length), line);
		return line;
	}
}

/** A text of its own: a part of another, such as a head that came, keeps all of that in memory. */
function copyOf(text: string): string {
	return Buffer.from(text, "latin1").toString("latin1");
}

function saidBy(name: string): Says {
	const lower = name.toLowerCase();
	return lower === "date" ||
		lower === "connection" ||
		lower === "content-length"
		? lower
		: null;
}

/** An answer to a simple request. Only one of a connection is written at a time. */
export class SimpleAnswer implements AnswerWriter {
	readonly framed = true;
	begun = false;
	readonly #connection: ClientConnection;
	readonly #socket: Socket;
	readonly #form: AnswerForm;
	readonly #toHead: boolean;
	/** What is still to be written of the head. */
	#head = "";
	#chunked = false;

	constructor(connection: ClientConnection, method: string, form: AnswerForm) {
		this.#connection = connection;
		this.#socket = connection.socket;
		this.#toHead = method === "HEAD";
		this.#form = form;
	}

	begin(status: number, fields: string[]): void {
		const { date, kept } = this.#form;
		let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "unknown"}\r\n`;
		let [dated, connected, long] = [false, false, false];
		for (let at = 0; at < fields.length; at += 2) {
			const line = this.#form.lineOf(fields[at] ?? "", fields[at + 1] ?? "");
			text += line.text;
			if (line.says === null) continue;
			if (line.says === "date") dated = true;
			else if (line.says === "connection") connected = true;
			else long = true;
		}
		if (!dated) text += date;
		if (!connected) text += kept;
		this.#chunked = !long && !this.#toHead && hasFramedBody(status);
		if (this.#chunked) text += "Transfer-Encoding: chunked\r\n";
		this.#head = `${text}\r\n`;
		this.begun = true;
	}

	/** The first piece of the body goes with it, if that is there at once. */
	flush(): void {
		const socket = this.#socket;
		this.#connection.release();
		socket.cork();
		this.#writeHead();
		process.nextTick(() => socket.uncork());
	}

	#writeHead(): void {
		if (this.#head !== "") this.#socket.write(this.#head, "latin1");
		this.#head = "";
	}

	write(piece: string | Uint8Array): Writable | null {
		const socket = this.#socket;
		this.#writeHead();
		// An empty chunk would be the end.
		if (piece.length === 0) return null;
		if (!this.#chunked) return socket.write(piece) ? null : socket;
		const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
		const shared = this.#form.sharedChunk.of(bytes);
		if (shared !== null) return socket.write(shared) ? null : socket;
		if (bytes.length <= textBytesMax) {
			const frame = `${bytes.length.toString(16)}\r\n${latin1Of(bytes)}\r\n`;
			return socket.write(frame, "latin1") ? null : socket;
		}
		socket.cork();
		socket.write(`${bytes.length.toString(16)}\r\n`, "latin1");
		socket.write(bytes);
		const more = socket.write("\r\n", "latin1");
		socket.uncork();
		return more ? null : socket;
	}

	end(
		body: string | Uint8Array | null,
		onEnd: (error?: Error | null) => void,
	): void {
		const socket = this.#socket;
		if (this.#chunked) {
			if (body !== null) this.write(body);
			socket.write(`${this.#head}0\r\n\r\n`, "latin1", onEnd);
		} else if (body === null || body.length === 0) {
			if (this.#head !== "") this.#hold();
			socket.write(this.#head, "latin1", onEnd);
		} else if (body.length <= textBytesMax) {
			this.#hold();
			// The bytes are the same, and one plain write takes them all.
			socket.write(this.#head + latin1Of(body), "latin1", onEnd);
		} else if (body.length > tlsPieceBytes && rawSocketOf(socket) !== null) {
			this.#connection.release();
			this.#writeHead();
			// No other answer is begun on the connection before so long a one is out.
			new Pieces(socket, tlsPieceBytes, onEnd).end(body);
		} else {
			this.#connection.release();
			socket.cork();
			this.#writeHead();
			socket.write(body, onEnd);
			socket.uncork();
		}
		this.#head = "";
	}

	/** Answers that are whole and small go out with the others of this turn. */
	#hold(): void {
		this.#form.turnWrites.hold(this.#connection);
	}

	/** The body has come already. */
	proceed(): void {}

	inform(status: number, headers: HeaderList): void {
		const socket = this.#socket;
		this.#connection.release();
		// An upstream could send many, and a client that reads none would make us hold them.
		if (socket.writableLength > 0 || !socket.writable) return;
		let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "unknown"}\r\n`;
		for (let at = 0; at < headers.length; at += 2) {
			text += textOf(headers[at] ?? "", headers[at + 1] ?? "");
		}
		socket.write(`${text}\r\n`, "latin1");
	}
}

function textOf(name: string, value: string): string {
	if (!isToken(name) || !isFieldValue(value)) {
		throw new TypeError(`the header ${name} cannot be written`);
	}
	return `${name}: ${value}\r\n`;
}

/** A text of one character for each byte. */
function latin1Of(piece: string | Uint8Array): string {
	if (typeof piece === "string") {
		const isAscii = Buffer.byteLength(piece) === piece.length;
		return isAscii ? piece : Buffer.from(piece).toString("latin1");
	}
	if (piece instanceof Buffer) return piece.toString("latin1");
	const { buffer, byteOffset, length } = piece;
	return Buffer.from(buffer, byteOffset, length).toString("latin1");
}
