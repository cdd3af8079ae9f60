import type { Socket } from "node:net";
import { type Connect, endedByPeer } from "./connect.ts";
import type { HeadReader } from "./head-reader.ts";
import { ResponseParser, type Sink } from "./parser.ts";
import type { Race } from "./race.ts";
import type { Flow } from "./receiver.ts";
import type { WireSettings } from "./wire.ts";
import { closed, invalid } from "./wire-errors.ts";

/** The pool that a connection belongs to. */
export interface ConnectionOwner {
	readonly settings: WireSettings;
	readonly connect: Connect;
	readonly heads: HeadReader;
	/** The memory that every connection reads into. A connection is done with the bytes before another one reads. */
	readonly memory: Buffer;
	/** Calls `settled` when the connection may carry a request. */
	settle(connection: UpstreamConnection): void;
	/** Takes a connection back that carried an answer to its end. `keptMs`: how long the server keeps it, null if unknown. */
	rest(connection: UpstreamConnection, keptMs: number | null): void;
	/** The connection is closed. */
	forget(connection: UpstreamConnection): void;
}

/** The exchange on a connection. The connection reads the answer into it, and reports how the answer ended. */
export interface Carried extends Sink {
	/** Whether the request is a HEAD. */
	readonly toHead: boolean;
	/** Whether the connection has begun to send the request. */
	readonly sent: boolean;
	/** Whether the whole request was sent. */
	readonly allSent: boolean;
	/** The connection is ready for the request. */
	send(connection: UpstreamConnection): void;
	/** All that has come so far was told, and the answer goes on. */
	afterRead(): void;
	/** The whole answer came, and the connection is given back. */
	complete(): void;
	/** The bytes are no answer. */
	refuse(why: string): void;
	/** The connection is gone; the error is null if the other side closed it without one. */
	lost(error: Error | null): void;
	/** Ends the exchange with the reason. */
	fail(reason: unknown): void;
}

/** A connection to an upstream. It carries one exchange at a time. */
export class UpstreamConnection implements Flow {
	/** True if it is closed or about to be. Then it carries nothing any more. */
	dead = false;
	/** Whether it carried an answer before. Then the server may have closed it meanwhile without our knowing. */
	kept = false;
	/** The sweep of the pool at which it has been at rest for too long. */
	restsUntil = 0;
	/** The sweep of the pool from which it is too old for another call. */
	endsAt = 0;
	exchange: Carried | null = null;
	readonly parser: ResponseParser;
	readonly #pool: ConnectionOwner;
	/** Which of the addresses is to be it; null once there is a socket. */
	#race: Race | null;
	#socket: Socket | null = null;
	#settled = false;
	#released = false;

	constructor(pool: ConnectionOwner) {
		this.#pool = pool;
		this.parser = new ResponseParser(pool.heads, pool.settings.headerBytesMax);
		const onread = {
			buffer: pool.memory,
			callback: (bytes: number) => this.#onRead(bytes),
		};
		this.#race = pool.connect(
			onread,
			(socket) => this.#onReady(socket),
			(error) => this.#onLost(error),
		);
	}

	/** There is one when the connection carries a request or rests. */
	get socket(): Socket {
		return this.#socket as Socket;
	}

	#onReady(socket: Socket): void {
		this.#race = null;
		this.#socket = socket
			.on("end", () => this.#onEnd())
			.on("error", (error) => this.#onLost(error))
			.on("close", () => {
				this.#onLost(null);
				this.#pool.forget(this);
			});
		this.#pool.settle(this);
	}

	/** Takes an exchange, and tells it when it may send, perhaps at once. */
	carry(exchange: Carried): void {
		this.exchange = exchange;
		if (this.#settled) this.#begin(exchange);
	}

	/** Returns whether an exchange has been waiting for it. If not, the connection is at rest. */
	settled(): boolean {
		this.#settled = true;
		if (this.exchange === null) return false;
		this.#begin(this.exchange);
		return true;
	}

	/** Lets the process end while nothing is carried. */
	release(): void {
		if (this.#released) return;
		this.#released = true;
		this.socket.unref();
	}

	#begin(exchange: Carried): void {
		if (this.#released) {
			this.#released = false;
			this.socket.ref();
		}
		this.parser.begin(exchange, exchange.toHead);
		exchange.send(this);
	}

	pause(): void {
		this.socket.pause();
	}

	resume(): void {
		this.socket.resume();
	}

	#onRead(bytes: number): boolean {
		const { exchange, parser } = this;
		if (exchange === null || !exchange.sent) {
			this.#onUnasked();
			return true;
		}
		const stop = parser.read(this.#pool.memory, 0, bytes);
		if (parser.fault !== null) exchange.refuse(parser.fault);
		else if (parser.whole) this.#onAnswered(exchange, stop === bytes);
		else exchange.afterRead();
		return true;
	}

	/** Nobody can know whose answer this is. */
	#onUnasked(): void {
		const { name } = this.#pool.settings;
		this.#onLost(invalid(name, "the upstream spoke before it was asked"));
	}

	/** `exact` is true if nothing came behind the answer. */
	#onAnswered(exchange: Carried, exact: boolean): void {
		if (exchange !== this.exchange) return;
		const { reusable, head } = this.parser;
		this.exchange = null;
		this.#settled = false;
		if (reusable && exact && exchange.allSent) {
			if (this.socket.isPaused()) this.socket.resume();
			this.#pool.rest(this, head?.restMs ?? null);
		} else {
			this.destroy();
		}
		exchange.complete();
	}

	#onEnd(): void {
		const { exchange, parser } = this;
		if (!endedByPeer(this.socket)) {
			this.#onLost(new Error("TLS was closed without its notice"));
			return;
		}
		if (exchange?.sent) {
			parser.finish();
			if (parser.whole) this.#onAnswered(exchange, true);
		}
		this.#onLost(null);
	}

	#onLost(error: Error | null): void {
		const { exchange } = this;
		this.destroy();
		exchange?.lost(error);
	}

	/** Ends it at once. Unsent bytes are dropped. Its exchange is not told. Returns what closes now. */
	destroy(): readonly Socket[] {
		this.dead = true;
		this.exchange = null;
		if (this.#socket !== null) return [this.#socket.destroy()];
		this.#pool.forget(this);
		return this.#race?.stop() ?? [];
	}

	/** Ends it with the exchange it carries, and resolves when it is gone. */
	async close(): Promise<void> {
		const { exchange } = this;
		const closing = this.destroy();
		exchange?.fail(closed(this.#pool.settings.name));
		await Promise.all(closing.map(gone));
	}
}

function gone(socket: Socket): Promise<void> {
	return new Promise((resolve) => {
		if (socket.closed) resolve();
		else socket.once("close", () => resolve());
	});
}
