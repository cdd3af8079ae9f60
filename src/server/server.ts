import type { AddressInfo, Socket } from "node:net";
import type { ServerConfig } from "../config/config.ts";
import { allRead } from "../core/all-read.ts";
import type { GatewayError } from "../core/errors.ts";
import type { CertificateChanged } from "../core/events.ts";
import type { SessionCounts } from "../core/http/web-socket.ts";
import { Memory } from "../core/memory.ts";
import type { Clock } from "../tasks/clock.ts";
import { openScope } from "../tasks/scope.ts";
import type { CertificateState } from "./certificates.ts";
import { createClientAddress, createClientScheme } from "./client-address.ts";
import { ClientConnections } from "./client-connections.ts";
import type { Handle } from "./client-exchange.ts";
import { ConnectionShares } from "./connection-shares.ts";
import { createCors } from "./cors.ts";
import { Drain } from "./drain.ts";
import { createFixed, withoutTls } from "./fixed-fields.ts";
import { createHosts } from "./hosts.ts";
import { Http1 } from "./http1.ts";
import { Listeners } from "./listeners.ts";
import { redirectTo } from "./redirect.ts";
import { Service } from "./service.ts";

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
	/** Told when certificates were read again, or could not be. */
	readonly onCertificate?: (event: CertificateChanged) => void;
	/** Descriptors of sockets that are bound to the host and the port already. Default: it makes its own. */
	readonly sockets?: readonly number[];
	/** The same for the port of `tls.redirect`. */
	readonly redirectSockets?: readonly number[];
	readonly clock: Clock;
	readonly handle: Handle;
	/** What requests hold is counted there. Default: it is not bounded. */
	readonly memory?: Memory;
	/**
	 * Called with errors that are bugs: thrown by `handle` and not a GatewayError, or thrown by the server itself (with
	 * an empty id).
	 */
	readonly onInternal?: (error: unknown, requestId: string) => void;
	/** False: node:http reads all requests. Default: we read those of HTTP/1.1 whose heads are simple. */
	readonly simpleHeads?: boolean;
	/** Called with requests that the server itself refused. `handle` never saw them. */
	readonly onRefused?: (error: GatewayError, requestId: string) => void;
	/** Asked about each connection before anything is read of it. True: another process has it. */
	readonly handOver?: (socket: Socket) => boolean;
}

/** How clients come by TLS. */
export interface TlsState {
	readonly certificates: readonly CertificateState[];
	/** How often the certificates were read again, by what became of it. */
	readonly reloads: { readonly loaded: number; readonly refused: number };
	/** Handshakes that failed, by the code of the error. */
	readonly failures: ReadonlyMap<string, number>;
}

export interface Server {
	readonly url: string;
	readonly host: string;
	readonly port: number;
	/** The port that only redirects; null without one. */
	readonly redirect: number | null;
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
	/** Serves a connection that another process has accepted on the same port. */
	take(socket: Socket): void;
	/** Closes so many connections, each with the answer that is now made on it. Their clients come back on others. */
	letGo(count: number): void;
	/** How many connections clients have now. */
	connections(): number;
	/** What has happened in its WebSockets. */
	sessions(): Readonly<SessionCounts>;
	/** Its certificates, and what became of handshakes; null without TLS. */
	tls(): TlsState | null;
	/** Sessions of TLS that another process has begun with these keys go on here. */
	useTicketKeys(keys: Buffer): void;
	/** Whether it drains, so that no further requests should be sent here. */
	draining(): boolean;
	/** Cuts running requests and closes all connections at once. */
	close(): Promise<void>;
}

/** Listens on a port, and on that of `tls.redirect`. Fails with the system's error if it cannot (`EADDRINUSE`). */
export async function listen(options: ServerOptions): Promise<Server> {
	const server = await listenAlone(options);
	const redirect = options.tls?.redirect ?? null;
	if (redirect === null) return server;
	const { redirectSockets, sockets: _, handOver: _1, ...others } = options;
	try {
		const plain = await listenAlone({
			...others,
			...{ tls: null, cors: null, websocket: null, port: redirect },
			headers: withoutTls(others.headers),
			...(redirectSockets && { sockets: redirectSockets }),
			handle: redirectTo(server.port),
		});
		return withRedirect(server, plain);
	} catch (error) {
		await server.close();
		throw error;
	}
}

