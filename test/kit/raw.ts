import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** One HTTP message as its bytes said it, each byte one character of `head`. */
export interface RawMessage {
	/** The first line. */
	readonly start: string;
	/** Names in lower case, values without the white space around them; in the order they came. */
	readonly headers: readonly (readonly [string, string])[];
	readonly body: Buffer;
}

/** An upstream that takes requests apart byte for byte, and forgives nothing: what is no request fails the test. */
export interface RawUpstream extends AsyncDisposable {
	readonly origin: string;
	/** Those that came since the last time. */
	take(): RawMessage[];
}

/** `answer` gives the whole answer, head and body. */
export async function startRawUpstream(
	answer: (request: RawMessage) => Buffer,
): Promise<RawUpstream> {
	const sockets = new Set<Socket>();
	const faults: unknown[] = [];
	let seen: RawMessage[] = [];
	const server = createServer((socket) => {
		sockets.add(socket);
		socket.on("close", () => sockets.delete(socket));
		socket.on("error", () => {});
		let bytes: Buffer = Buffer.alloc(0);
		socket.on("data", (chunk: Buffer) => {
			bytes = Buffer.concat([bytes, chunk]);
			try {
				for (;;) {
					const read = readMessage(bytes);
					if (read === null) return;
					bytes = bytes.subarray(read.length);
					seen.push(read.message);
					socket.write(answer(read.message));
				}
			} catch (fault) {
				faults.push(fault);
				socket.destroy();
			}
		});
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	return {
		origin: `http://127.0.0.1:${port}`,
		take() {
			assert.deepEqual(faults, []);
			const taken = seen;
			seen = [];
			return taken;
		},
		async [Symbol.asyncDispose]() {
			for (const socket of sockets) socket.destroy();
			const closed = once(server, "close");
			server.close();
			await closed;
		},
	};
}

/** The first message, and how long it is; null where it is not whole yet. */
function readMessage(
	bytes: Buffer,
): { message: RawMessage; length: number } | null {
	const end = bytes.indexOf("\r\n\r\n");
	if (end < 0) return null;
	const [start = "", ...lines] = bytes.toString("latin1", 0, end).split("\r\n");
	const headers = lines.map((line): [string, string] => {
		const [, name, value] =
			/^([\w!#$%&'*+.^`|~-]+):[\t ]*([\t\x20-\x7e]*?)[\t ]*$/.exec(line) ?? [];
		assert.ok(name !== undefined, `no header: ${JSON.stringify(line)}`);
		return [name.toLowerCase(), value ?? ""];
	});
	const framing = headers.filter(([name]) =>
		/^(content-length|transfer-encoding)$/.test(name),
	);
	assert.ok(framing.length <= 1, "framed twice");
	const chunked = framing[0]?.[0] === "transfer-encoding";
	const from = end + 4;
	if (chunked) return readChunked(bytes, from, { start, headers });
	const length = from + Number(framing[0]?.[1] ?? 0);
	if (bytes.length < length) return null;
	const body = bytes.subarray(from, length);
	return { message: { start, headers, body }, length };
}

function readChunked(
	bytes: Buffer,
	from: number,
	head: Omit<RawMessage, "body">,
): { message: RawMessage; length: number } | null {
	const chunks: Buffer[] = [];
	for (let at = from; ; ) {
		const line = bytes.indexOf("\r\n", at);
		if (line < 0) return null;
		const size = Number.parseInt(bytes.toString("latin1", at, line), 16);
		at = line + 2 + size + 2;
		if (bytes.length < at) return null;
		if (size === 0) {
			return { message: { ...head, body: Buffer.concat(chunks) }, length: at };
		}
		chunks.push(bytes.subarray(line + 2, at - 2));
	}
}

/** Sends these bytes on a connection of their own and gives the one answer; they must ask to close it. */
export async function sendRaw(
	url: string,
	bytes: Buffer,
): Promise<RawMessage & { readonly status: number }> {
	const { hostname, port } = new URL(url);
	const socket = connect(Number(port), hostname);
	const chunks: Buffer[] = [];
	socket.on("data", (chunk: Buffer) => chunks.push(chunk));
	socket.on("error", () => {});
	socket.write(bytes);
	await once(socket, "close");
	const all = Buffer.concat(chunks);
	const read = readMessage(all);
	assert.ok(read, `no whole answer: ${JSON.stringify(all.toString())}`);
	assert.equal(read.length, all.length, "more than one answer");
	const status = Number(read.message.start.split(" ")[1]);
	return { ...read.message, status };
}
