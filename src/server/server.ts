import {
	createServer,
	type Server as HttpServer,
	type IncomingMessage,
	type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import type { ServerConfig } from "../config/config.ts";
import { allRead } from "../core/all-read.ts";
import { GatewayError } from "../core/errors.ts";
import type { GatewayResponse } from "../core/http/messages.ts";
import { unsniffed } from "../core/http/problem.ts";
import { SharedFrame } from "../core/http/shared-frame.ts";
import {
	frameOf,
	type SessionBounds,
	type SessionCounts,
	type WebSocketSession,
} from "../core/http/web-socket.ts";
import { Memory } from "../core/memory.ts";
import type { Clock } from "../tasks/clock.ts";
import type { LoopTurn } from "../tasks/loop-turn.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import {
	type ClientAddress,
	type ClientScheme,
	createClientAddress,
	createClientScheme,
} from "./client-address.ts";
import { ClientConnection } from "./client-connection.ts";
import {
	ClientExchange,
	chunkOf,
	type Handle,
	type Owner,
} from "./client-exchange.ts";
import { ConnectionShares } from "./connection-shares.ts";
import { type Cors, createCors } from "./cors.ts";
import { type AnswersFor, createHosts } from "./hosts.ts";
import { Listeners } from "./listeners.ts";
import { PaceWatch } from "./pace-watch.ts";
import {
	endsConnection,
	type HeadLimits,
	isAboutServer,
	parserFault,
	refusalOf,
	refused,
} from "./refuse.ts";
import { asksForWebSocket, Handshakes, Upgrade } from "./upgrade.ts";

export type { Handle };

/**
 * The server's part of a config, except what others read: the gateway bounds bodies, answers and memory, and `serve` times
 * the drain.
 */
export interface ServerOptions
	extends Omit<
		ServerConfig,
		| "answerBytesMax"
		| "bodyBytesMax"
		| "drainDelayMs"
		| "drainMs"
		| "memoryBytesMax"
		| "valuesMax"
		| "websocket"
		| "workers"
	> {
	/** Null: a request for one is answered as if it asked for none. */
	readonly websocket: ServerConfig["websocket"] | null;
	/** Descriptors of sockets that are bound to the host and the port already. Default: it makes its own. */
	readonly sockets?: readonly number[];
	readonly clock: Clock;
	readonly handle: Handle;
	/** What requests hold is counted there. Default: it is not bounded. */
	readonly memory?: Memory;
	/**
	 * Called with errors that are bugs: thrown by `handle` and not a GatewayError, or thrown by the server itself (with
	 * an empty id).
	 */
	readonly onInternal?: (error: unknown, requestId: string) => void;
	/** Called with requests that the server itself refused. `handle` never saw them. */
	readonly onRefused?: (error: GatewayError, requestId: string) => void;
}

export interface Server {
	readonly url: string;
	readonly host: string;
	readonly port: number;
	/**
	 * Answers the health check with 503, and takes requests for the delay. Then it stops accepting connections, answers
	 * further requests on open ones with 503, and lets running requests finish. Then all connections are closed. True if
	 * all requests finished within the time, which begins after the delay; else the rest was cut.
	 */
	drain(timeoutMs: number, delayMs?: number): Promise<boolean>;
	/**
	 * Leaves the port to other processes that accept from the same sockets. Accepts no more, and closes each connection with
	 * its next answer. The health check goes on answering 200. Connections at rest are closed after `restMs`. Then the
	 * others have `timeoutMs`.
	 */
	retire(timeoutMs: number, restMs: number): Promise<boolean>;
	/** Closes so many connections, each with the answer that is now made on it. Their clients come back on others. */
	letGo(count: number): void;
	/** How many connections clients have now. */
	connections(): number;
	/** What has happened in its WebSockets. */
	sessions(): Readonly<SessionCounts>;
	/** Whether it drains, so that no further requests should be sent here. */
	draining(): boolean;
	/** Cuts running requests and closes all connections at once. */
	close(): Promise<void>;
}

/** How often Node looks whether a request is over its time, so how late it may find one. */
const checkingIntervalMsMax = 5_000;

/** How long a connection whose answer has just ended may be at rest, at least, in a server that retires. */
const restMsMin = 100;

/** What a connection at rest takes of the heap: measured with 2,000. It takes 18 KiB more beside the heap. */
const connectionBytes = 8 * 1024;

