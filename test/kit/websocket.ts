import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { connectTo } from "./transport.ts";

/** One frame of RFC 6455 as its bytes said it. */
export interface Frame {
	readonly fin: boolean;
	/** The three bits that extensions use. */
	readonly rsv: number;
	readonly opcode: number;
	readonly payload: Buffer;
}

export const opcodes = {
	...{ continuation: 0, text: 1, binary: 2 },
	...{ close: 8, ping: 9, pong: 10 },
};

export interface FrameOptions {
	readonly fin?: boolean;
	readonly rsv?: number;
	/** Default: as a client must, with a mask. */
	readonly masked?: boolean;
	/** Instead of the payload's own. */
	readonly length?: number;
}

/** A frame as a client sends it. */
export function frame(
	opcode: number,
	payload: Uint8Array | string = "",
	{ fin = true, rsv = 0, masked = true, length }: FrameOptions = {},
): Buffer {
	const bytes = Buffer.from(payload as Uint8Array);
	const announced = length ?? bytes.length;
	const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
	const mask = masked ? 0x80 : 0;
	if (announced < 126) head.push(mask | announced);
	else if (announced < 65_536) {
		head.push(mask | 126, announced >> 8, announced & 0xff);
	} else {
		const long = Buffer.alloc(8);
		long.writeBigUInt64BE(BigInt(announced));
		head.push(mask | 127, ...long);
	}
	if (!masked) return Buffer.concat([Buffer.from(head), bytes]);
	const key = [0x37, 0xfa, 0x21, 0x3d] as const;
	const hidden = Buffer.alloc(bytes.length);
	for (let at = 0; at < bytes.length; at++) {
		hidden[at] = (bytes[at] ?? 0) ^ (key[at & 3] ?? 0);
	}
	return Buffer.concat([Buffer.from(head), Buffer.from(key), hidden]);
}

/** The payload of a frame that closes. */
export function closing(
	code: number,
	reason: Uint8Array | string = "",
): Buffer {
	return Buffer.concat([
		Buffer.from([code >> 8, code & 0xff]),
		Buffer.from(reason as Uint8Array),
	]);
}

/** A client of which every byte is the test's. Its answers are read as strictly as RFC 6455 allows. */
export interface WebSocketClient extends Disposable {
	readonly socket: Socket;
	/** The head of the answer: its status, and its fields in lower case. */
	readonly status: number;
	readonly headers: Readonly<Record<string, string>>;
	/** What came instead of a WebSocket, as a text; empty with status 101. */
	readonly body: string;
	send(...bytes: Uint8Array[]): void;
	/** The next frame; null if the connection ended before it. */
	next(): Promise<Frame | null>;
	/** The code of the next frame, which must close; 1005 if it has none, 1006 if none comes. */
	closed(): Promise<number>;
	/** Resolves when the server has ended the connection. */
	gone(): Promise<void>;
}

export const key = "dGhlIHNhbXBsZSBub25jZQ==";

/** The head of a proper handshake, with these lines besides. */
export function handshake(path: string, lines: readonly string[] = []): string {
	return [
		...[`GET ${path} HTTP/1.1`, "Host: gateway", "Upgrade: websocket"],
		...["Connection: Upgrade", `Sec-WebSocket-Key: ${key}`],
		...["Sec-WebSocket-Version: 13", ...lines, "", ""],
	].join("\r\n");
}

/** Sends this head, or that of a handshake for a path, and waits for the head of the answer. */
export async function openWebSocket(
	url: string,
	lines: readonly string[] = [],
	head = handshake(new URL(url).pathname + new URL(url).search, lines),
): Promise<WebSocketClient> {
	const { port, hostname } = new URL(url);
	const socket = connectTo(Number(port), hostname);
	let bytes: Buffer = Buffer.alloc(0);
	// Long frames come in many pieces, which are put together once.
	let more: Buffer[] = [];
	let size = 0;
	let wanted = 0;
	let ended = false;
	let look = () => {};
	socket.on("error", () => {});
	socket.on("data", (chunk: Buffer) => {
		more.push(chunk);
		size += chunk.length;
		if (bytes.length + size < wanted) return;
		join();
		look();
	});
	const join = () => {
		bytes = Buffer.concat([bytes, ...more]);
		more = [];
		size = 0;
		wanted = 0;
	};
	const end = () => {
		ended = true;
		join();
		look();
	};
	socket.on("end", end).on("close", end);
	await once(socket, "connect");
	socket.write(head, "latin1");
	/** Waits until `read` gives something, or for the end. */
	const until = <T>(read: () => T | null) =>
		new Promise<T | null>((resolve) => {
			look = () => {
				const found = read();
				if (found === null && !ended) return;
				look = () => {};
				resolve(found);
			};
			look();
		});
	const end4 = await until(() => {
		const at = bytes.indexOf("\r\n\r\n");
		return at < 0 ? null : at;
	});
	const text = bytes.toString("latin1", 0, end4 ?? bytes.length);
	const [first = "", ...fields] = text.split("\r\n");
	const headers = Object.fromEntries(
		fields.map((line) => {
			const colon = line.indexOf(":");
			return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
		}),
	);
	const status = Number(first.split(" ")[1] ?? 0);
	bytes = bytes.subarray((end4 ?? bytes.length - 4) + 4);
	let body = "";
	if (status === 101) {
		const digest = createHash("sha1")
			.update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
			.digest("base64");
		assert.equal(headers["sec-websocket-accept"], digest);
		assert.equal(headers["upgrade"]?.toLowerCase(), "websocket");
		assert.equal(headers["connection"]?.toLowerCase(), "upgrade");
	} else {
		await until(() => null);
		body = bytes.toString();
	}
	const take = (): Frame | null => {
		const read = readFrame(bytes);
		if (typeof read === "number") {
			wanted = read;
			return null;
		}
		bytes = bytes.subarray(read.length);
		return read.frame;
	};
	const next = () => until(take);
	return {
		...{ socket, status, headers, body, next },
		send: (...all) => void socket.write(Buffer.concat(all)),
		async closed() {
			const found = await next();
			if (found === null) return 1006;
			assert.equal(found.opcode, opcodes.close, "not a frame that closes");
			const { payload } = found;
			return payload.length === 0 ? 1005 : payload.readUInt16BE(0);
		},
		async gone() {
			await until(() => null);
		},
		[Symbol.dispose]: () => void socket.destroy(),
	};
}

/** A frame of a server, which must have no mask; or how many bytes it takes at least, if they are not there. */
function readFrame(
	bytes: Buffer,
): { readonly frame: Frame; readonly length: number } | number {
	if (bytes.length < 2) return 2;
	const [first = 0, second = 0] = bytes;
	assert.equal(second & 0x80, 0, "a server sent a mask");
	let length = second & 0x7f;
	let at = 2;
	if (length === 126) {
		if (bytes.length < 4) return 4;
		length = bytes.readUInt16BE(2);
		assert.ok(length > 125, "a length could be written shorter");
		at = 4;
	} else if (length === 127) {
		if (bytes.length < 10) return 10;
		length = Number(bytes.readBigUInt64BE(2));
		assert.ok(length > 65_535, "a length could be written shorter");
		at = 10;
	}
	if (bytes.length < at + length) return at + length;
	const frame = {
		fin: (first & 0x80) !== 0,
		rsv: (first >> 4) & 7,
		opcode: first & 0x0f,
		payload: Buffer.from(bytes.subarray(at, at + length)),
	};
	return { frame, length: at + length };
}
