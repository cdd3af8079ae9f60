import { EventEmitter } from "node:events";
import {
	type Agent,
	request as httpRequest,
	type IncomingHttpHeaders,
	type OutgoingHttpHeaders,
} from "node:http";
import {
	type ClientHttp2Stream,
	connect as connectHttp2,
	constants,
} from "node:http2";
import { request as httpsRequest } from "node:https";
import type { Readable } from "node:stream";
import { transport, trusting } from "./transport.ts";

/** What `request` of `node:http` and of this file take alike. */
export interface RequestOptions {
	readonly method?: string;
	/** The target as it is sent. Default: that of the URL. */
	readonly path?: string;
	readonly headers?: OutgoingHttpHeaders;
	readonly agent?: Agent | false;
	readonly signal?: AbortSignal;
}

/** An answer as it comes. It emits an error if it breaks off. */
export interface AnswerStream extends Readable {
	readonly statusCode?: number | undefined;
	readonly headers: IncomingHttpHeaders;
	readonly trailers: NodeJS.Dict<string>;
	/** Whether all of it has come, and its end. */
	readonly complete: boolean;
}

/**
 * A request that is being made. It emits `response`, `continue`, `information`, `drain` and `error`, as one of
 * `node:http`.
 */
export interface Asking extends EventEmitter {
	write(chunk: string | Uint8Array): boolean;
	end(chunk?: string | Uint8Array): this;
	flushHeaders(): void;
	/** The client leaves. Over HTTP/2 it takes its request back, and keeps its connection for a moment. */
	destroy(error?: Error): this;
}

/**
 * As `request` of `node:http`, but over the transport of this process. Over TLS and HTTP/2 each request has a connection of
 * its own.
 */
export function request(
	url: string,
	options: RequestOptions = {},
	onAnswer?: (answer: AnswerStream) => void,
): Asking {
	if (!url.startsWith("https:")) return httpRequest(url, options, onAnswer);
	if (transport === "h2") {
		const asking = new Http2Asking(url, options);
		if (onAnswer) asking.once("response", onAnswer);
		return asking;
	}
	// An agent for plain HTTP cannot keep connections of TLS.
	const secured = { ...options, ...trusting, agent: false };
	return httpsRequest(url, secured, onAnswer);
}

/** As `get` of `node:http`. */
export function get(
	url: string,
	options: RequestOptions = {},
	onAnswer?: (answer: AnswerStream) => void,
): Asking {
	return request(url, options, onAnswer).end();
}

/** What a connection of HTTP/2 does not have. */
const ofConnections = new Set([
	...["connection", "host", "keep-alive", "transfer-encoding", "upgrade"],
]);

/** Methods whose requests have no body unless somebody writes one. */
const bodiless = new Set(["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"]);

/** A request over HTTP/2. Its head goes out with the first bytes of its body, or with its end. */
class Http2Asking extends EventEmitter implements Asking {
	readonly #session;
	readonly #fields: OutgoingHttpHeaders;
	#stream: ClientHttp2Stream | null = null;
	#answered = false;
	#left = false;

	constructor(
		url: string,
		{ method = "GET", path, headers = {}, signal }: RequestOptions,
	) {
		super();
		const { host, pathname, search } = new URL(url);
		const named = Object.entries(headers).map(
			([name, value]) => [name.toLowerCase(), value] as const,
		);
		const own = named.filter(([name]) => !ofConnections.has(name));
		const authority = named.find(([name]) => name === "host")?.[1] ?? host;
		this.#fields = {
			...Object.fromEntries(own),
			...{ ":method": method, ":path": path ?? pathname + search },
			":authority": String(authority),
		};
		this.#session = connectHttp2(url, trusting);
		this.#session.on("error", (error) => this.#fail(error));
		signal?.addEventListener("abort", () => this.destroy(signal.reason));
	}

	#begin(endStream: boolean): ClientHttp2Stream {
		if (this.#stream !== null) return this.#stream;
		const stream = this.#session.request(this.#fields, { endStream });
		this.#stream = stream;
		stream.on("error", (error) => {
			if (!this.#answered) this.#fail(error);
		});
		stream.on("continue", () => this.emit("continue"));
		stream.on("drain", () => this.emit("drain"));
		stream.on("headers", ({ ":status": statusCode, ...headers }) => {
			if (statusCode !== 100) this.emit("information", { statusCode, headers });
		});
		stream.on("response", (fields) => {
			this.#answered = true;
			this.emit("response", answerOf(stream, fields));
		});
		stream.on("close", () => {
			if (!this.#answered) this.#fail(new Error("closed unanswered"));
			this.#session.close();
		});
		return stream;
	}

	write(chunk: string | Uint8Array): boolean {
		return this.#begin(false).write(chunk);
	}

	end(chunk?: string | Uint8Array): this {
		const bodyless = chunk === undefined && this.#stream === null;
		const none = bodyless && bodiless.has(String(this.#fields[":method"]));
		const stream = this.#begin(none);
		if (!none) stream.end(chunk);
		return this;
	}

	flushHeaders(): void {
		this.#begin(false);
	}

	destroy(error?: Error): this {
		if (this.#left) return this;
		this.#fail(error ?? new Error("socket hang up"));
		// The reset goes out before the end of the session.
		this.#stream?.close(constants.NGHTTP2_CANCEL);
		if (this.#stream === null) this.#session.destroy();
		else this.#session.close();
		return this;
	}

	#fail(error: Error): void {
		if (this.#left) return;
		this.#left = true;
		if (this.#answered) return;
		this.#session.close();
		this.emit("error", error);
	}
}

/** The stream itself, with what an answer of `node:http` has. */
function answerOf(
	stream: ClientHttp2Stream,
	fields: IncomingHttpHeaders & { ":status"?: number | undefined },
): AnswerStream {
	const trailers: NodeJS.Dict<string> = {};
	stream.on("trailers", (fields) => {
		for (const name in fields) trailers[name] = String(fields[name]);
	});
	const { ":status": statusCode, ...headers } = Object.fromEntries(
		Object.entries(fields),
	);
	const answer = { statusCode, headers, trailers };
	return Object.defineProperties(Object.assign(stream, answer), {
		complete: {
			get: () => stream.readableEnded && stream.rstCode === 0,
		},
	}) as unknown as AnswerStream;
}
