import { once } from "node:events";
import {
	createServer,
	type IncomingHttpHeaders,
	type IncomingMessage,
	type Server,
} from "node:http";
import type { Server as SecureServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";

/** A WebSocket that an upstream has got. */
export interface UpstreamPeer {
	readonly ws: WebSocket;
	readonly url: string;
	readonly headers: IncomingHttpHeaders;
	readonly closed: Promise<[code: number, reason: string]>;
}

/** An upstream that speaks WebSocket by `ws`, and sends every message back. */
export interface WebSocketUpstream extends AsyncDisposable {
	readonly origin: string;
	readonly peers: UpstreamPeer[];
	/** Requests that asked for a WebSocket, agreed to or not. */
	asked: number;
	/** The next one. */
	peer(): Promise<UpstreamPeer>;
}

export interface UpstreamOptions {
	readonly maxPayload?: number;
	/** Null: none is chosen. Absent: the first. */
	readonly protocol?: string | null;
	/** Instead of agreeing. */
	readonly refuse?: (request: IncomingMessage, socket: Socket) => boolean;
	readonly onMessage?: (
		ws: WebSocket,
		data: Buffer,
		isBinary: boolean,
	) => unknown;
	/** Instead of a plain one. */
	readonly server?: SecureServer;
}

export async function startWebSocketUpstream({
	maxPayload = 32 * 2 ** 20,
	protocol,
	refuse,
	onMessage = (ws, data, binary) => ws.send(data, { binary }),
	server: secure,
}: UpstreamOptions = {}): Promise<WebSocketUpstream> {
	const server: Server | SecureServer = secure ?? createServer();
	const peers: UpstreamPeer[] = [];
	let wake = () => {};
	const sockets = new WebSocketServer({
		...{ noServer: true, maxPayload, perMessageDeflate: true },
		...(protocol !== undefined && { handleProtocols: () => protocol ?? false }),
	});
	server.on("upgrade", (request, socket, head) => {
		upstream.asked++;
		socket.on("error", () => {});
		if (refuse?.(request, socket as Socket)) return;
		sockets.handleUpgrade(request, socket, head, (ws) => {
			ws.on("message", (data: Buffer, binary) => onMessage(ws, data, binary));
			ws.on("error", () => {});
			const closed = new Promise<[number, string]>((resolve) => {
				ws.on("close", (code, reason) => resolve([code, `${reason}`]));
			});
			const { url = "", headers } = request;
			peers.push({ ws, url, headers, closed });
			wake();
		});
	});
	const connections = new Set<Socket>();
	server.on("connection", (socket: Socket) => {
		connections.add(socket);
		socket.on("close", () => connections.delete(socket));
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	let taken = 0;
	const upstream: WebSocketUpstream = {
		origin: secure ? `https://localhost:${port}` : `http://127.0.0.1:${port}`,
		peers,
		asked: 0,
		async peer() {
			while (peers.length <= taken) {
				await new Promise<void>((resolve) => {
					wake = resolve;
				});
			}
			return peers[taken++] as UpstreamPeer;
		},
		async [Symbol.asyncDispose]() {
			for (const socket of connections) socket.destroy();
			const closed = once(server, "close");
			server.close();
			await closed;
		},
	};
	return upstream;
}
