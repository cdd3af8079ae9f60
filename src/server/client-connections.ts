import type { Socket } from "node:net";
import type { GatewayError } from "../core/errors.ts";
import type { ClientCertificate } from "../core/http/messages.ts";
import { parseAddress } from "../core/ip.ts";
import type { ClientMemory, Memory } from "../core/memory.ts";
import type { Clock } from "../tasks/clock.ts";
import type { Connection } from "./carrier.ts";
import type { ConnectionShares } from "./connection-shares.ts";
import { PaceWatch } from "./pace-watch.ts";

/** What a connection at rest takes of the heap: measured with 2,000. It takes 18 KiB more beside the heap. */
const connectionBytes = 8 * 1024;

/** How many connections beyond the bound get an answer. Yet more are closed without one. */
const refusedConnectionsMax = 64;

/** A connection that was accepted and counted. */
export interface Admission {
	/** The address of the other end, in canonical form; empty if the connection is gone already. */
	readonly peer: string;
	/** Where the memory of its requests is counted. */
	readonly client: ClientMemory;
	/** What the client has shown; null if none was asked for. */
	readonly certificate: ClientCertificate | null;
	/** The reason if it is one too many. Its requests get it as their answer. */
	readonly refusal: GatewayError | null;
}

/** What a request takes that counts as a connection. */
export interface Place {
	/** The reason if it is one too many. */
	readonly refusal: GatewayError | null;
	readonly give: () => void;
}

/** The connections of a server's clients, and their bounds. */
export class ClientConnections {
	readonly #shares: ConnectionShares;
	readonly #memory: Memory;
	readonly #paces: PaceWatch;
	readonly #open = new Set<Connection>();
	readonly #sockets = new Map<Socket, Admission>();
	/** Connections beyond the bounds, which are on their way out. */
	#refused = 0;
	/** Whether each ends with its next answer, new ones too. */
	#ending = false;
	/** Called when the last one is gone. */
	onEmpty: () => void = nothing;

	constructor(shares: ConnectionShares, memory: Memory, clock: Clock) {
		this.#shares = shares;
		this.#memory = memory;
		this.#paces = new PaceWatch(this.#open, clock);
	}

	/** Those on which there may be requests. */
	get all(): Iterable<Connection> {
		return this.#open;
	}

	/** How many there are, also those that have said nothing yet. */
	get size(): number {
		return this.#sockets.size;
	}

	/** Counts a connection until it is closed. Null if there are so many that it was closed at once. */
	admit(socket: Socket): Admission | null {
		const shares = this.#shares;
		const peer = parseAddress(socket.remoteAddress ?? "") ?? "";
		const refusal = shares.take(peer);
		if (refusal !== null && this.#refused >= refusedConnectionsMax) {
			socket.destroy();
			return null;
		}
		const client = refusal === null ? shares.memoryOf(peer) : { held: 0 };
		const admission = { peer, client, certificate: null, refusal };
		this.#sockets.set(socket, admission);
		this.#memory.held += connectionBytes;
		if (refusal !== null) this.#refused++;
		socket.on("error", outliveErrors);
		socket.on("close", this.#onClose);
		return admission;
	}

	readonly #onClose = givenItsSocket((socket) => {
		const admission = this.#sockets.get(socket);
		if (admission === undefined) return;
		if (admission.refusal === null) this.#shares.give(admission.peer);
		else this.#refused--;
		this.#sockets.delete(socket);
		this.#memory.give(connectionBytes);
		if (this.#sockets.size === 0) this.onEmpty();
	});

	/** Counts a request as one more connection of its client. */
	takePlace(peer: string): Place {
		const refusal = this.#shares.take(peer);
		const give = refusal === null ? () => this.#shares.give(peer) : nothing;
		return { refusal, give };
	}

	/** Requests may come on it from now on. */
	add(connection: Connection): void {
		this.#open.add(connection);
		this.#paces.start();
		// A draining server closes each connection as soon as it can, also those that the system had accepted before.
		if (this.#ending) connection.closing = true;
	}

	/** It is closed. */
	delete(connection: Connection): void {
		this.#open.delete(connection);
		connection.gone();
	}

	/** Ends each with its next answer. */
	end(): void {
		this.#ending = true;
		for (const connection of this.#open) connection.closing = true;
	}

	/** Ends so many, each with the answer that is now made on it. */
	letGo(count: number): void {
		let left = count;
		for (const connection of this.#open) {
			if (left === 0) return;
			// On one at rest a request may be on its way.
			if (connection.closing || connection.unanswered === 0) continue;
			connection.closing = true;
			left--;
		}
	}

	/** Closes those without a request. */
	async closeResting(): Promise<void> {
		// What has come is read before the timers' next turn. Until then a request may wait unread.
		await new Promise((resolve) => setImmediate(resolve));
		for (const connection of this.#open) connection.closeIfResting();
	}

	/** Cuts all. */
	cut(): void {
		this.#paces.stop();
		for (const connection of this.#open) connection.leave();
		for (const socket of this.#sockets.keys()) socket.destroy();
	}
}

/** A listener of sockets, which is given the socket that it is called for. One for each socket would take memory. */
export function givenItsSocket(listener: (socket: Socket) => void) {
	return function (this: Socket): void {
		listener(this);
	};
}

/** Listens to the errors of a socket. If nobody did, a reset would end the process. */
export function outliveErrors(): void {}

function nothing(): void {}