/** How many connections beyond the bound get an answer. Yet more are closed without one. */
const refusedConnectionsMax = 64;

/**
 * The most requests of one connection whose answers are not yet out. One more is refused, and nothing after it is read.
 */
const unansweredMax = 16;

/** A draining server ends so many sessions per second at most, if it has the time: one in so many milliseconds. */
const drainEachMs = 10;
const drainStepMs = 50;

/** Listens on a port. Fails with the system's error if it cannot (`EADDRINUSE`). */
export async function listen(options: ServerOptions): Promise<Server> {
	const {
		host,
		port,
		sockets,
		clock,
		handle,
		memory = new Memory(),
		onInternal = nothing,
		onRefused = nothing,
		...bounds
	} = options;
	const { headersTimeoutMs, requestTimeoutMs, idleTimeoutMs, ...limits } =
		bounds;
	const { headerBytesMax, headerFieldsMax, connectionsMax, ...others } = limits;
	const { healthPath, trustedProxies, addressHeader, ...rest } = others;
	const { cors, hosts, connectionsPerClient, ...paces } = rest;
	const { leastBytesPerSecond, schemeHeader, websocket, ...unread } = paces;
	allRead(unread);
	if (websocket !== null) {
		const { heartbeatMs: _, waitingBytesMax: _1, ...unreadOfIt } = websocket;
		allRead(unreadOfIt);
	}
	// The time for the header fields is part of the time for the request.
	const headersMs = Math.min(headersTimeoutMs, requestTimeoutMs);
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
		shouldUpgradeCallback: (message) => service.mayUpgrade(message),
	});
	// We count fields ourselves: beyond its own count the parser drops fields silently, or has no request to answer.
	http.maxHeadersCount = 0;
	const listeners = new Listeners(http);
	const clientAddress = createClientAddress({ trustedProxies, addressHeader });
	const service: Service = new Service(http, listeners, {
		...{ clock, handle, onInternal, onRefused, memory },
		...{ idleTimeoutMs, requestTimeoutMs, leastBytesPerSecond, healthPath },
		limits: { headerFieldsMax, headerBytesMax },
		sessionBounds: websocket,
		shares: new ConnectionShares({
			connectionsMax,
			connectionsPerClient,
			// Without a header a trusted proxy does not say who the client is.
			isProxy: (peer) => clientAddress(peer, []) !== peer,
		}),
		cors: cors === null ? null : createCors(cors),
		answersFor: createHosts({ hosts, host }),
		clientAddress,
		clientScheme: createClientScheme({ trustedProxies, schemeHeader }),
	});
	const {
		address,
		port: taken,
		family,
	} = await listeners.open(
		{ port, host, ...(sockets && { sockets }) },
		(error) => onInternal(error, ""),
	);
	const authority = family === "IPv6" ? `[${address}]` : address;
	return {
		url: `http://${authority}:${taken}`,
		host: address,
		port: taken,
		drain: (timeoutMs, delayMs = 0) => service.drain(timeoutMs, delayMs),
		retire: (timeoutMs, restMs) => service.retire(timeoutMs, restMs),
		letGo: (count) => service.letGo(count),
		connections: () => service.connections,
		sessions: () => service.sessions,
		draining: () => service.draining,
		close: () => service.close(),
	};
}

/** What not every request is. */
interface Special {
	/** It asks before it sends its body. */
	readonly holdsBody?: boolean;
	/** It may become a WebSocket. */
	readonly upgrade?: Upgrade | null;
}

/** The options that connections and requests need. */
interface Settings
	extends Pick<
		Required<ServerOptions>,
		| "clock"
		| "handle"
		| "memory"
		| "onInternal"
		| "onRefused"
		| "idleTimeoutMs"
		| "requestTimeoutMs"
		| "leastBytesPerSecond"
		| "healthPath"
	> {
	readonly limits: HeadLimits;
	/** Null: there are no WebSockets. */
	readonly sessionBounds: SessionBounds | null;
	readonly shares: ConnectionShares;
	readonly cors: Cors | null;
	/** Null: for any host. */
	readonly answersFor: AnswersFor | null;
	readonly clientAddress: ClientAddress;
	readonly clientScheme: ClientScheme;
}

