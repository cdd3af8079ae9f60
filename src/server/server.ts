import { once } from "node:events";
import {
	createServer,
	type Server as HttpServer,
	type IncomingMessage,
	type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { GatewayError } from "../core/errors.ts";
import type { GatewayResponse } from "../core/messages.ts";
import type { Clock } from "../tasks/clock.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { Connection } from "./connection.ts";
import { Exchange, type Handle, type Owner } from "./exchange.ts";
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

/** A client that takes longer to send its header lines holds the connection on purpose, or by mistake. */
const headersTimeoutMs = 15_000;

/** The whole request, its body included: 1 MiB at some 17 KiB/s. */
const requestTimeoutMs = 60_000;

/** Longer than the 60 s load balancers keep an idle connection for, so that it is they who close it. */
const keepAliveTimeoutMs = 65_000;

/** How late a connection may be found to be over its time; node looks at all of them in turn. */
const connectionsCheckingIntervalMs = 5_000;

/** Listens; fails with the system's error where it cannot (`EADDRINUSE`). */
export async function listen(options: ServerOptions): Promise<Server> {
	const http = createServer({
		headersTimeout: headersTimeoutMs,
		requestTimeout: requestTimeoutMs,
		keepAliveTimeout: keepAliveTimeoutMs,
		connectionsCheckingInterval: connectionsCheckingIntervalMs,
		// The parser refuses the length it is given.
		maxHeaderSize: options.headerBytesMax + 1,
		insecureHTTPParser: false,
		// We look for it ourselves: node's own answer has neither a problem document nor an id.
		requireHostHeader: false,
		// No stream machinery for a request without a body.
		optimizeEmptyRequests: true,
	});
	// Beyond this the parser drops fields without a word: one more than allowed is enough to notice.
	http.maxHeadersCount = options.headerFieldsMax + 1;
	const service = new Service(http, options);
	http.listen(options.port, options.host);
	await once(http, "listening");
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

/** What all connections of a server share. */
class Service implements Owner {
	readonly #http: HttpServer;
	readonly #options: ServerOptions;
	readonly scope: Scope;
	readonly #closed: Promise<unknown>;
	readonly #connections = new Map<Socket, Connection>();
	/** Requests whose answer is not yet out. */
	#running = 0;
	#draining = false;
	#drained: Promise<boolean> | null = null;
	#onIdle: (() => void) | null = null;

	constructor(http: HttpServer, options: ServerOptions) {
		this.#http = http;
		this.#options = options;
		this.scope = openScope({ clock: options.clock });
		this.#closed = new Promise((resolve) => http.once("close", resolve));
		http.on("connection", (socket) => this.#connect(socket));
		http.on("request", (message, response) => {
			this.#receive(message, response, refusalOf(message, options));
		});
		// An `Expect` other than 100-continue, which node sees to.
		http.on("checkExpectation", (message, response) => {
			this.#receive(message, response, refused(417, "an odd expectation"));
		});
		http.on("clientError", (error, socket) => {
			this.#connections.get(socket as Socket)?.onFault(parserFault(error));
		});
		// Without a listener node closes the connection without a word.
		http.on("connect", (_message, socket) => {
			const fault = refused(400, "CONNECT, as if to a proxy");
			this.#connections.get(socket as Socket)?.onFault(fault);
		});
	}

	#connect(socket: Socket): void {
		const connection = new Connection(socket, this.#options.clock);
		this.#connections.set(socket, connection);
		// Node's own listener is gone after a CONNECT; without any, a reset would end the process.
		socket.on("error", nothing);
		socket.once("close", () => {
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
		const { healthPath, handle } = this.#options;
		const exchange = new Exchange(message, response, connection, this);
		connection.begin(exchange);
		this.#running++;
		if (refusal !== null) exchange.fail(refusal);
		else if (this.#draining) exchange.fail(draining());
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
	return new GatewayError("gateway_draining", "the server is draining");
}

const health: GatewayResponse = {
	status: 200,
	headers: ["content-type", "application/json", "cache-control", "no-store"],
	body: '{"status":"ok"}',
};

function answerHealth(exchange: Exchange): void {
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
