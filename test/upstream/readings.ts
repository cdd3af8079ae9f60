import { Duplex } from "node:stream";
import { Client, type Dispatcher } from "undici";
import type { Head } from "../../src/upstream/wire/head.ts";
import { HeadReader } from "../../src/upstream/wire/head-reader.ts";
import { ResponseParser } from "../../src/upstream/wire/parser.ts";

/** The bytes that a server sends before it ends its side, and the request they are the answer to. */
export interface Sent {
	readonly bytes: Buffer;
	readonly method: "GET" | "HEAD";
}

/** What a client takes them for. */
export type Reading =
	| {
			readonly status: number;
			/** `name: value`, sorted by name; those of one name in the order they came. */
			readonly headers: readonly string[];
			/** One character per byte. */
			readonly body: string;
	  }
	| { readonly refused: string };

/** Our parser's reading; `cuts` are the places, in order, where a read ends. */
export function ourReading(
	{ bytes, method }: Sent,
	cuts: readonly number[] = [],
): Reading {
	let head: Head | null = null;
	let body = "";
	const parser = new ResponseParser(new HeadReader());
	const sink = {
		onHead(given: Head) {
			head = given;
			return null;
		},
		onData(memory: Buffer, from: number, to: number) {
			body += memory.toString("latin1", from, to);
			return null;
		},
	};
	parser.begin(sink, method === "HEAD");
	let from = 0;
	for (const cut of [...cuts, bytes.length]) {
		const piece = lent(bytes, from, cut);
		const stop = parser.read(piece.memory, piece.from, piece.end);
		if (stop < piece.end) break;
		from = cut;
	}
	if (!parser.whole && parser.fault === null) parser.finish();
	if (parser.fault !== null) return { refused: parser.fault };
	return readingOf(head as Head | null, body);
}

/** Why our parser takes no more of these pieces, though the other side has not ended; null where it waits for more. */
export function faultOf(pieces: readonly string[]): string | null {
	const parser = new ResponseParser(new HeadReader());
	parser.begin({ onHead: () => null, onData: () => null }, false);
	for (const piece of pieces) {
		const bytes = Buffer.from(piece, "latin1");
		parser.read(bytes, 0, bytes.length);
	}
	return parser.fault;
}

/** Memory that holds other answers around what was read, as the memory of a wire does. */
function lent(bytes: Buffer, from: number, end: number) {
	memory.fill(remains, 0, margin);
	bytes.copy(memory, margin, from, end);
	memory.fill(remains, margin + end - from, margin + end - from + margin);
	return { memory, from: margin, end: margin + end - from };
}
const margin = 40;
const remains = "\n\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
const memory = Buffer.alloc(80_000);

function readingOf(head: Head | null, body: string): Reading {
	if (head === null) throw new Error("whole without a head");
	const { status, headers } = head;
	const pairs: [string, string][] = [];
	for (let at = 0; at < headers.length; at += 2) {
		pairs.push([headers[at] ?? "", headers[at + 1] ?? ""]);
	}
	return { status, headers: sorted(pairs), body };
}

function sorted(pairs: readonly (readonly [string, string])[]): string[] {
	return pairs
		.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
		.map(([name, value]) => `${name}: ${value}`);
}

/** Reads as undici does, over sockets that are none. */
export function createOracle() {
	let bytes: Buffer = Buffer.alloc(0);
	const client = new Client("http://oracle.test", {
		connect: (_options, callback) =>
			queueMicrotask(() => callback(null, new AnsweringSocket(bytes) as never)),
		pipelining: 1,
		headersTimeout: 0,
		bodyTimeout: 0,
		maxHeaderSize: 16 * 1024,
		allowH2: false,
	});
	return {
		/** One at a time. */
		async reading(sent: Sent): Promise<Reading> {
			bytes = sent.bytes;
			const closed = new Promise((resolve) =>
				client.once("disconnect", resolve),
			);
			const reading = await new Promise<Reading>((resolve) => {
				client.dispatch(
					{ path: "/", method: sent.method },
					new Listening(resolve),
				);
			});
			await closed;
			return reading;
		},
		close: () => client.destroy(),
	};
}

/** Answers the first request on it and ends. */
class AnsweringSocket extends Duplex {
	#bytes: Buffer | null;

	constructor(bytes: Buffer) {
		super({ allowHalfOpen: false, highWaterMark: 1 << 20 });
		this.#bytes = bytes;
		this.on("error", () => {});
	}

	override _write(_chunk: unknown, _coding: unknown, done: () => void): void {
		done();
		const bytes = this.#bytes;
		if (bytes === null) return;
		this.#bytes = null;
		// undici counts a request as sent when `write` has returned.
		queueMicrotask(() => {
			this.push(bytes);
			this.push(null);
		});
	}

	override _read(): void {}
	ref(): void {}
	unref(): void {}
}

class Listening implements Dispatcher.DispatchHandler {
	readonly #resolve: (reading: Reading) => void;
	#status = 0;
	#headers: string[] = [];
	#body = "";

	constructor(resolve: (reading: Reading) => void) {
		this.#resolve = resolve;
	}

	onRequestStart(): void {}

	onResponseStart(
		controller: Dispatcher.DispatchController,
		status: number,
	): void {
		if (status < 200) return;
		this.#status = status;
		const raw = controller.rawHeaders as Buffer[];
		const pairs: [string, string][] = [];
		for (let at = 0; at < raw.length; at += 2) {
			const name = raw[at]?.toString("latin1") ?? "";
			const value = raw[at + 1]?.toString("latin1") ?? "";
			pairs.push([name.toLowerCase(), value.replace(/^[ \t]+|[ \t]+$/g, "")]);
		}
		this.#headers = sorted(pairs);
	}

	onResponseData(
		_controller: Dispatcher.DispatchController,
		chunk: Buffer,
	): void {
		this.#body += chunk.toString("latin1");
	}

	onResponseEnd(): void {
		this.#resolve({
			status: this.#status,
			headers: this.#headers,
			body: this.#body,
		});
	}

	onResponseError(
		_controller: Dispatcher.DispatchController,
		error: Error,
	): void {
		this.#resolve({ refused: error.message });
	}
}
