import type { Socket } from "node:net";
import { GatewayError } from "../core/errors.ts";
import { allHeadersOf, type HeaderList } from "../core/http/headers.ts";
import type { ClientCertificate } from "../core/http/messages.ts";
import type { WebSocketSession } from "../core/http/web-socket.ts";
import type { ClientMemory } from "../core/memory.ts";
import type { Clock, Timer } from "../tasks/clock.ts";
import type { Carrier, Connection, Unanswered } from "./carrier.ts";
import { type Admission, outliveErrors } from "./client-connections.ts";
import type { AddFixed } from "./fixed-fields.ts";
import { flowOf, Pace } from "./pace.ts";
import { plainAnswer } from "./raw-answer.ts";
import { rawSocketOf } from "./raw-socket.ts";
import { sendsSlowly, takesSlowly, tooLate } from "./slowness.ts";

/**
 * How long a client that still sends a body may go on reading our answer. To close a connection while bytes come in
 * resets it, and then the client loses the answer.
 */
export const lingerMs = 2_000;

/** The bounds of a connection. */
export interface ConnectionOptions {
	readonly clock: Clock;
	/** How long a client may read nothing of an answer that is on its way. */
	readonly idleTimeoutMs: number;
	/** How long the rest of a request may take to come, once its header fields are there. */
	readonly requestTimeoutMs: number;
	/** How fast a client must send and take; null if any rate will do. */
	readonly leastBytesPerSecond: number | null;
	/** Called with bytes that are no request, before they are answered. */
	readonly onRefused: (error: GatewayError, requestId: string) => void;
	/** Null if no field stands in every answer. */
	readonly addFixed: AddFixed | null;
}

/**
 * A client that leaves so much of its answers unread gets no further one made. So it makes us hold one answer and these
 * bytes.
 */
const unreadBytesMax = 64 * 1024;

/**
 * A client's connection. Several requests may have come on it. They are carried out one after the other, in the order in
 * which they came.
 */
export class ClientConnection implements Carrier, Connection {
	readonly lingers = true;
	readonly socket: Socket;
	/** True if it is to be closed with the next answer, which says so. */
	closing = false;
	/**
	 * True if further bytes are not looked at, because the client was told that the connection ends, or because it cannot
	 * be understood.
	 */
	over = false;
	/** Whether node:http reads it. */
	#handedOver = false;
	/** The last request that came before node:http read it, while it is unanswered; null if there is none. */
	#lastBefore: Unanswered | null = null;
	/** Whether a request has come on it. */
	asked = false;
	/** The WebSocket that it has become; null before that. */
	session: WebSocketSession | null = null;
	readonly #admission: Admission;
	readonly #options: ConnectionOptions;
	/** Null before anything had to be waited for, so that those at rest do not hold it. */
	#pace: Pace | null = null;
	/** Replaced with each change: most connections have none or one. */
	#running: readonly Unanswered[] = none;
	#newest: Unanswered | null = null;
	/** The request that is carried out. */
	#begun: Unanswered | null = null;
	/** The beginnings of requests that wait for the answers before them; null if there never were any. */
	#waiting: (() => void)[] | null = null;
	/** Bytes of answers that were handed over and are not out yet. */
	#unreadBytes = 0;
	#watched = false;
	/** Whether what is written on it waits for the end of the loop's turn. */
	#holds = false;
	/** How many answers wait for that. */
	#held = 0;
	#lingering: Timer | null = null;

	constructor(
		socket: Socket,
		admission: Admission,
		options: ConnectionOptions,
	) {
		this.socket = socket;
		this.#admission = admission;
		this.#options = options;
	}

	/** From now on node:http reads it. */
	handOver(): void {
		this.#handedOver = true;
		this.#lastBefore = this.#running.at(-1) ?? null;
	}

	get clock(): Clock {
		return this.#options.clock;
	}

	get peer(): string {
		return this.#admission.peer;
	}

	get client(): ClientMemory {
		return this.#admission.client;
	}

	get certificate(): ClientCertificate | null {
		return this.#admission.certificate;
	}

	get pace(): Pace {
		this.#pace ??= new Pace(flowOf(this.socket), this.#options);
		return this.#pace;
	}

	/** Requests whose answer is not yet out. */
	get unanswered(): number {
		return this.#running.length;
	}

	/** The same without answers that wait for the end of the loop's turn, which is no fault of the client. */
	get outstanding(): number {
		return this.#running.length - this.#held;
	}

