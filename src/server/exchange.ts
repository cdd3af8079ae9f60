import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createCollector } from "../core/collector.ts";
import { asGatewayError, GatewayError } from "../core/errors.ts";
import type {
	GatewayRequest,
	GatewayResponse,
	HeaderList,
} from "../core/messages.ts";
import { problemResponse } from "../core/problem.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { type Connection, lingerMs } from "./connection.ts";
import { originForm } from "./refuse.ts";

/**
 * Answers a request. The scope is cancelled with `client_closed` when the client leaves before its answer is complete;
 * an error thrown becomes a problem document.
 */
export type Handle = (
	request: GatewayRequest,
	scope: Scope,
) => Promise<GatewayResponse>;

/** An unread body of this announced length is let in, so that the connection can be kept; a longer one closes it. */
const discardBytesMax = 64 * 1024;

/** How much of a longer one may come while the client reads its answer. */
const lingerBytesMax = 256 * 1024;

/** The framing is the server's alone: a second length in one answer would make two of it. */
const framing = new Set([
	"connection",
	"content-length",
	"keep-alive",
	"transfer-encoding",
	"x-request-id",
]);

const noBytes = new Uint8Array(0);

function nothing(): void {}

/** The server an exchange belongs to. */
export interface Owner {
	/** The server's own lifetime. */
	readonly scope: Scope;
	/** Told once, when the answer is out or the client gone. */
	onOver(): void;
	/** Told of what was thrown by mistake. */
	onInternal(thrown: unknown, requestId: string): void;
}

/** One request and its answer. */
export class Exchange implements GatewayRequest {
	readonly id: string;
	readonly method: string;
	readonly target: string;
	readonly headers: HeaderList;
	readonly ip: string;
	readonly arrivedMs: number;
	readonly #message: IncomingMessage;
	readonly #response: ServerResponse;
	readonly #connection: Connection;
	readonly #owner: Owner;
	readonly #scope: Scope;
	#over = false;
	#bodyAsked = false;
	#fault: GatewayError | null = null;
	#failBody: (reason: unknown) => void = nothing;
	#stopLingering: () => void = nothing;

	constructor(
		message: IncomingMessage,
		response: ServerResponse,
		connection: Connection,
		owner: Owner,
	) {
		this.id = idOf(message.headers["x-request-id"]);
		this.method = message.method ?? "GET";
		this.target = originForm(message.url ?? "/");
		this.headers = message.rawHeaders;
		this.ip = message.socket.remoteAddress ?? "";
		this.arrivedMs = owner.scope.clock.now();
		this.#message = message;
		this.#response = response;
		this.#connection = connection;
		this.#owner = owner;
		this.#scope = openScope({ parent: owner.scope });
	}

