import { randomUUID } from "node:crypto";
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { GatewayError } from "../core/errors.ts";
import { eachHeader } from "../core/http/headers.ts";
import { problemResponse } from "../core/http/problem.ts";
import { parseAddress } from "../core/ip.ts";
import type { Clock, Timer } from "../tasks/clock.ts";

/**
 * How long a client that still sends what nobody wants may go on reading our answer. Closing while its bytes come in
 * resets the connection, and a reset takes the answer from the client's hands.
 */
export const lingerMs = 2_000;

/** What a connection is bound by. */
export interface ConnectionOptions {
	readonly clock: Clock;
	/** How long a client may take nothing of an answer that is on its way. */
	readonly idleTimeoutMs: number;
}

/** A request that came on a connection and whose answer is not yet out. */
export interface Unanswered {
	/** Nothing that comes on the connection from here on can be understood. */
	onFault(error: GatewayError): void;
	/** The connection is gone. */
	leave(): void;
}

/** A client's connection: several requests may be under way on it, to be answered in the order they came. */
export class ClientConnection {
	readonly socket: Socket;
	readonly clock: Clock;
	/** The address of whoever made it, in canonical form; empty where it is gone already. */
	readonly peer: string;
	/** To be closed as soon as what runs on it has been answered. */
	closing = false;
	/** What still comes is not looked at: the client was told that the connection ends, or cannot be understood. */
	over = false;
	readonly #idleTimeoutMs: number;
	readonly #running = new Set<Unanswered>();
	#newest: Unanswered | null = null;
	#watched = false;
	#lingering: Timer | null = null;

	constructor(socket: Socket, { clock, idleTimeoutMs }: ConnectionOptions) {
		this.socket = socket;
		this.clock = clock;
		this.#idleTimeoutMs = idleTimeoutMs;
		this.peer = parseAddress(socket.remoteAddress ?? "") ?? "";
	}

	/** Requests whose answer is not yet out. */
	get unanswered(): number {
		return this.#running.size;
	}

	begin(exchange: Unanswered): void {
		this.#running.add(exchange);
		this.#newest = exchange;
	}

	/** Whether the answer is to announce the end of the connection: it is then the last that goes out. */
	endsWith(exchange: Unanswered): boolean {
		const last = this.over
			? this.#newest === exchange
			: this.#running.size === 1;
		return this.closing && last;
	}

	/** Nothing after the newest request is looked at; what was begun is still answered. */
	finish(): void {
		this.closing = true;
		this.over = true;
	}

	/** Something came that is not to be looked at: no more of it is read. */
	ignore(): void {
		// At the end of each message node reads on: at the next tick it has.
		process.nextTick(() => this.socket.pause());
	}

	end(exchange: Unanswered): void {
		this.#running.delete(exchange);
		if (this.#running.size > 0) this.watch();
		// Where answers got ready out of order, none of them knew that it was the last.
		else if (this.closing) this.socket.destroySoon();
	}

	/** Called when an answer is on its way: a client that takes nothing of it for the idle time is as good as gone. */
	watch(): void {
		const waits = this.socket.writableLength > 0;
		if (!waits && !this.#watched) return;
		this.#watched = waits;
		// Node's own timer, because node alone can see how much the system has taken.
		this.socket.setTimeout(waits ? this.#idleTimeoutMs : 0);
	}

	/** What came is no request, or not the rest of one. What was whole before is still answered. */
	onFault(error: GatewayError | null): void {
		// More of the same is found faulty again, while the client may still be reading why.
		if (this.#lingering !== null && error !== null) return;
		if (error === null || !this.socket.writable) {
			this.socket.destroy();
			return;
		}
		this.finish();
		if (this.#running.size === 0) this.refuse(error);
		for (const exchange of this.#running) exchange.onFault(error);
	}

	/** Answers with a problem document what is no request, and ends. */
	refuse(error: GatewayError): void {
		this.finish();
		this.socket.end(rawAnswer(error));
		// After a CONNECT nobody else reads, and whether the client has left would go unnoticed.
		this.socket.resume();
		this.#lingering = this.clock.after(lingerMs, () => this.socket.destroy());
	}

	/** The connection is gone, or to be so now. */
	leave(): void {
		this.socket.destroy();
		this.#lingering?.cancel();
		for (const exchange of this.#running) exchange.leave();
	}
}

/** A problem document as it goes over the wire, where node has made no response to write it with. */
function rawAnswer(error: GatewayError): string {
	const id = randomUUID();
	const { status, headers, body } = problemResponse(error, id);
	const fields = [
		...headers,
		...["date", new Date().toUTCString()],
		...["x-request-id", id],
		...["content-length", String(Buffer.byteLength(body))],
		...["connection", "close"],
	];
	let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
	eachHeader(fields, (name, value) => {
		text += `${name}: ${value}\r\n`;
	});
	return `${text}\r\n${body}`;
}
