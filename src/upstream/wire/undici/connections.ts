import type { Socket } from "node:net";
import { buildConnector, Client, type Dispatcher } from "undici";
import type { ByteStream } from "../../../core/body/byte-stream.ts";
import type { HeaderList } from "../../../core/http/headers.ts";
import type { WireSettings } from "../wire.ts";

/** Well above any sensible `timeout`, which is what ends an attempt; a last bound where none does. */
const connectTimeoutMs = 60_000;

/**
 * An idle connection is closed before common servers close it after 5 s. A close while a request travels would fail the
 * request.
 */
const keepAliveTimeoutMs = 4_000;

/** All header fields of an answer together; the same bound as for a client's request. */
const headerBytesMax = 16 * 1024;

/** The connections of one upstream, those at rest to be taken again. */
export class Connections {
	readonly settings: WireSettings;
	closed = false;
	readonly #connector: Connector;
	readonly #all = new Set<Connection>();
	/**
	 * The most recently used one is taken first: it is the likeliest to be open, and the surplus closes for lack of use.
	 */
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
		return this.#resting.pop() ?? this.open();
	}

	/** A connection on which nothing was ever sent. */
	open(): Connection {
		const connection = new Connection(this.settings.origin, this.#connector);
		this.#all.add(connection);
		return connection;
	}

	/** The call went well. undici has closed the connection where the answer said so, and opens it again. */
	rest(connection: Connection): void {
		connection.kept = true;
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

/** One connection to an origin, opened when it is first used and opened anew after it was closed. */
export class Connection {
	readonly #client: Client;
	#socket: Socket | null = null;
	/** Whether an answer has come on it before: then it may have been closed meanwhile, unknown to us. */
	kept = false;

	constructor(origin: string, connector: Connector) {
		this.#client = new Client(origin, {
			connect: (options, callback) => {
				this.kept = false;
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

	send(request: Dispatch, handler: Dispatcher.DispatchHandler): void {
		this.#client.dispatch(request, handler);
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
export const abandoned = new Error("the call was given up");

/** What undici is asked to send. */
export type Dispatch = Dispatcher.DispatchOptions;

export function dispatchOf(
	method: string,
	target: string,
	headers: HeaderList,
	body: string | ByteStream | null,
): Dispatch {
	const streamed = typeof body === "object" ? body : null;
	const length = streamed?.length ?? null;
	// undici only reads the list, and takes any method and what can be iterated, though its types do not say so.
	const list = headers as string[];
	return {
		method: method as Dispatcher.HttpMethod,
		path: target,
		headers: length === null ? list : [...list, "content-length", `${length}`],
		body: body as string | null,
	};
}