/** The state that all connections of a server share. */
class Service implements Owner {
	readonly #listeners: Listeners;
	readonly #options: Settings;
	readonly scope: Scope;
	readonly accepting: Scope;
	readonly cors: Cors | null;
	readonly clientAddress: ClientAddress;
	readonly clientScheme: ClientScheme;
	readonly limits: HeadLimits;
	readonly memory: Memory;
	readonly sessionBounds: SessionBounds | null;
	readonly sessions: SessionCounts = {
		...{ open: 0, received: 0, sent: 0 },
		closed: new Map(),
	};
	readonly shared = new SharedFrame(frameOf);
	readonly sharedChunk = new SharedFrame(chunkOf);
	readonly #handshakes = new Handshakes();
	readonly #connections = new Map<Socket, ClientConnection>();
	readonly #paces: PaceWatch;
	/** Connections beyond the bounds, which are on their way out. */
	#refused = 0;
	/** Requests whose answer is not yet out. */
	#running = 0;
	/** Whether the health check fails, and connections end with their next answer. */
	#draining = false;
	/** Whether requests are refused. */
	#refusing = false;
	#drained: Promise<boolean> | null = null;
	/** Whether connections end with their next answer, although the health check does not fail. */
	#retiring = false;
	#onIdle: (() => void) | null = null;
	/** Called when the last connection is gone. */
	#onEmpty: () => void = nothing;
	readonly #http: HttpServer;

