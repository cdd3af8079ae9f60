import type {
	Server as HttpServer,
	IncomingMessage,
	ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import { GatewayError } from "../core/errors.ts";
import { type HeaderList, headerOf } from "../core/http/headers.ts";
import { createServer } from "../core/http/node-http.ts";
import { SharedFrame } from "../core/http/shared-frame.ts";
import type { SessionBounds } from "../core/http/web-socket.ts";
import {
	ClientConnection,
	type ConnectionOptions,
} from "./client-connection.ts";
import {
	type Admission,
	type ClientConnections,
	givenItsSocket,
} from "./client-connections.ts";
import { ClientExchange } from "./client-exchange.ts";
import { chunkOf, Http1Answer } from "./http1-answer.ts";
import { endsConnection, parserFault, refusalOf, refused } from "./refuse.ts";
import { connectRefused } from "./server-answers.ts";
import type { Service } from "./service.ts";
import { asksForWebSocket, Handshakes, Upgrade } from "./upgrade.ts";

/** How often Node looks whether a request is over its time, so how late it may find one. */
const checkingIntervalMsMax = 5_000;

/**
 * The most requests of one connection whose answers are not yet out. One more is refused, and nothing after it is read.
 */
const unansweredMax = 16;

interface HttpBounds {
	/** How long the header fields of a request may take to come. */
	readonly headersMs: number;
	readonly idleTimeoutMs: number;
	readonly headerBytesMax: number;
}

/** Node's server of HTTP/1.1, with our bounds. `mayUpgrade` says whether Node is to let go of a request's connection. */
export function createHttpServer(
	{ headersMs, idleTimeoutMs, headerBytesMax }: HttpBounds,
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
	return http;
}

interface Http1Means {
	readonly service: Service;
	readonly connections: ClientConnections;
	readonly options: ConnectionOptions;
	/** Null: there are no WebSockets. */
	readonly sessionBounds: SessionBounds | null;
	/** Counts a connection, or has done so. Null if it was closed at once. */
	readonly admit: (socket: Socket) => Admission | null;
}

/** What not every request is. */
interface Special {
	/** It asks before it sends its body. */
	readonly holdsBody?: boolean;
	/** It may become a WebSocket. */
	readonly upgrade?: Upgrade | null;
}

/** Makes requests of what node:http tells. */
export class Http1 {
	readonly #means: Http1Means;
	readonly #connections = new Map<Socket, ClientConnection>();
	readonly #handshakes = new Handshakes();
	readonly #sharedChunk = new SharedFrame(chunkOf);

	constructor(http: HttpServer, means: Http1Means) {
		this.#means = means;
		const { limits } = means.service;
		http.on("connection", (socket) => this.#connect(socket));
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
		http.on("timeout", (socket) => this.#connections.get(socket)?.onIdle());
		http.on("clientError", (error, socket) => {
			const begun = (socket as Socket).bytesRead > 0;
			// A client that never sent anything has asked nothing that could be answered.
			const fault = begun ? parserFault(error) : null;
			this.#connections.get(socket as Socket)?.onFault(fault);
		});
		// Without a listener Node closes the connection without an answer.
		http.on("connect", (_message, socket) => {
			this.#connections.get(socket as Socket)?.onFault(connectRefused());
		});
	}

	#connect(socket: Socket): void {
		const { connections, options, admit } = this.#means;
		const admission = admit(socket);
		if (admission === null) return;
		const connection = new ClientConnection(socket, admission, options);
		this.#connections.set(socket, connection);
		connections.add(connection);
		if (admission.refusal !== null) connection.refuse(admission.refusal);
		socket.on("close", this.#onClose);
	}

	readonly #onClose = givenItsSocket((socket) => {
		const connection = this.#connections.get(socket);
		if (connection === undefined) return;
		this.#connections.delete(socket);
		this.#means.connections.delete(connection);
	});

	readonly #onTimeout = givenItsSocket((socket) =>
		this.#connections.get(socket)?.onIdle(),
	);

	/**
	 * Whether Node is to let go of the connection of a request, so that it can become a WebSocket. Whatever is to be said
	 * about the request otherwise is said by the same rules as about any other.
	 */
	mayUpgrade(message: IncomingMessage): boolean {
		const connection = this.#connections.get(message.socket);
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
		const connection = this.#connections.get(socket);
		const { sessionBounds, service } = this.#means;
		if (connection === undefined || sessionBounds === null) return;
		// Node's own listener is gone.
		socket.on("timeout", this.#onTimeout);
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
		{ holdsBody = false, upgrade = null }: Special = {},
	): void {
		const connection = this.#connections.get(message.socket);
		if (connection === undefined) return;
		if (connection.over) {
			connection.ignore();
			return;
		}
		const { service } = this.#means;
		const tooMany = connection.unanswered >= unansweredMax;
		const exchange = new ClientExchange({
			incoming: message,
			bodyBytes: announcedIn(message.rawHeaders),
			answer: new Http1Answer(message, response, this.#sharedChunk),
			carrier: connection,
			owner: service,
			upgrade,
		});
		connection.begin(exchange);
		if (holdsBody) exchange.holdBody();
		if (endsConnection(message)) connection.finish();
		const { url = "" } = message;
		const fault = refusal ?? (tooMany ? tooManyUnanswered() : null);
		service.receive(exchange, connection, url, fault);
	}
}

/** How long a request says that its body is; Infinity if it does not say, and 0 if it has none. */
function announcedIn(headers: HeaderList): number {
	if (headerOf(headers, "transfer-encoding") !== null) {
		return Number.POSITIVE_INFINITY;
	}
	return Number(headerOf(headers, "content-length") ?? 0);
}

function tooManyUnanswered(): GatewayError {
	const message = `more than ${unansweredMax} requests before the first answer`;
	const errors = [{ at: "connection", message }];
	return new GatewayError("too_many_requests", message, { errors });
}
