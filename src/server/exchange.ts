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
import type { Handle } from "./server.ts";

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

/** One request and its answer. */
export class Exchange implements GatewayRequest {
	readonly id: string;
	readonly method: string;
	readonly target: string;
	readonly headers: HeaderList;
	readonly ip: string;
	readonly arrivedMs: number;
	/** Called once, when the answer is out or the client gone. */
	onOver: () => void = () => {};
	onInternal: ((error: unknown, id: string) => void) | undefined;
	readonly #message: IncomingMessage;
	readonly #response: ServerResponse;
	readonly #connection: Connection;
	readonly #scope: Scope;
	#over = false;
	#bodyAsked = false;
	#fault: GatewayError | null = null;
	#failBody: (reason: unknown) => void = () => {};
	#stopLingering: () => void = () => {};

	constructor(
		message: IncomingMessage,
		response: ServerResponse,
		connection: Connection,
		parent: Scope,
	) {
		this.id = idOf(message.headers["x-request-id"]);
		this.method = message.method ?? "GET";
		this.target = originForm(message.url ?? "/");
		this.headers = message.rawHeaders;
		this.ip = message.socket.remoteAddress ?? "";
		this.arrivedMs = parent.clock.now();
		this.#message = message;
		this.#response = response;
		this.#connection = connection;
		this.#scope = openScope({ parent });
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
		if (error.code === "internal") this.onInternal?.(thrown, this.id);
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
		else this.#response.end(sent, () => this.#end());
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
		if (headers["transfer-encoding"] !== undefined) return Infinity;
		return Number(headers["content-length"] ?? 0);
	}

	/** The whole answer goes out; the response ends, and the connection with it, when the client has had time for it. */
	#answerLingering(body: string | Uint8Array | null): void {
		this.#response.flushHeaders();
		if (body !== null) this.#response.write(body);
		let left = lingerBytesMax;
		const message = this.#message;
		const stop = () => {
			timer.cancel();
			message.off("data", discard).off("end", stop).pause();
			this.#response.end(() => this.#end());
		};
		const discard = (chunk: Uint8Array) => {
			left -= chunk.length;
			if (left < 0) stop();
		};
		const timer = this.#connection.clock.after(lingerMs, stop);
		this.#stopLingering = () => timer.cancel();
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
		if (announced !== Infinity && announced > bytesMax) {
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
	}

	/** The client is gone before its answer was out. */
	leave(): void {
		if (this.#over) return;
		this.#over = true;
		this.#stopLingering();
		this.#scope.cancel(
			new GatewayError("client_closed", "the client closed the connection"),
		);
		this.onOver();
	}

	#end(): void {
		if (this.#over) return;
		this.#over = true;
		this.#scope.close();
		this.#connection.end(this);
		this.onOver();
	}
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