	constructor(http: HttpServer, listeners: Listeners, options: Settings) {
		this.#http = http;
		this.#listeners = listeners;
		this.#options = options;
		this.cors = options.cors;
		this.clientAddress = options.clientAddress;
		this.clientScheme = options.clientScheme;
		this.limits = options.limits;
		this.memory = options.memory;
		this.sessionBounds = options.sessionBounds;
		this.scope = openScope({ clock: options.clock });
		this.accepting = openScope({ clock: options.clock });
		this.#paces = new PaceWatch(this.#connections, options.clock);
		http.on("connection", (socket) => this.#connect(socket));
		http.on("request", (message, response) => {
			this.#receive(message, response, refusalOf(message, this.limits));
		});
		http.on("upgrade", (message, socket, head) => {
			this.#upgrade(message, socket as Socket, head);
		});
		// Node would say at once that the body is wanted, although it may be too long or have to wait.
		http.on("checkContinue", (message, response) => {
			const refusal = refusalOf(message, this.limits);
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
			// No resource has it, so none of them is named (RFC 9110, 10.2.1).
			const fault = new GatewayError(
				"method_not_allowed",
				"CONNECT is for proxies",
				{ allow: [] },
			);
			this.#connections.get(socket as Socket)?.onFault(fault);
		});
	}

	#connect(socket: Socket): void {
		const { shares } = this.#options;
		const connection = new ClientConnection(socket, this.#options);
		const { peer } = connection;
		const refusal = shares.take(peer);
		if (refusal !== null && this.#refused >= refusedConnectionsMax) {
			socket.destroy();
			return;
		}
		this.#connections.set(socket, connection);
		this.memory.held += connectionBytes;
		this.#paces.start();
		// A draining server closes each connection as soon as it can, also those that the system had accepted before.
		connection.closing = this.#draining || this.#retiring;
		// Node's own listener is gone after a CONNECT. Without a listener a reset would end the process.
		socket.on("error", nothing);
		if (refusal === null) connection.client = shares.memoryOf(peer);
		else {
			this.#refused++;
			connection.refuse(refusal);
		}
		socket.once("close", () => {
			if (refusal === null) shares.give(peer);
			else this.#refused--;
			this.#connections.delete(socket);
			this.memory.give(connectionBytes);
			connection.gone();
			if (this.#connections.size === 0) this.#onEmpty();
		});
	}

	get turn(): LoopTurn {
		return this.#options.clock.turn;
	}

	/**
	 * Whether Node is to let go of the connection of a request, so that it can become a WebSocket. Whatever is to be said
	 * about the request otherwise is said by the same rules as about any other.
	 */
	mayUpgrade(message: IncomingMessage): boolean {
		const connection = this.#connections.get(message.socket);
		return (
			this.sessionBounds !== null &&
			connection !== undefined &&
			!connection.over &&
			// Answers that are not out yet would lose their way.
			connection.unanswered === 0 &&
			asksForWebSocket(message)
		);
	}

	#upgrade(message: IncomingMessage, socket: Socket, head: Uint8Array): void {
		const connection = this.#connections.get(socket);
		const { sessionBounds } = this;
		if (connection === undefined || sessionBounds === null) return;
		// Node's own listener is gone.
		socket.on("timeout", () => connection.onIdle());
		const upgrade = new Upgrade(message, socket, head, {
			handshakes: this.#handshakes,
			bounds: sessionBounds,
			onLeft: () => connection.leave(),
		});
		const refusal = refusalOf(message, this.limits);
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
		const { healthPath, handle, answersFor } = this.#options;
		const tooMany = connection.unanswered >= unansweredMax;
		const exchange = new ClientExchange(
			...([message, response, connection, this, upgrade] as const),
		);
		connection.begin(exchange);
		if (holdsBody) exchange.holdBody();
		if (endsConnection(message)) connection.finish();
		this.#running++;
		const preflight = this.cors?.preflight(exchange) ?? null;
		// Load balancers ask for health by address, and the answer tells nothing.
		const misdirected =
			answersFor !== null &&
			!answersFor(message.url ?? "", exchange.headers) &&
			!isAt(exchange.target, healthPath);
		if (refusal !== null) exchange.refuse(refusal);
		else if (tooMany) exchange.refuse(tooManyUnanswered());
		else if (this.#refusing) exchange.fail(draining());
		else if (misdirected) exchange.fail(unknownHost());
		else if (preflight !== null) exchange.answer(preflight);
		else if (isAboutServer(exchange.method, message.url ?? "")) {
			exchange.answer(itsOptions);
		} else if (isAt(exchange.target, healthPath)) this.#answerHealth(exchange);
		else if (connection.admits(exchange)) void exchange.run(handle);
		else if (exchange.memory.short) exchange.fail(this.memory.usedUp);
		else connection.later(exchange, () => void exchange.run(handle));
	}

	onSession(session: WebSocketSession): void {
		if (this.#refusing) session.drain(draining());
	}

	onOver(): void {
		this.#running--;
		if (this.#running === 0) this.#onIdle?.();
	}

	onInternal(thrown: unknown, requestId: string): void {
		this.#options.onInternal(thrown, requestId);
	}

	onRefused(error: GatewayError, requestId: string): void {
		this.#options.onRefused(error, requestId);
	}

	#answerHealth(exchange: ClientExchange): void {
		if (this.#draining) exchange.fail(draining());
		else answerHealth(exchange);
	}

	get connections(): number {
		return this.#connections.size;
	}

	get draining(): boolean {
		return this.#draining;
	}

	drain(timeoutMs: number, delayMs: number): Promise<boolean> {
		this.#drained ??= this.#drain(timeoutMs, delayMs);
		return this.#drained;
	}

	async #drain(timeoutMs: number, delayMs: number): Promise<boolean> {
		this.#beginDraining();
		// Whoever sends requests here looks at the health check now and then, and must see it before the port is closed.
		if (delayMs > 0) await this.#pause(delayMs);
		this.#stopAccepting();
		void this.#drainSessions(timeoutMs / 2);
		await this.#idleWithin(timeoutMs);
		const finished = !this.scope.cancelled && this.#running === 0;
		await this.close();
		return finished;
	}

	/** One after the other, because their clients come back at once, to another server or to this one's successor. */
	async #drainSessions(withinMs: number): Promise<void> {
		const { clock } = this.#options;
		const left = Array.from(this.#connections.values())
			.map(({ session }) => session)
			.filter((session) => session !== null);
		const count = left.length;
		const spreadMs = Math.min(withinMs, count * drainEachMs);
		const startMs = clock.now();
		while (left.length > 0 && !this.scope.cancelled) {
			const share = spreadMs > 0 ? (clock.now() - startMs) / spreadMs : 1;
			const due = Math.floor(count * share) + 1;
			const stay = Math.max(0, count - due);
			for (const session of left.splice(stay)) session.drain(draining());
			if (left.length > 0) await this.#pause(drainStepMs);
		}
	}

	letGo(count: number): void {
		let left = count;
		for (const connection of this.#connections.values()) {
			if (left === 0) return;
			// On one at rest a request may be on its way.
			if (connection.closing || connection.unanswered === 0) continue;
			connection.closing = true;
			left--;
		}
	}

	retire(timeoutMs: number, restMs: number): Promise<boolean> {
		this.#drained ??= this.#retire(timeoutMs, restMs);
		return this.#drained;
	}

	async #retire(timeoutMs: number, restMs: number): Promise<boolean> {
		this.#listeners.stop();
		this.#retiring = true;
		this.#endConnections();
		// Whoever is told to come back finds another process.
		this.accepting.cancel(draining());
		void this.#drainSessions(timeoutMs / 2);
		const { clock } = this.#options;
		const untilMs = clock.now() + restMs + timeoutMs;
		await this.#emptyWithin(restMs);
		await this.#closeResting();
		// A long answer that began before could not say that its connection ends, so that is at rest again.
		while (this.#connections.size > 0 && clock.now() < untilMs) {
			const leftMs = untilMs - clock.now();
			await this.#emptyWithin(Math.min(Math.max(restMs, restMsMin), leftMs));
			if (this.scope.cancelled) break;
			await this.#closeResting();
		}
		const finished = !this.scope.cancelled && this.#running === 0;
		await this.close();
		return finished;
	}

	/** Ends early if the server is closed, or when `onEarly` calls back. */
	#pause(ms: number, onEarly: (end: () => void) => void = nothing) {
		if (this.scope.cancelled) return Promise.resolve();
		return new Promise<void>((resolve) => {
			const end = () => {
				timer.cancel();
				stopListening();
				resolve();
			};
			const timer = this.#options.clock.after(ms, end);
			const stopListening = this.scope.onCancel(end);
			onEarly(end);
		});
	}

	async #idleWithin(timeoutMs: number): Promise<void> {
		if (this.#running === 0) return;
		await this.#pause(timeoutMs, (end) => {
			this.#onIdle = end;
		});
	}

	async #closeResting(): Promise<void> {
		// What has come is read before the timers' next turn. Until then a request may wait unread.
		await new Promise((resolve) => setImmediate(resolve));
		this.#http.closeIdleConnections();
		for (const [socket, connection] of this.#connections) {
			// To Node one that never asked is not idle.
			if (socket.bytesRead === 0) connection.leave();
		}
	}

	async #emptyWithin(timeoutMs: number): Promise<void> {
		if (this.#connections.size === 0) return;
		await this.#pause(timeoutMs, (end) => {
			this.#onEmpty = end;
		});
	}

	async close(): Promise<void> {
		this.#stopAccepting();
		this.#paces.stop();
		this.scope.cancel(draining());
		for (const connection of this.#connections.values()) connection.leave();
		await this.#listeners.close();
	}

	#beginDraining(): void {
		this.#draining = true;
		this.#endConnections();
	}

	#endConnections(): void {
		for (const connection of this.#connections.values()) {
			connection.closing = true;
		}
	}

	#stopAccepting(): void {
		if (this.#refusing) return;
		this.#refusing = true;
		this.#beginDraining();
		void this.#listeners.close();
		// A client that is told to come back must not find this port open.
		this.accepting.cancel(draining());
	}
}