async function listenAlone(options: ServerOptions): Promise<Server> {
	const {
		host,
		port,
		sockets,
		redirectSockets: _,
		clock,
		handle,
		memory = new Memory(),
		onInternal = nothing,
		onRefused = nothing,
		onCertificate = nothing,
		simpleHeads = true,
		handOver = keeps,
		...bounds
	} = options;
	const { headersTimeoutMs, requestTimeoutMs, idleTimeoutMs, ...limits } =
		bounds;
	const { headerBytesMax, headerFieldsMax, connectionsMax, ...others } = limits;
	const { healthPath, trustedProxies, addressHeader, ...rest } = others;
	const { cors, headers, hosts, connectionsPerClient, ...paces } = rest;
	const { leastBytesPerSecond, schemeHeader, websocket, tls, ...unread } =
		paces;
	allRead(unread);
	if (websocket !== null) {
		const { heartbeatMs: _, waitingBytesMax: _1, ...unreadOfIt } = websocket;
		allRead(unreadOfIt);
	}
	// The time for the header fields is part of the time for the request.
	const headersMs = Math.min(headersTimeoutMs, requestTimeoutMs);
	const clientAddress = createClientAddress({ trustedProxies, addressHeader });
	const addFixed = createFixed(headers);
	const scope = openScope({ clock });
	const accepting = openScope({ clock });
	const shares = new ConnectionShares({
		connectionsMax,
		connectionsPerClient,
		// Without a header a trusted proxy does not say who the client is.
		isProxy: (peer) => clientAddress(peer, []) !== peer,
	});
	const connections = new ClientConnections(shares, memory, clock);
	const drain = new Drain({
		...{ clock, scope, accepting, connections },
		port: {
			stop: () => void listeners.close(),
			close() {
				door?.close();
				http1.close();
				void connections.closeResting();
				return listeners.close();
			},
			async closeResting() {
				await connections.closeResting();
				http1.closeResting();
			},
		},
		running: () => service.running,
	});
	const service: Service = new Service({
		...{ clock, handle, onInternal, onRefused, memory, scope, accepting },
		...{ healthPath, clientAddress, ending: drain },
		limits: { headerFieldsMax, headerBytesMax },
		cors: cors === null ? null : createCors(cors),
		addFixed,
		answersFor: createHosts({ hosts, host }),
		clientScheme: createClientScheme({
			...{ trustedProxies, schemeHeader, own: tls ? "https" : "http" },
		}),
		onIdle: () => drain.onIdle(),
	});
	const connectionOptions = {
		...{ clock, idleTimeoutMs, requestTimeoutMs, leastBytesPerSecond },
		onRefused,
		addFixed,
	};
	const http1 = new Http1({
		...{ service, connections, headersMs, simpleHeads },
		options: connectionOptions,
		sessionBounds: websocket,
	});
	const doorMeans = {
		...{ http1, service, connections, headersMs },
		options: connectionOptions,
		tell: onCertificate,
	};
	// A server without TLS does not load it.
	const door =
		tls && (await (await import("./tls-door.ts")).openDoor(tls, doorMeans));
	const take = (socket: Socket) => {
		if (door) return door.accept(socket);
		const admission = connections.admit(socket);
		if (admission !== null) http1.connect(socket, admission);
	};
	const listeners = new Listeners((socket) => {
		if (!handOver(socket)) take(socket);
	});
	const where = { port, host, ...(sockets && { sockets }) };
	const taken = await listeners
		.open(where, (error) => onInternal(error, ""))
		.catch((error: unknown) => {
			door?.close();
			throw error;
		});
	return {
		url: urlOf(taken, tls ? "https" : "http"),
		host: taken.address,
		port: taken.port,
		redirect: null,
		drain: (timeoutMs, delayMs = 0) => drain.drain(timeoutMs, delayMs),
		retire: (timeoutMs, restMs) => drain.retire(timeoutMs, restMs),
		take,
		letGo: (count) => connections.letGo(count),
		connections: () => connections.size,
		sessions: () => service.sessions,
		tls: () => door && door.state,
		useTicketKeys: (keys) => door?.useTicketKeys(keys),
		draining: () => drain.draining,
		close: () => drain.close(),
	};
}

function urlOf({ address, port, family }: AddressInfo, scheme: string): string {
	return `${scheme}://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}

/** Both ports end together. What is said of connections is said of the first. */
function withRedirect(server: Server, plain: Server): Server {
	const both = async <T>(one: Promise<T>, other: Promise<unknown>) => {
		const [first] = await Promise.all([one, other]);
		return first;
	};
	return {
		...server,
		redirect: plain.port,
		drain: (timeoutMs, delayMs) =>
			both(server.drain(timeoutMs, delayMs), plain.drain(timeoutMs, delayMs)),
		retire: (timeoutMs, restMs) =>
			both(server.retire(timeoutMs, restMs), plain.retire(timeoutMs, restMs)),
		connections: () => server.connections() + plain.connections(),
		close: () => both(server.close(), plain.close()),
	};
}

function nothing(): void {}

function keeps(): boolean {
	return false;
}
