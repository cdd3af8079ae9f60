import type { Socket } from "node:net";
import { buildConnector, Client, type Dispatcher } from "undici";
import { type Collector, createCollector } from "../../core/collector.ts";
import type {
	HeaderList,
	UpstreamRequest,
	UpstreamResponse,
} from "../../core/messages.ts";
import type { Scope } from "../../tasks/scope.ts";
import { type Coding, decode, parseCoding } from "./decode.ts";
import { closed, invalid, translate } from "./failure.ts";
import type { Wire, WireSettings } from "./wire.ts";

/** Well above any sensible `timeout`, which is what ends an attempt; a last bound where none does. */
const connectTimeoutMs = 60_000;

/** An idle connection is closed before common servers do it after 5 s: one closed while a request travels fails it. */
const keepAliveTimeoutMs = 4_000;

/** All header fields of an answer together; the same bound as for a client's request. */
const headerBytesMax = 16 * 1024;

/**
 * HTTP/1.1 by undici's client and a handler of our own: no signal, stream or headers object per call. One undici
 * client is one connection and carries one call at a time. undici's own pool would queue calls that have no connection
 * yet where nothing can reach them: given up, they would still wait there, and be connected for.
 */
export function undiciWire(settings: WireSettings): Wire {
	const connections = new Connections(settings);
	return {
		call(request, scope) {
			if (scope.cancelled) return Promise.reject(scope.reason);
			if (connections.closed) return Promise.reject(closed(settings.name));
			return new Promise((resolve, reject) => {
				new Exchange(connections, request, scope, resolve, reject).begin();
			});
		},
		close: () => connections.close(),
	};
}

/** The connections of one upstream, those at rest to be taken again. */
class Connections {
	readonly settings: WireSettings;
	closed = false;
	readonly #connector: Connector;
	readonly #all = new Set<Connection>();
	/** The one used last is taken first: it is the likeliest to be open, and the surplus closes for lack of use. */
	readonly #resting: Connection[] = [];

	constructor(settings: WireSettings) {
		this.settings = settings;
		// One for all connections, as it remembers TLS sessions. HTTP/2 off: an abort there ends a stream, not a connection.
		this.#connector = buildConnector({
			...settings.tls,
			timeout: connectTimeoutMs,
			allowH2: false,
		}) as Connector;
	}

	take(): Connection {
		const resting = this.#resting.pop();
		if (resting !== undefined) return resting;
		const connection = new Connection(this.settings.origin, this.#connector);
		this.#all.add(connection);
		return connection;
	}

	/** The call went well. undici has closed the connection where the answer said so, and opens it again. */
	rest(connection: Connection): void {
		this.#resting.push(connection);
	}

	/** The call did not: whatever still travels on the connection must not meet the next one. */
	discard(connection: Connection): void {
		this.#all.delete(connection);
		void connection.destroy();
	}

	async close(): Promise<void> {
		this.closed = true;
		this.#resting.length = 0;
		await Promise.all(Array.from(this.#all, (each) => each.destroy()));
		this.#all.clear();
	}
}

/** What `buildConnector` makes; it returns the socket, though its type does not say so. */
type Connector = (
	options: buildConnector.Options,
	callback: buildConnector.Callback,
) => Socket;

class Connection {
	readonly #client: Client;
	#socket: Socket | null = null;

	constructor(origin: string, connector: Connector) {
		this.#client = new Client(origin, {
			connect: (options, callback) => {
				this.#socket = connector(options, callback);
			},
			pipelining: 1,
			headersTimeout: 0,
			bodyTimeout: 0,
			keepAliveTimeout: keepAliveTimeoutMs,
			maxHeaderSize: headerBytesMax,
			allowH2: false,
		});
	}

	send(request: UpstreamRequest, handler: Dispatcher.DispatchHandler): void {
		this.#client.dispatch(
			{
				path: request.target,
				method: request.method,
				// Only read by undici, which declares its lists writable.
				headers: request.headers as string[],
				body: request.body,
			},
			handler,
		);
	}

	/** Whether the connection failed under an answer that, for want of a length, looks complete all the same. */
	get broken(): boolean {
		return this.#socket?.errored != null;
	}

	/** Ends it at once: what was not sent never is. Of a connection being made undici would wait for the outcome. */
	async destroy(): Promise<void> {
		const ended = this.#client.destroy();
		this.#socket?.destroy(abandoned);
		await ended;
	}
}

/** With an error, as without one undici's connector would not hear of it, and keep its timer. */
const abandoned = new Error("the call was given up");

type Headers = Record<string, string | string[] | undefined>;

type Resolve = (answer: UpstreamResponse | Promise<UpstreamResponse>) => void;

