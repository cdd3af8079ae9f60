import http2, {
	type ServerHttp2Session,
	type ServerHttp2Stream,
} from "node:http2";
import type { TLSSocket } from "node:tls";
import { Calm } from "./calm.ts";
import type { Connection } from "./carrier.ts";
import { type ConnectionOptions, lingerMs } from "./client-connection.ts";
import type {
	Admission,
	ClientConnections,
	Place,
} from "./client-connections.ts";
import { ClientExchange } from "./client-exchange.ts";
import { headOf } from "./http2-head.ts";
import { Http2Incoming } from "./http2-incoming.ts";
import { ClientStream } from "./http2-stream.ts";
import type { HeadLimits } from "./refuse.ts";
import type { Service } from "./service.ts";
import { troubles } from "./slowness.ts";

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR } = http2.constants;

/** How many requests a client may make on one connection at a time (RFC 9113, 6.5.2: no fewer than 100). */
const streamsMax = 100;

/** Fields and bytes beyond the bounds of a head up to which it gets an answer. Beyond these its stream is reset. */
const fieldsBeyond = 64;
const bytesBeyond = 8 * 1024;

/** What the length of a field counts besides its name and its value (RFC 9113, 6.5.2). */
const fieldBytes = 32;

/** The last stream that there can be. A client that is told of it may go on until it is told of another. */
const lastStream = 2 ** 31 - 1;

interface Http2Means {
	readonly service: Service;
	readonly connections: ClientConnections;
	readonly options: ConnectionOptions;
	/** How long the first request of a connection may take to come. */
	readonly headersMs: number;
}

/** Makes requests of the streams of clients' connections. */
export class Http2 {
	readonly #means: Http2Means;
	readonly #options: http2.ServerSessionOptions;

	constructor(means: Http2Means) {
		this.#means = means;
		this.#options = sessionOptions(means.service.limits);
	}

