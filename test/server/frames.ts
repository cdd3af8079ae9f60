import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { trusting } from "../kit/transport.ts";

/** The types of frames (RFC 9113, 6). */
export const types = {
	...{ data: 0, headers: 1, priority: 2, reset: 3, settings: 4, push: 5 },
	...{ ping: 6, goaway: 7, window: 8, continuation: 9 },
} as const;

export const endStream = 1;
export const endHeaders = 4;
export const padded = 8;
export const prioritised = 0x20;

/** One frame. `length` lies about the payload's. */
export function frame(
	type: number,
	flags: number,
	stream: number,
	payload: Uint8Array | string = "",
	length?: number,
): Buffer {
	const bytes = Buffer.from(payload as string, "latin1");
	const head = Buffer.alloc(9);
	head.writeUIntBE(length ?? bytes.length, 0, 3);
	head[3] = type;
	head[4] = flags;
	head.writeUInt32BE(stream >>> 0, 5);
	return Buffer.concat([head, bytes]);
}

/** A list of fields, each as a literal that is not indexed (RFC 7541, 6.2.2). */
export function fields(...pairs: (readonly [string, string])[]): Buffer {
	return Buffer.concat(
		pairs.flatMap(([name, value]) => [
			Buffer.from([0]),
			text(name),
			text(value),
		]),
	);
}

function text(written: string): Buffer {
	const bytes = Buffer.from(written, "latin1");
	if (bytes.length < 127) {
		return Buffer.concat([Buffer.from([bytes.length]), bytes]);
	}
	const length = [127];
	let rest = bytes.length - 127;
	for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
	return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

export const number32 = (value: number): Buffer => {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32BE(value >>> 0);
	return bytes;
};

/** The fields of a request. */
export const asks = (
	method = "GET",
	...more: (readonly [string, string])[]
): Buffer =>
	fields(
		...([
			[":method", method],
			[":scheme", "https"],
			[":path", "/"],
			[":authority", "localhost"],
		] as const),
		...more,
	);

/** A request without a body. */
export const get = (stream = 1): Buffer =>
	frame(types.headers, endStream | endHeaders, stream, asks());

/** The head of a request whose body follows. */
export const post = (
	stream = 1,
	...more: (readonly [string, string])[]
): Buffer => frame(types.headers, endHeaders, stream, asks("POST", ...more));

export const setting = (id: number, value: number): Buffer => {
	const bytes = Buffer.alloc(6);
	bytes.writeUInt16BE(id, 0);
	bytes.writeUInt32BE(value >>> 0, 2);
	return bytes;
};

export interface Frame {
	readonly type: number;
	readonly flags: number;
	readonly stream: number;
	readonly payload: Buffer;
}

export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** A client of HTTP/2 that writes its own frames. */
export class FrameClient implements Disposable {
	readonly socket: TLSSocket;
	readonly got: Frame[] = [];
	closed = false;
	#rest: Buffer = Buffer.alloc(0);
	#wake: () => void = () => {};

	constructor(socket: TLSSocket) {
		this.socket = socket;
		socket.on("error", () => {});
		socket.on("data", (chunk: Buffer) => this.#take(chunk));
		socket.on("close", () => {
			this.closed = true;
			this.#wake();
		});
	}

	#take(chunk: Buffer): void {
		this.#rest = Buffer.concat([this.#rest, chunk]);
		while (this.#rest.length >= 9) {
			const end = 9 + this.#rest.readUIntBE(0, 3);
			if (this.#rest.length < end) break;
			this.got.push({
				type: this.#rest[3] ?? 0,
				flags: this.#rest[4] ?? 0,
				stream: this.#rest.readUInt32BE(5) & 0x7fffffff,
				payload: this.#rest.subarray(9, end),
			});
			this.#rest = this.#rest.subarray(end);
		}
		this.#wake();
	}

	send(...frames: readonly Buffer[]): void {
		this.socket.write(Buffer.concat(frames));
	}

	/** The first frame that fits; null if the connection is closed without one. */
	async find(fits: (frame: Frame) => boolean): Promise<Frame | null> {
		for (;;) {
			const found = this.got.find(fits);
			if (found !== undefined) return found;
			if (this.closed) return null;
			await new Promise<void>((resolve) => {
				this.#wake = resolve;
			});
		}
	}

	[Symbol.dispose](): void {
		this.socket.destroy();
	}
}

/** Connects, and begins with these bytes. */
export async function openFrames(
	port: number,
	begin: readonly Buffer[] = [preface, frame(types.settings, 0, 0)],
): Promise<FrameClient> {
	const socket = connect({
		...trusting,
		...{ port, host: "127.0.0.1", ALPNProtocols: ["h2"] },
	});
	const client = new FrameClient(socket);
	await once(socket, "secureConnect");
	client.send(...begin);
	return client;
}