	async run(handle: Handle): Promise<void> {
		try {
			this.answer(await handle(this, this.#scope));
		} catch (thrown) {
			this.fail(thrown);
		}
	}

	/** Answers with a problem document. */
	fail(thrown: unknown): void {
		const error = asGatewayError(thrown);
		if (error.code === "internal") this.#owner.onInternal(thrown, this.id);
		// It failed in the middle of being written: nothing can be made of it any more.
		if (this.#response.headersSent) {
			this.#connection.socket.destroy();
			return;
		}
		const problem = problemResponse(error, this.id);
		// Another instance answers: the client need not wait.
		const again = error.code === "gateway_draining" ? ["retry-after", "1"] : [];
		this.answer({ ...problem, headers: [...problem.headers, ...again] });
	}

	/** Throws where a header cannot be written; nothing has been then. */
	answer({ status, headers, body }: GatewayResponse): void {
		if (this.#over) return;
		const bodiless = status === 204 || status === 304;
		const rest = this.#unread();
		if (rest === "much" || rest === "broken") this.#connection.closing = true;
		const fields = this.#fieldsOf(headers);
		if (!bodiless) fields.push("content-length", String(lengthOf(body)));
		this.#response.writeHead(status, fields);
		const sent = bodiless || this.method === "HEAD" ? null : body;
		if (rest === "much") this.#answerLingering(sent);
		else this.#response.end(sent, this.#onEnd);
		// Whoever stopped reading in the middle has left the stream, and with it the connection, standing still.
		if (rest === "little") this.#message.resume();
	}

	#fieldsOf(headers: HeaderList): string[] {
		const fields: string[] = [];
		for (let at = 0; at < headers.length; at += 2) {
			const name = headers[at] ?? "";
			if (framing.has(name.toLowerCase())) continue;
			fields.push(name, headers[at + 1] ?? "");
		}
		fields.push("x-request-id", this.id);
		if (this.#connection.endsWithNext) fields.push("connection", "close");
		return fields;
	}

	/** What of the request's body has not been read: it stands between this request and the connection's next. */
	#unread(): "nothing" | "little" | "much" | "broken" {
		const { announced } = this;
		if (announced === 0 || this.#message.readableEnded) return "nothing";
		if (this.#fault !== null) return "broken";
		if (this.#message.complete) return "little";
		return announced <= discardBytesMax ? "little" : "much";
	}

	/** The body's length in bytes; Infinity where it is not known before its end. */
	get announced(): number {
		const { headers } = this.#message;
		const length = headers["content-length"] ?? 0;
		const chunked = headers["transfer-encoding"] !== undefined;
		return chunked ? Number.POSITIVE_INFINITY : Number(length);
	}

	/** The whole answer goes out at once; the response ends, and the connection with it, when the client had time for it. */
	#answerLingering(body: string | Uint8Array | null): void {
		const message = this.#message;
		let left = lingerBytesMax;
		const discard = (chunk: Uint8Array) => {
			left -= chunk.length;
			if (left < 0) stop();
		};
		const stop = () => {
			timer.cancel();
			message.off("data", discard).off("end", stop).pause();
			this.#response.end(this.#onEnd);
		};
		const timer = this.#connection.clock.after(lingerMs, stop);
		this.#stopLingering = stop;
		this.#response.flushHeaders();
		if (body !== null) this.#response.write(body);
		// Whoever leaves from here on has been answered.
		this.#scope.close();
		message.on("data", discard).on("end", stop).resume();
	}

	readBody(bytesMax: number): Promise<Uint8Array> {
		if (this.#bodyAsked) return Promise.reject(new TypeError("read before"));
		this.#bodyAsked = true;
		if (this.#scope.cancelled) return Promise.reject(this.#scope.reason);
		const { announced } = this;
		if (announced === 0) return Promise.resolve(noBytes);
		if (this.#fault !== null) return Promise.reject(this.#fault);
		// Of an unknown length as much is read as is allowed, to find out.
		if (Number.isFinite(announced) && announced > bytesMax) {
			return Promise.reject(tooLarge(bytesMax));
		}
		return this.#collect(bytesMax);
	}

	#collect(bytesMax: number): Promise<Uint8Array> {
		const message = this.#message;
		const collector = createCollector(bytesMax);
		return new Promise((resolve, reject) => {
			const stop = () => {
				message.off("data", take).off("end", succeed);
				leaveScope();
			};
			const succeed = () => {
				stop();
				resolve(collector.bytes());
			};
			const fail = (reason: unknown) => {
				stop();
				message.pause();
				reject(reason);
			};
			const take = (chunk: Uint8Array) => {
				if (!collector.add(chunk)) fail(tooLarge(bytesMax));
			};
			const leaveScope = this.#scope.onCancel(fail);
			this.#failBody = fail;
			message.on("data", take).on("end", succeed);
		});
	}

	/** The rest of the connection cannot be read: this request's body neither, if it was not complete. */
	onFault(fault: GatewayError): void {
		if (this.#message.complete) return;
		this.#fault = fault;
		this.#failBody(fault);
		this.#stopLingering();
	}

	/** The client is gone before its answer was out. */
	leave(): void {
		if (this.#over) return;
		this.#over = true;
		this.#stopLingering();
		this.#scope.cancel(
			new GatewayError("client_closed", "the client closed the connection"),
		);
		this.#owner.onOver();
	}

	/** All was written, or, as node tells of that too, cannot be. */
	readonly #onEnd = (error?: Error | null): void => {
		if (error || this.#connection.socket.destroyed) this.leave();
		if (this.#over) return;
		this.#over = true;
		this.#scope.close();
		this.#connection.end(this);
		this.#owner.onOver();
	};
}

/** The client's own id where it is fit to be written into a log and a header, else a new one. */
function idOf(given: string | string[] | undefined): string {
	if (typeof given === "string" && /^[A-Za-z0-9._-]{1,64}$/.test(given)) {
		return given;
	}
	return randomUUID();
}

function lengthOf(body: string | Uint8Array | null): number {
	if (body === null) return 0;
	return typeof body === "string" ? Buffer.byteLength(body) : body.length;
}

function tooLarge(bytesMax: number): GatewayError {
	const message = `the body is longer than ${bytesMax} bytes`;
	return new GatewayError("request_too_large", message);
}