	/** The client has chosen HTTP/2. */
	connect(socket: TLSSocket, admission: Admission): void {
		const session = http2.performServerHandshake(socket, this.#options);
		const connection = new Http2Connection(
			...([session, socket, admission, this.#means] as const),
		);
		const { connections } = this.#means;
		connections.add(connection);
		// As over HTTP/1.1, a client that sends no more has left.
		socket.once("end", () => connection.leave());
		session.once("close", () => connections.delete(connection));
	}
}

function sessionOptions({
	headerFieldsMax,
	headerBytesMax,
}: HeadLimits): http2.ServerSessionOptions {
	return {
		maxHeaderListPairs: headerFieldsMax + fieldsBeyond,
		maxSessionInvalidFrames: 100,
		maxSessionRejectedStreams: 100,
		// Those that come in one turn of the loop are counted before we hear of the first.
		streamResetBurst: 500,
		streamResetRate: 100,
		// An answer may have the same field twice, as over HTTP/1.1.
		strictSingleValueFields: false,
		settings: {
			maxConcurrentStreams: streamsMax,
			maxHeaderListSize:
				headerBytesMax + bytesBeyond + fieldBytes * headerFieldsMax,
			enablePush: false,
		},
	};
}

/** A client's connection of HTTP/2. Its requests are carried out at once, as those on several connections. */
class Http2Connection implements Connection {
	/** WebSockets over HTTP/2 (RFC 8441) are not offered. */
	readonly session = null;
	readonly fd = null;
	readonly #http2: ServerHttp2Session;
	readonly #socket: TLSSocket;
	readonly #admission: Admission;
	readonly #means: Http2Means;
	readonly #streams = new Map<ClientStream, Place>();
	readonly #calm: Calm;
	/** Since when there is no request on it. */
	#restingMs: number;
	#asked = false;
	#closing = false;

	constructor(
		session: ServerHttp2Session,
		socket: TLSSocket,
		admission: Admission,
		means: Http2Means,
	) {
		const { clock } = means.options;
		this.#http2 = session;
		this.#socket = socket;
		this.#admission = admission;
		this.#means = means;
		this.#calm = new Calm(clock);
		this.#restingMs = clock.now();
		session.on("stream", (stream, _headers, _flags, fields) =>
			this.#receive(stream, fields),
		);
		session.on("ping", () => this.#spend());
		session.on("remoteSettings", () => this.#spend());
		// The connection's own end tells it.
		session.on("error", nothing);
		if (admission.refusal !== null) clock.after(lingerMs, () => this.#end());
	}

	get peer() {
		return this.#admission.peer;
	}

	get client() {
		return this.#admission.client;
	}

	get certificate() {
		return this.#admission.certificate;
	}

	get unanswered(): number {
		return this.#streams.size;
	}

	get closing(): boolean {
		return this.#closing;
	}

	/** What the client has sent before it hears of this is still answered. */
	set closing(closing: boolean) {
		if (!closing || this.#closing) return;
		this.#closing = true;
		if (!this.#http2.destroyed) {
			this.#http2.goaway(NGHTTP2_NO_ERROR, lastStream);
		}
	}

	closeIfResting(): void {
		if (this.#streams.size === 0) this.#end();
	}

	/** Says so, with a reason if there is one. A client that does not close its side is cut. */
	#end(reason: number = NGHTTP2_NO_ERROR): void {
		if (this.#http2.destroyed) return;
		if (reason === NGHTTP2_NO_ERROR) this.#http2.close();
		// Without an error Node sends another code.
		else this.#http2.destroy(new Error("the connection is ended"), reason);
		const { clock } = this.#means.options;
		const timer = clock.after(lingerMs, () => this.#socket.destroy());
		this.#socket.once("close", () => timer.cancel());
	}

	leave(): void {
		this.#http2.destroy();
		this.#socket.destroy();
		this.gone();
	}

	gone(): void {
		for (const stream of this.#streams.keys()) stream.leave();
	}

	#receive(stream: ServerHttp2Stream, fields: string[]): void {
		stream.on("error", nothing);
		this.#asked = true;
		// It was taken back in the same turn of the loop.
		if (stream.destroyed || stream.closed) return this.#spend();
		const { service, options } = this.#means;
		const head = headOf(fields, service.limits);
		const incoming = new Http2Incoming(stream, head);
		const carrier = new ClientStream(stream, incoming, this, options);
		const place = this.#place();
		this.#streams.set(carrier, place);
		const exchange = new ClientExchange({
			...{ head: incoming, body: incoming },
			...{ carrier, owner: service, upgrade: null },
			bodyBytes: stream.endAfterHeaders ? 0 : announcedIn(head.rawHeaders),
			answer: carrier.answer,
		});
		carrier.begin(exchange);
		if (head.asksFirst) exchange.holdBody();
		const refusal = this.#admission.refusal ?? place.refusal ?? head.refusal;
		service.receive(exchange, carrier, head.url, refusal);
	}

	/** Each request beyond the first counts as one more connection, because over HTTP/1.1 it would need one. */
	#place(): Place {
		if (this.#streams.size === 0) return firstPlace;
		return this.#means.connections.takePlace(this.peer);
	}

	over(stream: ClientStream, whole: boolean): void {
		this.#streams.get(stream)?.give();
		this.#streams.delete(stream);
		if (this.#streams.size === 0) {
			this.#restingMs = this.#means.options.clock.now();
			if (this.#admission.refusal !== null) this.#end();
		}
		if (whole) this.#calm.earn();
		else this.#spend();
	}

	#spend(): void {
		if (this.#calm.spend()) return;
		for (const stream of this.#streams.keys()) stream.leave(troubles());
		this.#end(NGHTTP2_ENHANCE_YOUR_CALM);
	}

	look(ms: number): boolean {
		for (const stream of this.#streams.keys()) stream.look(ms);
		if (this.#streams.size > 0) return false;
		const { options, headersMs } = this.#means;
		const restedMs = options.clock.now() - this.#restingMs;
		const waitsMs = this.#asked ? options.idleTimeoutMs : headersMs;
		// What was sent before the client heard of the end has come by then.
		if (restedMs > (this.#closing ? lingerMs : waitsMs)) this.#end();
		return false;
	}

	/** Only the connection as a whole has a socket. Its streams are looked at one by one. */
	lookCloser(): void {}
}

const firstPlace: Place = { refusal: null, give: nothing };

/** How long a body will be; Infinity if only its end says it. */
function announcedIn(rawHeaders: readonly string[]): number {
	const at = rawHeaders.findIndex(
		(text, at) => at % 2 === 0 && text === "content-length",
	);
	return at < 0 ? Number.POSITIVE_INFINITY : Number(rawHeaders[at + 1]);
}

function nothing(): void {}
