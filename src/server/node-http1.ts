import type {
	Server as HttpServer,
	IncomingMessage,
	ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import type { GatewayError } from "../core/errors.ts";
import { type HeaderList, headerOf } from "../core/http/headers.ts";
import { createServer } from "../core/http/node-http.ts";
import { SharedFrame } from "../core/http/shared-frame.ts";
import type { SessionBounds } from "../core/http/web-socket.ts";
import type { ClientConnection } from "./client-connection.ts";
import { receiveOn } from "./http1-request.ts";
import { chunkOf, NodeHttp1Answer } from "./node-http1-answer.ts";
import {
	endsConnection,
	type HeadLimits,
	parserFault,
	refusalOf,
	refused,
} from "./refuse.ts";
import { connectRefused } from "./server-answers.ts";
import type { Service } from "./service.ts";
import { asksForWebSocket, Handshakes, Upgrade } from "./upgrade.ts";

/** How often Node looks whether a request is over its time, so how late it may find one. */
const checkingIntervalMsMax = 5_000;

interface HttpBounds {
	/** How long the header fields of a request may take to come. */
	readonly headersMs: number;
	readonly idleTimeoutMs: number;
}

/** Node's server of HTTP/1.1, with our bounds. `mayUpgrade` says whether Node is to let go of a request's connection. */
function createHttpServer(
	{ headersMs, idleTimeoutMs }: HttpBounds,
	{ headerBytesMax }: HeadLimits,
	mayUpgrade: (message: IncomingMessage) => boolean,
): HttpServer {
	const http = createServer({
		headersTimeout: headersMs,
		// We look ourselves: a body that is passed on may take longer, as long as it moves.
		requestTimeout: 0,
		keepAliveTimeout: idleTimeoutMs,
		connectionsCheckingInterval: Math.min(
			checkingIntervalMsMax,
			Math.ceil(headersMs / 2),
		),
		// The parser already refuses this length, so it is given one more.
		maxHeaderSize: headerBytesMax + 1,
		insecureHTTPParser: false,
		// We look for `Host` ourselves: Node's own answer has neither a problem document nor an id.
		requireHostHeader: false,
		// A request without a body then needs no stream.
		optimizeEmptyRequests: true,
		// Any other `Upgrade` is ignored, so that its request is answered as if it had none.
		shouldUpgradeCallback: mayUpgrade,
	});
	// We count fields ourselves: beyond its own count the parser drops fields silently, or has no request to answer.
	http.maxHeadersCount = 0;
	// Node looks for late header fields only in a server that listens itself.
	http.emit("listening");
	return http;
}

interface NodeMeans {
	readonly service: Service;
	readonly bounds: HttpBounds;
	/** Null: there are no WebSockets. */
	readonly sessionBounds: SessionBounds | null;
	readonly connectionOf: (socket: Socket) => ClientConnection | undefined;
	/** Listens to sockets of which Node has let go. */
	readonly onTimeout: (this: Socket) => void;
}

/** What not every request is. */
interface Special {
	/** It asks before it sends its body. */
	readonly holdsBody?: boolean;
	/** It may become a WebSocket. */
	readonly upgrade?: Upgrade | null;
}

/** Makes requests of what node:http tells. */
export class NodeHttp1 {
	readonly #http: HttpServer;
	readonly #means: NodeMeans;
	readonly #handshakes = new Handshakes();
	readonly #sharedChunk = new SharedFrame(chunkOf);

	constructor(means: NodeMeans) {
		this.#means = means;
		const { service, bounds, connectionOf } = means;
		const { limits } = service;
		const http = createHttpServer(bounds, limits, (message) =>
			this.#mayUpgrade(message),
		);
		this.#http = http;
		http.on("request", (message, response) => {
			this.#receive(message, response, refusalOf(message, limits));
		});
		http.on("upgrade", (message, socket, head) => {
			this.#upgrade(message, socket as Socket, head);
		});
		// Node would say at once that the body is wanted, although it may be too long or have to wait.
		http.on("checkContinue", (message, response) => {
			const refusal = refusalOf(message, limits);
			this.#receive(message, response, refusal, { holdsBody: true });
		});
		// Any other `Expect`.
		http.on("checkExpectation", (message, response) => {
			const fault = refused(417, "headers.expect", "is not `100-continue`");
			this.#receive(message, response, fault);
		});
		http.on("timeout", (socket) => connectionOf(socket)?.onIdle());
		http.on("clientError", (error, socket) => {
			const begun = (socket as Socket).bytesRead > 0;
			// A client that never sent anything has asked nothing that could be answered.
			const fault = begun ? parserFault(error) : null;
			connectionOf(socket as Socket)?.onFault(fault);
		});
		// Without a listener Node closes the connection without an answer.
		http.on("connect", (_message, socket) => {
			connectionOf(socket as Socket)?.onFault(connectRefused());
		});
	}

	/** Reads what comes on a connection from now on. */
	read(socket: Socket): void {
		this.#http.emit("connection", socket);
	}

	/** Closes the connections without a request, but not those that never had one. */
	closeResting(): void {
		this.#http.closeIdleConnections();
	}

	/** No more connections come. */
	close(): void {
		this.#http.close();
	}

	/**
	 * Whether Node is to let go of the connection of a request, so that it can become a WebSocket. Whatever is to be said
	 * about the request otherwise is said by the same rules as about any other.
	 */
	#mayUpgrade(message: IncomingMessage): boolean {
		const connection = this.#means.connectionOf(message.socket);
		return (
			this.#means.sessionBounds !== null &&
			connection !== undefined &&
			!connection.over &&
			// Answers that are not out yet would lose their way.
			connection.unanswered === 0 &&
			asksForWebSocket(message)
		);
	}

	#upgrade(message: IncomingMessage, socket: Socket, head: Uint8Array): void {
		const { sessionBounds, service, connectionOf, onTimeout } = this.#means;
		const connection = connectionOf(socket);
		if (connection === undefined || sessionBounds === null) return;
		// Node's own listener is gone.
		socket.on("timeout", onTimeout);
		const upgrade = new Upgrade(message, socket, head, {
			handshakes: this.#handshakes,
			bounds: sessionBounds,
			onLeft: () => connection.leave(),
			onSession: (session) => connection.become(session),
		});
		const refusal = refusalOf(message, service.limits);
		this.#receive(message, upgrade.response, refusal, { upgrade });
	}

	#receive(
		message: IncomingMessage,
		response: ServerResponse,
		refusal: GatewayError | null,
		special: Special = {},
	): void {
		const { connectionOf, service } = this.#means;
		const connection = connectionOf(message.socket);
		if (connection === undefined) return;
		if (connection.over) {
			connection.ignore();
			return;
		}
		receiveOn(connection, service, {
			...{ head: message, body: message, refusal, ...special },
			bodyBytes: announcedIn(message.rawHeaders),
			answer: new NodeHttp1Answer(message, response, this.#sharedChunk),
			isLast: endsConnection(message),
		});
	}
}

/** How long a request says that its body is; Infinity if it does not say, and 0 if it has none. */
function announcedIn(headers: HeaderList): number {
	if (headerOf(headers, "transfer-encoding") !== null) {
		return Number.POSITIVE_INFINITY;
	}
	return Number(headerOf(headers, "content-length") ?? 0);
}
