import { once } from "node:events";
import {
	type AddressInfo,
	createServer,
	type Server,
	type Socket,
} from "node:net";
import { createServer as createTlsServer } from "node:tls";

/** One request as it came over the wire, and the socket to answer on in whatever way the test wants. */
export interface Received {
	/** Request line and header lines, without the empty one. */
	readonly head: readonly string[];
	readonly body: string;
	readonly socket: Socket;
	/** Writes a whole answer with its content-length. */
	answer(body: string | Uint8Array, ...headers: string[]): void;
}

/** An upstream of which every byte is the test's. Closing it closes its connections. */
export interface Peer extends AsyncDisposable {
	readonly origin: string;
	/** Connections made so far. */
	readonly connections: number;
	/** The next request, each given out once, in the order they came. */
	request(): Promise<Received>;
	/** The next connection, each given out once; with TLS one whose handshake is done. */
	connection(): Promise<Socket>;
}

export interface PeerOptions {
	/** Called for each request instead of keeping it for `request()`. */
	readonly onRequest?: (received: Received) => void;
	readonly tls?: { readonly cert: string; readonly key: string };
}

export async function openPeer(options: PeerOptions = {}): Promise<Peer> {
	const requests = mailbox<Received>();
	const connections = mailbox<Socket>();
	const sockets = new Set<Socket>();
	let count = 0;
	function onSocket(socket: Socket): void {
		count++;
		sockets.add(socket);
		socket.once("close", () => sockets.delete(socket));
		socket.on("error", () => {});
		readRequests(socket, options.onRequest ?? requests.put);
		connections.put(socket);
	}
	const server: Server = options.tls
		? createTlsServer(options.tls, onSocket).on("tlsClientError", () => {})
		: createServer(onSocket);
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	return {
		origin: `${options.tls ? "https" : "http"}://127.0.0.1:${port}`,
		get connections() {
			return count;
		},
		request: requests.take,
		connection: connections.take,
		async [Symbol.asyncDispose]() {
			for (const socket of sockets) socket.destroy();
			const closed = once(server, "close");
			server.close();
			await closed;
		},
	};
}

/** Resolves when the peer's side of a connection is gone. */
export function gone(socket: Socket): Promise<void> {
	if (socket.closed) return Promise.resolve();
	return new Promise((resolve) => socket.once("close", () => resolve()));
}

function readRequests(
	socket: Socket,
	onRequest: (received: Received) => void,
): void {
	let text = "";
	socket.on("data", (chunk) => {
		text += chunk.toString("latin1");
		const end = text.indexOf("\r\n\r\n");
		if (end < 0) return;
		const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
		if (text.length < end + 4 + length) return;
		const body = text.slice(end + 4, end + 4 + length);
		const head = text.slice(0, end).split("\r\n");
		text = text.slice(end + 4 + length);
		onRequest({
			head,
			body: Buffer.from(body, "latin1").toString(),
			socket,
			answer(answerBody, ...headers) {
				const bytes = Buffer.from(answerBody);
				socket.write(
					httpHead(200, `content-length: ${bytes.length}`, ...headers),
				);
				socket.write(bytes);
			},
		});
	});
}

/** A status line with header lines and the empty one. */
export function httpHead(status: number, ...headers: string[]): string {
	return [`HTTP/1.1 ${status} Words`, ...headers, "", ""].join("\r\n");
}

/** Things in order of arrival, for takers in order of arrival. */
function mailbox<T>() {
	const things: T[] = [];
	const takers: ((thing: T) => void)[] = [];
	return {
		put(thing: T): void {
			const taker = takers.shift();
			if (taker) taker(thing);
			else things.push(thing);
		},
		take(): Promise<T> {
			const thing = things.shift();
			if (thing !== undefined) return Promise.resolve(thing);
			return new Promise((resolve) => takers.push(resolve));
		},
	};
}
