import {
	createServer,
	type Server as HttpServer,
	type IncomingMessage,
	type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { CorsConfig } from "../config/config.ts";
import { GatewayError } from "../core/errors.ts";
import type { GatewayResponse } from "../core/http/messages.ts";
import type { Clock } from "../tasks/clock.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { type ClientAddress, createClientAddress } from "./client-address.ts";
import { ClientConnection } from "./client-connection.ts";
import { ClientExchange, type Handle, type Owner } from "./client-exchange.ts";
import { type Cors, createCors } from "./cors.ts";
import { parserFault, refusalOf, refused } from "./refuse.ts";

export type { Handle };

export interface ServerOptions {
	readonly host: string;
	/** 0 for any that is free. */
	readonly port: number;
	readonly clock: Clock;
	readonly handle: Handle;
	/** Where GET answers 200, or 503 while draining; null for nowhere. */
	readonly healthPath: string | null;
	/** How many header fields a request may have; more are a 431. */
	readonly headerFieldsMax: number;
	/** How long the request's target and all names and values of its header fields may be together. */
	readonly headerBytesMax: number;
	/** The rest of the bounds: each has the default the config's key has. */
	readonly headersTimeoutMs?: number;
	readonly requestTimeoutMs?: number;
	readonly idleTimeoutMs?: number;
	readonly connectionsMax?: number;
	/** Addresses and subnets of the proxies in front. Default: none. */
	readonly trustedProxies?: readonly string[];
	/** Default null: pages of other origins read no answer. */
	readonly cors?: CorsConfig | null;
	/** Told of what is a bug: thrown by `handle` without being a GatewayError, or by the server (with an empty id). */
	readonly onInternal?: (error: unknown, requestId: string) => void;
}

export interface Server {
	readonly url: string;
	readonly host: string;
	readonly port: number;
	/**
	 * Stops accepting, answers what still comes over open connections with 503, and lets what runs finish; then all
	 * connections are closed. True when everything was finished within the time; else the rest was cut.
	 */
	drain(timeoutMs: number): Promise<boolean>;
	/** Cuts what runs and closes all connections at once. */
	close(): Promise<void>;
}

const defaultBounds = {
	headersTimeoutMs: 15_000,
	requestTimeoutMs: 60_000,
	idleTimeoutMs: 65_000,
	connectionsMax: 10_000,
	trustedProxies: [],
	cors: null,
} as const;

/** Options with nothing left out, but for who is told. */
type Settings = ServerOptions &
	Required<Pick<ServerOptions, keyof typeof defaultBounds>>;

/** How late a request may be found to be over its time; node looks at all of them in turn. */
const checkingIntervalMsMax = 5_000;

/** Connections beyond the allowed ones that are told so; yet more are closed without a word. */
const refusedConnectionsMax = 64;

/** Requests of one connection whose answer is not yet out; one more is refused, and nothing after it is read. */
const unansweredMax = 16;

/** Listens; fails with the system's error where it cannot (`EADDRINUSE`). */
export async function listen(options: ServerOptions): Promise<Server> {
	const settings: Settings = { ...defaultBounds, ...options };
	const { requestTimeoutMs } = settings;
	// The header fields are part of the request.
	const headersTimeoutMs = Math.min(
		settings.headersTimeoutMs,
		requestTimeoutMs,
	);
	const http = createServer({
		headersTimeout: headersTimeoutMs,
		requestTimeout: requestTimeoutMs,
		keepAliveTimeout: settings.idleTimeoutMs,
		connectionsCheckingInterval: Math.min(
			checkingIntervalMsMax,
			Math.ceil(headersTimeoutMs / 2),
		),
		// The parser refuses the length it is given.
		maxHeaderSize: settings.headerBytesMax + 1,
		insecureHTTPParser: false,
		// We look for it ourselves: node's own answer has neither a problem document nor an id.
		requireHostHeader: false,
		// No stream machinery for a request without a body.
		optimizeEmptyRequests: true,
	});
	// We count them ourselves: the parser drops fields beyond its count without a word, or has no request to answer to.
	http.maxHeadersCount = 0;
	http.maxConnections = settings.connectionsMax + refusedConnectionsMax;
	const service = new Service(http, settings);
	await opened(http, options.port, options.host);
	// Such as too many open files when a connection comes: without a listener it would end the process.
	http.on("error", (error) => options.onInternal?.(error, ""));
	const { address, port, family } = http.address() as AddressInfo;
	const authority = family === "IPv6" ? `[${address}]` : address;
	return {
		url: `http://${authority}:${port}`,
		host: address,
		port,
		drain: (timeoutMs) => service.drain(timeoutMs),
		close: () => service.close(),
	};
}

function opened(http: HttpServer, port: number, host: string): Promise<void> {
	return new Promise((resolve, reject) => {
		http.once("error", reject);
		http.listen(port, host, () => {
			http.off("error", reject);
			resolve();
		});
	});
}

/** What all connections of a server share. */
class Service implements Owner {
	readonly #http: HttpServer;
	readonly #options: Settings;
	readonly scope: Scope;
	readonly cors: Cors | null;
	readonly clientAddress: ClientAddress;
	readonly #closed: Promise<unknown>;
	readonly #connections = new Map<Socket, ClientConnection>();
	/** Connections that were let in: the others are on their way out. */
	#admitted = 0;
	/** Requests whose answer is not yet out. */
	#running = 0;
	#draining = false;
	#drained: Promise<boolean> | null = null;
	#onIdle: (() => void) | null = null;

	constructor(http: HttpServer, options: Settings) {
		this.#http = http;
		this.#options = options;
		this.cors = options.cors === null ? null : createCors(options.cors);
		this.clientAddress = createClientAddress(options.trustedProxies);
		this.scope = openScope({ clock: options.clock });
		this.#closed = new Promise((resolve) => http.once("close", resolve));
		http.on("connection", (socket) => this.#connect(socket));
		http.on("request", (message, response) => {
			this.#receive(message, response, refusalOf(message, options));
		});
		// An `Expect` other than 100-continue, which node sees to.
		http.on("checkExpectation", (message, response) => {
			const fault = refused(417, "headers.expect", "is not `100-continue`");
			this.#receive(message, response, fault);
		});
		http.on("clientError", (error, socket) => {
			const begun = (socket as Socket).bytesRead > 0;
			// Whoever made a connection and never said anything asked nothing that could be answered.
			const fault = begun ? parserFault(error) : null;
			this.#connections.get(socket as Socket)?.onFault(fault);
		});
		// Without a listener node closes the connection without a word.
		http.on("connect", (_message, socket) => {
			const fault = refused(400, "request", "CONNECT is for proxies");
			this.#connections.get(socket as Socket)?.onFault(fault);
		});
	}

	#connect(socket: Socket): void {
		const connection = new ClientConnection(socket, this.#options);
		this.#connections.set(socket, connection);
		// What is draining closes as soon as it can, also what the system had accepted before.
		connection.closing = this.#draining;
		// Node's own listener is gone after a CONNECT; without any, a reset would end the process.
		socket.on("error", nothing);
		const admitted = this.#admitted < this.#options.connectionsMax;
		if (admitted) this.#admitted++;
		else connection.refuse(tooManyConnections());
		socket.once("close", () => {
			if (admitted) this.#admitted--;
			this.#connections.delete(socket);
			connection.leave();
		});
	}

	#receive(
		message: IncomingMessage,
		response: ServerResponse,
		refusal: GatewayError | null,
	): void {
		const connection = this.#connections.get(message.socket);
		if (connection === undefined) return;
		if (connection.over) {
			connection.ignore();
			return;
		}
		const { healthPath, handle } = this.#options;
		const tooMany = connection.unanswered >= unansweredMax;
		const exchange = new ClientExchange(message, response, connection, this);
		connection.begin(exchange);
		this.#running++;
		const preflight = this.cors?.preflight(exchange) ?? null;
		if (refusal !== null) exchange.refuse(refusal);
		else if (tooMany) exchange.refuse(tooManyUnanswered());
		else if (this.#draining) exchange.fail(draining());
		else if (preflight !== null) exchange.answer(preflight);
		else if (isAt(exchange.target, healthPath)) answerHealth(exchange);
		else void exchange.run(handle);
	}

	onOver(): void {
		this.#running--;
		if (this.#running === 0) this.#onIdle?.();
	}

	onInternal(thrown: unknown, requestId: string): void {
		this.#options.onInternal?.(thrown, requestId);
	}

	drain(timeoutMs: number): Promise<boolean> {
		this.#drained ??= this.#drain(timeoutMs);
		return this.#drained;
	}

	async #drain(timeoutMs: number): Promise<boolean> {
		this.#stopAccepting();
		await this.#idleWithin(timeoutMs);
		const finished = !this.scope.cancelled && this.#running === 0;
		await this.close();
		return finished;
	}

	#idleWithin(timeoutMs: number): Promise<void> {
		if (this.#running === 0) return Promise.resolve();
		return new Promise((resolve) => {
			const timer = this.#options.clock.after(timeoutMs, resolve);
			this.#onIdle = () => {
				timer.cancel();
				resolve();
			};
		});
	}

	async close(): Promise<void> {
		this.#stopAccepting();
		this.scope.cancel(draining());
		for (const connection of this.#connections.values()) connection.leave();
		await this.#closed;
	}

	#stopAccepting(): void {
		if (this.#draining) return;
		this.#draining = true;
		for (const connection of this.#connections.values()) {
			connection.closing = true;
		}
		// Also closes the connections at rest.
		this.#http.close();
	}
}

function nothing(): void {}

function draining(): GatewayError {
	// Another instance answers: the client need not wait.
	const facts = { retryAfterMs: 1000 };
	return new GatewayError("gateway_draining", "the server is draining", facts);
}

function tooManyConnections(): GatewayError {
	const facts = { retryAfterMs: 1000 };
	return new GatewayError("overloaded", "too many connections", facts);
}

function tooManyUnanswered(): GatewayError {
	const message = `more than ${unansweredMax} requests before the first answer`;
	const errors = [{ at: "connection", message }];
	return new GatewayError("too_many_requests", message, { errors });
}

const health: GatewayResponse = {
	status: 200,
	headers: ["content-type", "application/json", "cache-control", "no-store"],
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
