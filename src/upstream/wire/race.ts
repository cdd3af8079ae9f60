import type { Socket } from "node:net";
import type { Clock, Timer } from "../../tasks/clock.ts";

/**
 * Begins a connection to an address. `onReady` is called when a request may be sent on it, with TLS only after the
 * server was verified.
 */
export type OpenSocket = (address: string, onReady: () => void) => Socket;

/** How long an attempt is alone before the next address is tried beside it (RFC 8305, 5). */
const aheadMs = 250;

/** The most attempts at once. Beyond them the oldest, which has had a second by then, gives way. */
const attemptsMax = 5;

/**
 * Tries the addresses of one host until one is connected (RFC 8305, 5). The next attempt begins when the last one has had
 * its time alone, or at once when one has failed. Earlier attempts go on. The first that is ready wins, and the others are
 * closed. A single address needs no timer.
 */
export class Race {
	readonly #open: OpenSocket;
	readonly #clock: Clock;
	readonly #onWon: (socket: Socket, address: string) => void;
	readonly #onLost: (error: Error) => void;
	#addresses: readonly string[] = [];
	#tried = 0;
	/** From the oldest on. */
	#attempts: Attempt[] = [];
	readonly #faults: Error[] = [];
	#timer: Timer | null = null;
	#over = false;

	/** Calls back once, unless it is stopped before. The winner has no listener of the race any more. */
	constructor(
		open: OpenSocket,
		clock: Clock,
		onWon: (socket: Socket, address: string) => void,
		onLost: (error: Error) => void,
	) {
		this.#open = open;
		this.#clock = clock;
		this.#onWon = onWon;
		this.#onLost = onLost;
	}

	/** `addresses` are at least one. Does nothing if it was stopped. */
	begin(addresses: readonly string[]): void {
		if (this.#over) return;
		this.#addresses = addresses;
		this.#tryNext();
	}

	/** There is no address to try, for this reason. */
	lose(error: Error): void {
		if (this.#over) return;
		this.stop();
		this.#onLost(error);
	}

	/** Closes what is open, and returns it. */
	stop(): readonly Socket[] {
		this.#over = true;
		this.#timer?.cancel();
		this.#timer = null;
		const sockets = this.#attempts.map(({ socket }) => socket);
		this.#attempts = [];
		for (const socket of sockets) socket.destroy();
		return sockets;
	}

	#tryNext(): void {
		const address = this.#addresses[this.#tried];
		if (address === undefined) {
			if (this.#attempts.length === 0) this.lose(allOf(this.#faults));
			return;
		}
		this.#tried++;
		if (this.#attempts.length === attemptsMax) this.#giveUpOldest();
		try {
			this.#attempt(address);
			this.#waitForNext();
		} catch (error) {
			this.#faults.push(error as Error);
			// Whoever began the race does not expect its end yet.
			process.nextTick(() => this.#over || this.#tryNext());
		}
	}

	#attempt(address: string): void {
		const socket = this.#open(address, () => {
			socket.off("connect", onConnect).off("error", onEnd).off("close", onEnd);
			this.#remove(socket);
			this.stop();
			this.#onWon(socket, address);
		});
		const onEnd = (error: Error | boolean) => {
			if (!this.#remove(socket)) return;
			socket.destroy();
			const fault =
				error instanceof Error ? error : connectFault("ECONNRESET", address);
			this.#faults.push(Object.assign(fault, { address }));
			this.#tryNext();
		};
		// If TLS is still to come, the address is on its way, so it is alone for another while.
		const onConnect = () => this.#waitForNext();
		this.#attempts.push({ socket, address });
		// A loser keeps them, because it may report an error while it closes.
		socket.on("connect", onConnect).on("error", onEnd).on("close", onEnd);
	}

	/** Whether it was still in the race. */
	#remove(socket: Socket): boolean {
		const before = this.#attempts.length;
		this.#attempts = this.#attempts.filter((one) => one.socket !== socket);
		return this.#attempts.length < before;
	}

	#waitForNext(): void {
		this.#timer?.cancel();
		this.#timer = null;
		if (this.#over || this.#tried === this.#addresses.length) return;
		this.#timer = this.#clock.after(aheadMs, () => this.#tryNext());
	}

	#giveUpOldest(): void {
		const oldest = this.#attempts.shift();
		if (oldest === undefined) return;
		oldest.socket.destroy();
		this.#faults.push(connectFault("ETIMEDOUT", oldest.address));
	}
}

interface Attempt {
	readonly socket: Socket;
	readonly address: string;
}

function allOf(faults: readonly Error[]): Error {
	const [first, second] = faults;
	return first !== undefined && second === undefined
		? first
		: new AggregateError(faults);
}

/** As the system's errors are: a code, and what was being done. */
function connectFault(code: string, address: string): Error {
	const syscall = "connect";
	const message = `${syscall} ${code} ${address}`;
	return Object.assign(new Error(message), { code, syscall });
}
