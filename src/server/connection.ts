import { randomUUID } from "node:crypto";
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { GatewayError } from "../core/errors.ts";
import { problemResponse } from "../core/problem.ts";
import type { Clock, Timer } from "../tasks/clock.ts";
import type { Exchange } from "./exchange.ts";

/**
 * How long a client that still sends what nobody wants may go on reading our answer. Closing while its bytes come in
 * resets the connection, and a reset takes the answer from the client's hands.
 */
export const lingerMs = 2_000;

/** A client's connection: several requests may be under way on it, to be answered in the order they came. */
export class Connection {
	readonly socket: Socket;
	readonly clock: Clock;
	/** To be closed as soon as what runs on it has been answered. */
	closing = false;
	readonly #running = new Set<Exchange>();
	#lingering: Timer | null = null;

	constructor(socket: Socket, clock: Clock) {
		this.socket = socket;
		this.clock = clock;
	}

	/** Whether the one answer that is still to go out is to announce the end of the connection. */
	get endsWithNext(): boolean {
		return this.closing && this.#running.size === 1;
	}

	begin(exchange: Exchange): void {
		this.#running.add(exchange);
	}

	end(exchange: Exchange): void {
		this.#running.delete(exchange);
		// Where answers got ready out of order, none of them knew that it was the last.
		if (this.closing && this.#running.size === 0) this.socket.destroySoon();
	}

	/** What came is no request, or not the rest of one. What was whole before is still answered. */
	onFault(error: GatewayError | null): void {
		if (error === null || !this.socket.writable) {
			this.socket.destroy();
			return;
		}
		// More of the same is found faulty again.
		if (this.#lingering !== null) return;
		this.closing = true;
		if (this.#running.size === 0) this.#refuse(error);
		for (const exchange of this.#running) exchange.onFault(error);
	}

	#refuse(error: GatewayError): void {
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
		...["content-length", String(Buffer.byteLength(body ?? ""))],
		...["connection", "close"],
	];
	let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
	for (let at = 0; at < fields.length; at += 2) {
		text += `${fields[at]}: ${fields[at + 1]}\r\n`;
	}
	return `${text}\r\n${body}`;
}
