import type { Socket } from "node:net";
import type { Timer } from "../tasks/clock.ts";
import type {
	ClientConnection,
	ConnectionOptions,
} from "./client-connection.ts";
import { receiveOn } from "./http1-request.ts";
import { PlainBody } from "./plain-body.ts";
import type { Service } from "./service.ts";
import { AnswerForm, SimpleAnswer } from "./simple-answer.ts";
import { type SimpleHead, simpleHeadOf } from "./simple-head.ts";
import { tooLate } from "./slowness.ts";

/** How often connections are looked at that ask for nothing. A timer for each would cost every request. */
const lookEveryMsMax = 1_000;

/** How much longer than it is told a client finds its connection open, because its next request may be on its way. */
const idleGraceMs = 1_000;

interface SimpleMeans {
	readonly service: Service;
	readonly options: ConnectionOptions;
	/** How long the header fields of a request may take to come. */
	readonly headersMs: number;
	/** Lets node:http read a connection from now on. Its next bytes are the first ones for it. */
	readonly handOver: (socket: Socket) => void;
}

/** A connection that is read here. */
class Reading {
	readonly connection: ClientConnection;
	/** The last head. Most clients send the same one again. Null if the connection rests. */
	head: SimpleHead | null = null;
	/** The body that still comes; null if none does. */
	body: PlainBody | null = null;
	/** Whether anything has come since somebody looked. */
	asks = false;
	/** Since when it is at rest, or open. */
	sinceMs: number;

	constructor(connection: ClientConnection) {
		this.connection = connection;
		this.sinceMs = connection.clock.now();
	}
}

/** A simple request in the bytes that have come. */
interface SimpleRequest {
	readonly head: SimpleHead;
	readonly body: PlainBody | null;
	/** Where the next request begins, or what has come of this one ends. */
	readonly end: number;
}

/**
 * Reads requests whose head comes in one piece and is one that strict rules know. A body of a plain length may follow later. Anything
 * else is not looked at: its bytes are put back, and node:http reads the connection from there on. Requests that were taken
 * before are still answered here.
 */
export class SimpleHttp1 {
	readonly #means: SimpleMeans;
	readonly #form: AnswerForm;
	readonly #readings = new Map<Socket, Reading>();
	/** Connections that were handed over before they asked for anything, and until when they must have asked. */
	readonly #handedOver = new Map<ClientConnection, number>();
	readonly #lookEveryMs: number;
	#timer: Timer | null = null;