/** One call on its way: what undici tells of it, and the promise it was called for. */
class Exchange implements Dispatcher.DispatchHandler {
	readonly #connections: Connections;
	readonly #connection: Connection;
	readonly #request: UpstreamRequest;
	readonly #scope: Scope;
	readonly #resolve: Resolve;
	readonly #reject: (reason: unknown) => void;
	readonly #leaveScope: () => void;
	#over = false;
	#sent = false;
	#answered = false;
	#status = 0;
	#headers: Headers = {};
	#coding: Coding | null = null;
	#body: Collector | null = null;

	constructor(
		connections: Connections,
		request: UpstreamRequest,
		scope: Scope,
		resolve: Resolve,
		reject: (reason: unknown) => void,
	) {
		this.#connections = connections;
		this.#connection = connections.take();
		this.#request = request;
		this.#scope = scope;
		this.#resolve = resolve;
		this.#reject = reject;
		this.#leaveScope = scope.onCancel((reason) => this.#fail(reason));
	}

	begin(): void {
		this.#connection.send(this.#request, this);
	}

	/** The connection is there and the request is written next. Throwing keeps it from that. */
	onRequestStart(): void {
		// undici may begin a request anew that it holds for unsent. A write must not be repeated on its judgement.
		if (this.#sent) throw abandoned;
		this.#sent = true;
		this.#request.onSent?.();
	}

	/** The first byte of an answer came. */
	onResponseStarted(): void {
		this.#answered = true;
	}

	onResponseStart(
		_controller: Dispatcher.DispatchController,
		status: number,
		headers: Headers,
	): void {
		// Informational: the answer is still to come.
		if (status < 200) return;
		this.#status = status;
		this.#headers = headers;
		if (this.#hasBody()) this.#expectBody(headers);
	}

	/** RFC 9110, 6.4.1: these have none, whatever their headers announce. */
	#hasBody(): boolean {
		const status = this.#status;
		return this.#request.method !== "HEAD" && status !== 204 && status !== 304;
	}

	#expectBody(headers: Headers): void {
		const { bodyBytesMax } = this.#connections.settings;
		const announced = Number(headers["content-length"]) || 0;
		if (announced > bodyBytesMax) {
			this.#refuse(`announces ${announced} bytes, over ${bodyBytesMax}`);
			return;
		}
		const coding = parseCoding(String(headers["content-encoding"] ?? ""));
		if (coding === undefined) {
			this.#refuse("the content-encoding is not understood");
			return;
		}
		this.#coding = coding;
		this.#body = createCollector(bodyBytesMax, announced);
	}

	onResponseData(
		_controller: Dispatcher.DispatchController,
		chunk: Buffer,
	): void {
		if (this.#over || this.#body === null || this.#body.add(chunk)) return;
		this.#refuse(`longer than ${this.#connections.settings.bodyBytesMax}`);
	}

	onResponseEnd(): void {
		if (this.#over) return;
		if (this.#connection.broken) {
			this.#refuse("the answer broke off");
			return;
		}
		this.#end();
		this.#connections.rest(this.#connection);
		this.#resolve(this.#answer());
	}

	onResponseError(
		_controller: Dispatcher.DispatchController,
		error: Error,
	): void {
		const { name } = this.#connections.settings;
		this.#fail(translate(name, error, this.#answered));
	}

	#answer(): UpstreamResponse | Promise<UpstreamResponse> {
		const status = this.#status;
		const body = this.#body?.bytes() ?? noBytes;
		// Servers that name a coding and send no bytes at all are common.
		if (this.#coding === null || body.length === 0) {
			return { status, headers: listOf(this.#headers), body };
		}
		return this.#decoded(this.#coding, body);
	}

	/** The headers lose what was true of the coded body only. */
	async #decoded(coding: Coding, coded: Uint8Array): Promise<UpstreamResponse> {
		const { bodyBytesMax, name } = this.#connections.settings;
		const body = await decode(coding, coded, bodyBytesMax, name, this.#scope);
		const headers = { ...this.#headers };
		delete headers["content-encoding"];
		delete headers["content-length"];
		return { status: this.#status, headers: listOf(headers), body };
	}

	#refuse(why: string): void {
		this.#fail(invalid(this.#connections.settings.name, why));
	}

	#fail(reason: unknown): void {
		if (this.#over) return;
		this.#end();
		this.#connections.discard(this.#connection);
		this.#reject(reason);
	}

	#end(): void {
		this.#over = true;
		this.#leaveScope();
	}
}

const noBytes = new Uint8Array(0);

/** Names come in lower case from undici; the values of a repeated field follow its first. */
function listOf(headers: Headers): HeaderList {
	const list: string[] = [];
	for (const name in headers) {
		const value = headers[name];
		if (typeof value === "string") list.push(name, value);
		else for (const each of value ?? []) list.push(name, each);
	}
	return list;
}