function nothing(): void {}

function draining(): GatewayError {
	// No wait, because another instance can answer at once.
	const facts = { retryAfterMs: 1000 };
	return new GatewayError("gateway_draining", "the server is draining", facts);
}

function unknownHost(): GatewayError {
	const message = "names a host that this server's `hosts` does not have";
	const errors = [{ at: "headers.host", message }];
	return new GatewayError("misdirected", message, { errors });
}

function tooManyUnanswered(): GatewayError {
	const message = `more than ${unansweredMax} requests before the first answer`;
	const errors = [{ at: "connection", message }];
	return new GatewayError("too_many_requests", message, { errors });
}

/** What the server as a whole can do is the same for everybody, and there is nothing to say about it. */
const itsOptions: GatewayResponse = { status: 204, headers: [], body: null };

const health: GatewayResponse = {
	status: 200,
	headers: [
		...["content-type", "application/json", "cache-control", "no-store"],
		...unsniffed,
	],
	body: '{"status":"ok"}',
};

function answerHealth(exchange: ClientExchange): void {
	if (exchange.method === "GET" || exchange.method === "HEAD") {
		exchange.answer(health);
		return;
	}
	const allow = ["GET", "HEAD"];
	exchange.fail(
		new GatewayError("method_not_allowed", "health is read", { allow }),
	);
}

function isAt(target: string, path: string | null): boolean {
	if (path === null || !target.startsWith(path)) return false;
	return target.length === path.length || target[path.length] === "?";
}