	constructor(means: SimpleMeans) {
		this.#means = means;
		const { headersMs, options } = means;
		const { idleTimeoutMs } = options;
		this.#form = new AnswerForm(idleTimeoutMs);
		this.#lookEveryMs = Math.min(
			lookEveryMsMax,
			Math.ceil(Math.min(headersMs, idleTimeoutMs) / 2),
		);
	}

	read(socket: Socket, connection: ClientConnection): void {
		this.#readings.set(socket, new Reading(connection));
		socket
			.on("data", this.#onData)
			.on("end", this.#onEnd)
			.on("close", this.#onClose);
		this.#start();
	}

	readonly #onData = givenItsBytes((socket, bytes) => {
		const reading = this.#readings.get(socket);
		if (reading === undefined) return;
		const { connection } = reading;
		let at = bodyIn(bytes, reading);
		while (at < bytes.length && !socket.destroyed) {
			if (connection.over) return connection.ignore();
			const request = this.#requestIn(socket, bytes, at, reading);
			if (request === null) {
				return this.#handOver(socket, reading, bytes.subarray(at));
			}
			at = request.end;
			this.#receive(reading, request);
		}
	});

	/** The next request; null if its head is not simple, or not whole. */
	#requestIn(
		socket: Socket,
		bytes: Buffer,
		from: number,
		reading: Reading,
	): SimpleRequest | null {
		const empty = bytes.indexOf("\r\n\r\n", from, "latin1");
		if (empty < 0) return null;
		const start = empty + 4;
		const text = bytes.toString("latin1", from, start);
		const { head: before } = reading;
		const head =
			before !== null && before.text === text
				? before
				: simpleHeadOf(text, this.#means.service.limits);
		if (head === null) return null;
		reading.head = head;
		const { bodyBytes, rawHeaders } = head;
		if (bodyBytes === 0) return { head, body: null, end: start };
		const body = new PlainBody(bodyBytes, rawHeaders, socket);
		const end = body.let(bytes, start);
		reading.body = body.complete ? null : body;
		return { head, body, end };
	}

	#receive(reading: Reading, request: SimpleRequest): void {
		const { head, body } = request;
		const { connection } = reading;
		reading.asks = true;
		receiveOn(connection, this.#means.service, {
			...{ head, body, bodyBytes: head.bodyBytes },
			answer: new SimpleAnswer(connection, head.method, this.#form),
			isLast: head.closes,
		});
	}

	/** From now on node:http reads it. */
	#handOver(socket: Socket, reading: Reading, rest: Buffer): void {
		const { connection, sinceMs } = reading;
		this.#readings.delete(socket);
		connection.handOver();
		connection.release();
		if (!connection.asked) {
			this.#handedOver.set(connection, sinceMs + this.#means.headersMs);
		}
		socket.off("data", this.#onData).off("end", this.#onEnd).pause();
		socket.unshift(rest);
		// Node's parser takes what comes from the system past the stream. TLS may be in the middle of handing out more bytes. They
		// must not come to the parser before these.
		process.nextTick(() => {
			if (socket.destroyed) return;
			this.#means.handOver(socket);
			socket.resume();
		});
	}

	/** Whoever sends no more has left, as with node:http, and also in the middle of a request. */
	readonly #onEnd = givenItsBytes((socket) => void socket.end());

	readonly #onClose = givenItsBytes((socket) => {
		const reading = this.#readings.get(socket);
		if (reading === undefined) return;
		this.#readings.delete(socket);
	});

	#start(): void {
		const { clock } = this.#means.options;
		this.#timer ??= clock.aside(this.#lookEveryMs, () => this.#look());
	}

	#look(): void {
		this.#timer = null;
		if (this.#readings.size + this.#handedOver.size > 0) this.#start();
		const nowMs = this.#means.options.clock.now();
		for (const reading of this.#readings.values()) this.#lookAt(reading, nowMs);
		for (const [connection, untilMs] of this.#handedOver) {
			if (connection.asked || connection.destroyed) {
				this.#handedOver.delete(connection);
			} else if (nowMs > untilMs) {
				this.#handedOver.delete(connection);
				connection.onFault(tooLate());
			}
		}
	}

	/** Closes it if it has been at rest for too long, or never asked. */
	#lookAt(reading: Reading, nowMs: number): void {
		const { connection, asks, sinceMs } = reading;
		if (connection.unanswered > 0 || connection.over) reading.asks = true;
		else if (asks) {
			reading.asks = false;
			reading.sinceMs = nowMs;
			reading.head = null;
		} else {
			const { headersMs, options } = this.#means;
			const idleMs = options.idleTimeoutMs + idleGraceMs;
			const mostMs = connection.asked ? idleMs : headersMs;
			if (nowMs - sinceMs > mostMs) connection.cut();
		}
	}

	/** No more connections come. */
	close(): void {
		this.#timer?.cancel();
		this.#timer = null;
	}
}

/** Lets in what belongs to the body that still comes. Gives the index behind it. */
function bodyIn(bytes: Buffer, reading: Reading): number {
	const { body } = reading;
	if (body === null) return 0;
	reading.asks = true;
	const end = body.let(bytes, 0);
	if (body.complete) reading.body = null;
	return end;
}

/** A listener that is given the socket that it is called for. One for each socket would take memory. */
function givenItsBytes(listener: (socket: Socket, bytes: Buffer) => void) {
	return function (this: Socket, bytes: Buffer): void {
		listener(this, bytes);
	};
}
