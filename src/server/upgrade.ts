import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type Server, type ServerOptions, WebSocketServer } from "ws";
import {
	allHeadersOf,
	eachHeader,
	type HeaderList,
	headerOf,
	isFieldValue,
	isToken,
	namesIn,
	onlyHeaderOf,
} from "../core/http/headers.ts";
import * as http from "../core/http/node-http.ts";
import type { Session } from "../core/http/session.ts";
import {
	protocolOptions,
	type SessionBounds,
	SessionSocket,
	type WebSocketSession,
} from "../core/http/web-socket.ts";

/**
 * Whether a request asks for a WebSocket exactly as RFC 6455, 4.2.1, says. Any other with `Upgrade` is a request of HTTP.
 * One that has a body, or asks before it sends one, is not looked at further.
 */
export function asksForWebSocket(message: IncomingMessage): boolean {
	const { rawHeaders, method, httpVersion } = message;
	if (method !== "GET" || httpVersion !== "1.1") return false;
	if (onlyHeaderOf(rawHeaders, "upgrade")?.toLowerCase() !== "websocket") {
		return false;
	}
	return (
		namesIn(rawHeaders, "connection").includes("upgrade") &&
		onlyHeaderOf(rawHeaders, "sec-websocket-version") === "13" &&
		key.test(onlyHeaderOf(rawHeaders, "sec-websocket-key") ?? "") &&
		protocolsIn(rawHeaders) !== null &&
		!hasBody(rawHeaders) &&
		headerOf(rawHeaders, "expect") === null
	);
}

/** 16 bytes in Base64. */
const key = /^[+/\dA-Za-z]{22}==$/;

/** The subprotocols that a client offers; null if they are not a list of different names. */
function protocolsIn(headers: HeaderList): readonly string[] | null {
	const names = allHeadersOf(headers, "sec-websocket-protocol").flatMap(
		(line) => line.split(",").map((name) => name.trim()),
	);
	const different = new Set(names).size === names.length;
	return different && names.every(isToken) ? names : null;
}

function hasBody(headers: HeaderList): boolean {
	const length = headerOf(headers, "content-length");
	return (
		headerOf(headers, "transfer-encoding") !== null ||
		(length !== null && Number(length) > 0)
	);
}

/** How many bytes a client may send before it has the answer. It should send none (RFC 6455, 4.1). */
const earlyBytesMax = 64 * 1024;

/** What an upgrade takes from its server. */
interface UpgradeMeans {
	readonly handshakes: Handshakes;
	/** The bounds of a session. */
	readonly bounds: SessionBounds;
	/** Called if the client ends its side before it has the answer. */
	readonly onLeft: () => void;
	/** Called when the answer is a session. */
	readonly onSession: (session: WebSocketSession) => void;
}

/**
 * A request that may become a WebSocket. Node has let go of its connection, so what comes on it is kept here until there is
 * an answer.
 */
export class Upgrade {
	readonly response: ServerResponse;
	readonly socket: Socket;
	readonly #message: IncomingMessage;
	readonly #early: Uint8Array[] = [];
	readonly #means: UpgradeMeans;
	#earlyBytes = 0;

	constructor(
		message: IncomingMessage,
		socket: Socket,
		head: Uint8Array,
		means: UpgradeMeans,
	) {
		this.#message = message;
		this.socket = socket;
		this.response = new http.ServerResponse(message);
		this.response.assignSocket(socket);
		if (head.length > 0) this.#keep(head);
		// Only a socket that is read tells that its client has left.
		socket.on("data", this.#keep).on("end", means.onLeft);
		socket.on("drain", this.#onDrain);
		this.#means = means;
	}

	/** The connection is the session's from now on. */
	become(session: WebSocketSession): void {
		this.#means.onSession(session);
	}

	get bounds(): SessionBounds {
		return this.#means.bounds;
	}

	/** Node has let go of the connection, so it tells the answer no more that the client has read. */
	readonly #onDrain = (): void => void this.response.emit("drain");

	readonly #keep = (bytes: Uint8Array): void => {
		this.#early.push(bytes);
		this.#earlyBytes += bytes.length;
		if (this.#earlyBytes > earlyBytesMax) this.socket.pause();
	};

	/**
	 * Answers with 101 and these fields. Null if the client has just left. Throws if a field cannot be written. Then nothing
	 * was written.
	 */
	open(
		{ protocol, messageBytesMax }: Session,
		headers: HeaderList,
	): SessionSocket | null {
		const lines = linesOf(headers);
		const socket = this.socket;
		this.response.detachSocket(socket);
		socket.off("data", this.#keep).off("end", this.#means.onLeft);
		socket.off("drain", this.#onDrain);
		const early = Buffer.concat(this.#early);
		const server = this.#means.handshakes.serverFor(messageBytesMax);
		server.options.handleProtocols = (offered) =>
			protocol !== null && offered.has(protocol) ? protocol : false;
		const add = (all: string[]) => all.push(...lines);
		server.on("headers", add);
		let opened: SessionSocket | null = null;
		// It calls back before it returns, or never.
		server.handleUpgrade(this.#message, socket, early, (one) => {
			opened = one;
		});
		server.off("headers", add);
		socket.resume();
		return opened;
	}
}

/** Makes WebSockets for one server. */
export class Handshakes {
	/** A server of `ws` has one bound for all messages, so there is one for each bound that the config has. */
	readonly #servers = new Map<number, Server<typeof SessionSocket>>();

	serverFor(messageBytesMax: number): Server<typeof SessionSocket> {
		const made = this.#servers.get(messageBytesMax);
		if (made !== undefined) return made;
		const options: ServerOptions<typeof SessionSocket> = {
			...protocolOptions(messageBytesMax),
			noServer: true,
			clientTracking: false,
			WebSocket: SessionSocket,
		};
		const server: Server<typeof SessionSocket> = new WebSocketServer(options);
		this.#servers.set(messageBytesMax, server);
		return server;
	}
}

/** What the handshake says itself, nobody else says. */
function linesOf(headers: HeaderList): string[] {
	const lines: string[] = [];
	eachHeader(headers, (name, value) => {
		if (name.toLowerCase().startsWith("sec-websocket-")) return;
		if (!isToken(name) || !isFieldValue(value)) {
			throw new TypeError(`the header ${name} cannot be written`);
		}
		lines.push(`${name}: ${value}`);
	});
	return lines;
}
