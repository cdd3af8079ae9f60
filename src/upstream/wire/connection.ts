import type { Socket } from "node:net";
import type { Timer } from "../../tasks/clock.ts";
import { tellApart } from "../../tasks/failure.ts";
import { type Connect, endedByPeer } from "./connect.ts";
import { Dropped, isWanted } from "./dropped.ts";
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
	/** Calls `fn` once, after so many milliseconds. */
	later(ms: number, fn: () => void): Timer;
	/** Calls `settled` when the connection may carry a request. */
	settle(connection: UpstreamConnection): void;
	/** Takes a connection back that carried an answer to its end. `keptMs`: how long the server keeps it, null if unknown. */
	rest(connection: UpstreamConnection, keptMs: number | null): void;
	/** The connection is closed. */
	forget(connection: UpstreamConnection): void;
}

/** An exchange on a connection. The connection reads the answer into it, and reports how the answer ended. */
export interface Carried extends Sink {
	/** Whether the next bytes on its connection are of its answer. The connection says so. */
	awaited: boolean;
	/** Whether the request is a HEAD. */
	readonly toHead: boolean;
	/** Whether the connection has begun to send the request. */
	readonly sent: boolean;
	/** Whether the whole request was sent. */
	readonly allSent: boolean;
	/** The bound of the attempt, in milliseconds. */
	readonly timeoutMs: number;
	/** It has waited too long for the answers before its own. It may move to a connection of its own. */
	moveOn(): void;
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

/**
 * A connection to an upstream. It carries one exchange at a time, or several whose requests were sent together. Their
 * answers come in the same order.
 */
export class UpstreamConnection implements Flow {
	/** True if it is closed or about to be. Then it carries nothing any more. */
	dead = false;
	/** Whether it carried an answer before. Then the server may have closed it meanwhile without our knowing. */
	kept = false;
	/** The sweep of the pool at which it has been at rest for too long. */
	restsUntil = 0;
	/** The sweep of the pool from which it is too old for another call. */
	endsAt = 0;
	/** The exchange whose answer comes next. */
	exchange: Carried | null = null;
	/** Those whose answers come after it. */
	#behind: Carried[] = none;
	/** Requests that wait for others with which they are sent, in the order of the exchanges. Null if they do not wait. */
	#held: string[] | null = null;
	/** Set while exchanges wait behind another one. */
	#patience: Timer | null = null;
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
		if (this.exchange !== null) {
			this.#behind = [...this.#behind, exchange];
			exchange.send(this);
			return;
		}
		this.exchange = exchange;
		if (this.#settled) this.#begin(exchange);
	}

	/** Whether it may send a request at once, and is likely to carry it: it has carried another one. */
	get isReady(): boolean {
		return this.kept && this.#settled;
	}

	/** Requests wait from now on, until `flush`. */
	hold(): void {
		this.#held = [];
	}

	/** Whether another request may be sent with those that wait. */
	get hasRoom(): boolean {
		const { pipelining = 1 } = this.#pool.settings;
		return this.#held !== null && this.#behind.length + 1 < pipelining;
	}

	/**
	 * Sends the requests that wait, together. Those without an answer after half of the shortest timeout move on, so that a slow
	 * answer does not use up the time of the others.
	 */
	flush(): void {
		const texts = this.#held;
		this.#held = null;
		if (texts === null || texts.length === 0) return;
		this.socket.write(texts.join(""), "latin1");
		if (this.#behind.length === 0) return;
		const shortestMs = Math.min(...this.#carried.map((one) => one.timeoutMs));
		this.#patience = this.#pool.later(shortestMs / 2, () => {
			for (const one of this.#behind) tellApart(() => one.moveOn());
		});
	}

	/** Sends a request, one character for each byte, or holds it. */
	write(text: string): void {
		if (this.#held === null) this.socket.write(text, "latin1");
		else this.#held.push(text);
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
		this.#await(exchange);
		exchange.send(this);
	}

	#await(exchange: Carried): void {
		exchange.awaited = true;
		this.parser.begin(exchange, exchange.toHead);
	}

	pause(): void {
		this.socket.pause();
	}

	resume(): void {
		this.socket.resume();
	}

	#onRead(bytes: number): boolean {
		let told = false;
		try {
			this.#read(bytes);
			told = true;
		} finally {
			// An end has thrown. The others on this connection are to hear of one all the same.
			if (!told) this.#onLost(null);
		}
		return true;
	}