	begin(exchange: Unanswered): void {
		// A list that is grown has room for 16 more.
		this.#running = this.#running.concat(exchange);
		this.#newest = exchange;
		this.asked = true;
	}

	get fd(): number | null {
		return this.pace.fd;
	}

	get destroyed(): boolean {
		return this.socket.destroyed;
	}

	/**
	 * Not before the answers ahead of the request are ready, and most of them are read: a client that asks and never reads
	 * would have us make them all.
	 */
	inTurn(exchange: Unanswered, begin: (short: boolean) => void): void {
		if (this.#begun === null && this.#unreadBytes <= unreadBytesMax) {
			this.#begun = exchange;
			begin(false);
			return;
		}
		const { short } = exchange.memory;
		if (!short) exchange.holdHead();
		this.#waiting ??= [];
		this.#waiting.push(() => {
			this.#begun = exchange;
			begin(short);
		});
	}

	/** The answer was handed over, whole. */
	answered(exchange: Unanswered): void {
		this.#unreadBytes += exchange.answerBytes;
		if (this.#begun === exchange) this.#begun = null;
		// What is held back has not been offered to the client.
		if (this.#holds) this.#held++;
		else this.watch();
		this.#next();
	}

	#next(): void {
		while (this.#begun === null && this.#unreadBytes <= unreadBytesMax) {
			const begin = this.#waiting?.shift();
			if (begin === undefined) return;
			begin();
		}
	}

	fieldsFor(
		exchange: Unanswered,
		status: number,
		headers: HeaderList,
	): readonly string[] {
		const fields: string[] = [];
		// The one answer that is of no use without it (RFC 9110, 15.5.22). Whoever follows it needs a connection of its own.
		const demands = status === 426 ? allHeadersOf(headers, "upgrade") : [];
		if (demands.length > 0) {
			fields.push("upgrade", demands.join(", "), "connection", "upgrade");
			// RFC 6455, 4.4: the only version that there is.
			if (demands.includes("websocket")) {
				fields.push("sec-websocket-version", "13");
			}
			this.finish();
		}
		if (this.#endsWith(exchange)) {
			fields.push("connection", "close");
			this.finish();
		}
		return fields;
	}

	/** Whether the answer is to announce the end of the connection. Then it is the last that goes out. */
	#endsWith(exchange: Unanswered): boolean {
		const last = this.over
			? this.#newest === exchange
			: this.#running.length === 1;
		return this.closing && last;
	}

	/** Nothing after the newest request is looked at. Requests that were begun are still answered. */
	finish(): void {
		this.closing = true;
		this.over = true;
	}

	closeIfResting(): void {
		const { bytesRead } = this.socket;
		// Node closes those that it reads. To Node one that never asked is not idle.
		const rests = !this.#handedOver && !this.over && this.unanswered === 0;
		if (rests || bytesRead === 0) this.leave();
	}

	/** Bytes came that are not to be looked at, so no more are read. */
	ignore(): void {
		// At the end of each message Node reads on, which has happened by the next tick.
		process.nextTick(() => this.socket.pause());
	}

	/** The answer to the only request is a session. */
	become(session: WebSocketSession): void {
		this.session = session;
		this.#running = none;
		this.#newest = null;
		this.#begun = null;
		// `ws` has its own.
		this.socket.off("error", outliveErrors);
	}

	end(exchange: Unanswered): void {
		this.#running =
			this.#running.length > 1
				? this.#running.filter((one) => one !== exchange)
				: none;
		this.#unreadBytes -= exchange.answerBytes;
		this.#next();
		const isOwn = !this.#handedOver || exchange === this.#lastBefore;
		if (exchange === this.#lastBefore) this.#lastBefore = null;
		if (this.#running.length > 0) this.watch();
		// A client that was not told may have sent another request already, which is to be answered.
		else if (this.over) this.socket.destroySoon();
		// Behind an answer of its own Node has set the timeout of a connection at rest.
		else if (isOwn) this.watch();
	}

	/**
	 * Holds back what is written on it, until `release`. False if it does so already. False if node:http reads it: what that does
	 * when it finds a fault depends on which answers are out. False over TLS: Node tells a turn later that an answer is out, and
	 * its client may have left by then.
	 */
	hold(): boolean {
		if (this.#holds || this.#handedOver) return false;
		if (rawSocketOf(this.socket) !== null) return false;
		this.#holds = true;
		this.socket.cork();
		return true;
	}

	/** Hands what was held back to the system. May be called twice. */
	release(): void {
		if (!this.#holds) return;
		this.#holds = false;
		this.#held = 0;
		this.socket.uncork();
		if (this.session === null) this.watch();
	}

	/** Called when an answer is on its way. A client that reads nothing of it for the idle time counts as gone. */
	watch(): void {
		const waits = this.socket.writableLength > 0;
		if (!waits && !this.#watched) return;
		this.#watched = waits;
		// Node's own timer, because only Node can see how much the system has taken.
		this.socket.setTimeout(waits ? this.#options.idleTimeoutMs : 0);
	}

	/** The connection has stood still for the idle time, as far as Node can see. */
	onIdle(): void {
		// The client's system may have taken more than has left ours.
		if (this.pace.stillMs < this.#options.idleTimeoutMs) this.watch();
		else this.cut();
	}

	/**
	 * Called every few seconds. Refuses a body that comes too slowly. True if the client may be taking its answer too
	 * slowly.
	 */
	look(ms: number): boolean {
		if (this.session !== null) {
			this.session.look(ms);
			return this.#mayBeTakingSlowly(ms);
		}
		const awaited = this.#newest?.awaitsBody === true && !this.over;
		const paced = awaited || this.#pace !== null;
		if (paced && this.pace.isSendingSlowly(ms, awaited)) {
			this.onFault(sendsSlowly());
		} else if (this.#isLate()) this.onFault(tooLate());
		return this.#mayBeTakingSlowly(ms);
	}

	#mayBeTakingSlowly(ms: number): boolean {
		const paced = this.socket.writableLength > 0 || this.#pace !== null;
		return paced && this.pace.mayBeTakingSlowly(ms);
	}

	/** Whether the newest request, answered or not, has taken too long to come. */
	#isLate(): boolean {
		const newest = this.#newest;
		if (this.over || newest?.lacksBody !== true) return false;
		return this.clock.now() - newest.arrivedMs > this.#options.requestTimeoutMs;
	}

	/** Called after `look`, with the bytes that have not reached the client's system; null if nobody can tell. */
	lookCloser(ms: number, queuedBytes: number | null): void {
		if (!this.pace.isTakingSlowly(ms, queuedBytes)) return;
		this.leave(takesSlowly(this.#options.leastBytesPerSecond));
	}

	/** The bytes are no request, or not the rest of one. Requests that were whole before are still answered. */
	onFault(error: GatewayError | null): void {
		// More bytes are found faulty again, while the client may still be reading the reason.
		if (this.#lingering !== null && error !== null) return;
		if (error === null || !this.socket.writable) {
			this.socket.destroy();
			return;
		}
		this.finish();
		if (this.#running.length === 0) this.refuse(error);
		for (const exchange of this.#running) exchange.onFault(error);
	}

	/** Answers bytes that are no request with a problem document, and ends. */
	refuse(error: GatewayError): void {
		this.finish();
		this.socket.end(plainAnswer(error, this.#options));
		// After a CONNECT nobody else reads, and nobody would notice that the client has left.
		this.socket.resume();
		this.#lingering = this.clock.after(lingerMs, () => this.socket.destroy());
	}

	/**
	 * Closes it at once. In HTTP/1.0 the end of the connection may be the end of the answer, and an orderly end would make
	 * the answer whole.
	 */
	cut(): void {
		const { socket } = this;
		const looksWhole = this.#running.some(({ unframed }) => unframed);
		// The head of the answer may wait for what comes behind it. The client is to see that there was one.
		while (socket.writableCorked > 0) socket.uncork();
		// Once an end has begun, the system refuses a reset, and then Node never lets go of the connection.
		if (!looksWhole || socket.writableEnded) socket.destroy();
		else (rawSocketOf(socket) ?? socket).resetAndDestroy();
	}

	/** Cuts it. */
	leave(reason: GatewayError = clientClosed()): void {
		this.cut();
		this.session?.leave(reason);
		this.gone(reason);
	}

	/** The connection is gone. A session hears of it itself, and knows the code. */
	gone(reason: GatewayError = clientClosed()): void {
		this.#lingering?.cancel();
		this.#waiting = null;
		for (const exchange of this.#running) exchange.leave(reason);
	}
}

const none: readonly Unanswered[] = [];

export function clientClosed(): GatewayError {
	const message = "the client closed the connection";
	return new GatewayError("client_closed", message);
}