	#read(bytes: number): void {
		const { parser } = this;
		for (let at = 0; at < bytes; ) {
			const { exchange } = this;
			if (exchange === null || !exchange.sent || this.#held !== null) {
				this.#onUnasked();
				return;
			}
			at = parser.read(this.#pool.memory, at, bytes);
			if (parser.fault !== null) {
				exchange.refuse(parser.fault);
				this.#onLost(null);
				return;
			}
			if (!parser.whole) {
				exchange.afterRead();
				return;
			}
			this.#onAnswered(exchange, at === bytes);
		}
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
		const goesOn = reusable && exchange.allSent;
		// Answers that nobody wants may never come.
		if (goesOn && this.#behind.some(isWanted)) {
			this.#advance();
			exchange.complete();
			return;
		}
		this.exchange = null;
		this.#settled = false;
		this.#patience?.cancel();
		this.#patience = null;
		if (goesOn && exact && this.#behind.length === 0) {
			if (this.socket.isPaused()) this.socket.resume();
			this.#pool.rest(this, head?.restMs ?? null);
			exchange.complete();
			return;
		}
		const left = this.#behind;
		this.destroy();
		try {
			exchange.complete();
		} finally {
			tellAll(left, (one) => one.lost(null));
		}
	}

	/** The answer of the next one is awaited. */
	#advance(): void {
		const [next, ...behind] = this.#behind;
		this.exchange = next as Carried;
		this.#behind = behind;
		this.#await(this.exchange);
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
		const left = this.#carried;
		this.destroy();
		tellAll(left, (one) => one.lost(error));
	}

	/** In the order of their answers. */
	get #carried(): readonly Carried[] {
		return this.exchange === null ? none : [this.exchange, ...this.#behind];
	}

	/**
	 * An exchange is over before its answer came, so the connection ends at once. The others on it are told that it is gone.
	 * An answer that comes behind another one is dropped instead when it comes, so that the others need not be asked again. A
	 * request that waits is not sent.
	 */
	leave(exchange: Carried): void {
		const at = this.#carried.indexOf(exchange);
		if (this.#held !== null && at >= 0) this.#withdraw(at, this.#held);
		else if (at > 0) {
			this.#behind = this.#behind.with(at - 1, new Dropped());
			if (!this.#carried.some(isWanted)) this.destroy();
		} else {
			const left = this.#carried.slice(1);
			this.destroy();
			tellAll(left, (one) => one.lost(null));
		}
	}

	/** Takes back a request that was not sent, so that the connection is as if it had never come. */
	#withdraw(at: number, held: string[]): void {
		held.splice(at, 1);
		if (at > 0) this.#behind = this.#behind.toSpliced(at - 1, 1);
		else if (this.#behind.length > 0) this.#advance();
		else {
			this.#held = null;
			this.exchange = null;
			this.#settled = false;
			this.#pool.rest(this, null);
		}
	}

	/** Ends it at once. Unsent bytes are dropped. What it carries is not told. Returns what closes now. */
	destroy(): readonly Socket[] {
		this.dead = true;
		this.exchange = null;
		this.#behind = none;
		this.#held = null;
		this.#patience?.cancel();
		this.#patience = null;
		if (this.#socket !== null) return [this.#socket.destroy()];
		this.#pool.forget(this);
		return this.#race?.stop() ?? [];
	}

	/** Ends it with the exchanges it carries, and resolves when it is gone. */
	async close(): Promise<void> {
		const left = this.#carried;
		const closing = this.destroy();
		tellAll(left, (one) => one.fail(closed(this.#pool.settings.name)));
		await Promise.all(closing.map(gone));
	}
}

const none: Carried[] = [];

/** Tells all of them, also if one throws. */
function tellAll(all: readonly Carried[], tell: (one: Carried) => void): void {
	const [first, ...rest] = all;
	if (first === undefined) return;
	try {
		tell(first);
	} finally {
		tellAll(rest, tell);
	}
}

function gone(socket: Socket): Promise<void> {
	return new Promise((resolve) => {
		if (socket.closed) resolve();
		else socket.once("close", () => resolve());
	});
}
