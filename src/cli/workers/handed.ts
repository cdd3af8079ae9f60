import { type BoundSocket, Socket } from "node:net";
import type { Clock, Timer } from "../../tasks/clock.ts";
import type { FromWorker } from "./messages.ts";

/** A connection of which nothing was read, on its way from one process to another. */
export interface Handed {
	close(): void;
}

/** What a socket of Node has below it. */
interface Handle extends Handed {
	readStop(): void;
	readStart(): void;
}

/** How many connections wait for the primary at most. It takes them one after the other. */
const offeredMax = 500;

/** How often a full worker looks whether it still is. */
const lookMs = 25;

/** Sends a message. `sent` is called when it is on its way, or when it cannot be sent. Throws if a handle cannot go with it. */
type Tell = (message: FromWorker, handed?: Handed, sent?: () => void) => void;

export interface HandOverOptions {
	readonly clock: Clock;
	/** Whether one more request would have to wait here or be refused, if there are so many to come already. */
	readonly isFull: (coming: number) => boolean;
	readonly tell: Tell;
}

/**
 * A worker whose places are all taken still accepts, because its event loop has time. What it accepts then goes to a worker
 * that rests, if there is one.
 */
export class HandOver {
	readonly #options: HandOverOptions;
	readonly #arrivals = new Arrivals();
	#othersRest = false;
	#offered = 0;
	/** Runs while the primary thinks that this worker is full. */
	#looking: Timer | null = null;

	constructor(options: HandOverOptions) {
		this.#options = options;
	}

	/** Whether another worker has time, as the primary says. */
	hear(othersRest: boolean): void {
		this.#othersRest = othersRest;
	}

	/** Called with each connection that is accepted, before anything is read of it. True: another worker gets it. */
	offer(socket: Socket): boolean {
		const isFull = this.#isFull();
		if (isFull && this.#othersRest && this.#offered < offeredMax) {
			if (this.#pass(socket)) return true;
		}
		this.#arrivals.add();
		return false;
	}

	/** A connection that another worker has accepted. It is served here in any case. */
	take(handed: Handed): Socket {
		this.#isFull();
		this.#arrivals.add();
		// Node hands over connections in this way itself, but documents it only for those that are read at once.
		const handle = handed as unknown as BoundSocket;
		const options = { handle, allowHalfOpen: true };
		return new Socket({ ...options, readable: true, writable: true });
	}

	close(): void {
		this.#looking?.cancel();
	}

	/** If so, the primary knows. */
	#isFull(): boolean {
		const { isFull, tell } = this.#options;
		if (!isFull(this.#arrivals.size)) return false;
		if (this.#looking === null) {
			tell({ kind: "full", full: true });
			this.#lookLater();
		}
		return true;
	}

	#lookLater(): void {
		const { clock, isFull, tell } = this.#options;
		this.#looking = clock.aside(lookMs, () => {
			if (isFull(this.#arrivals.size)) return this.#lookLater();
			this.#looking = null;
			tell({ kind: "full", full: false });
		});
	}

	#pass(socket: Socket): boolean {
		const { _handle: handle } = socket as unknown as { _handle: Handle | null };
		if (handle === null) return false;
		// Whatever is read here would be lost.
		handle.readStop();
		try {
			this.#options.tell({ kind: "offer" }, handle, () => {
				this.#offered--;
				socket.destroy();
			});
		} catch {
			// A Node that does not send handles any more.
			handle.readStart();
			return false;
		}
		this.#offered++;
		socket.on("error", () => {});
		return true;
	}
}

/** How many connections were accepted in this turn of the event loop and the one before. Their requests are not read yet. */
class Arrivals {
	#now = 0;
	#before = 0;
	#counts = false;

	get size(): number {
		return this.#now + this.#before;
	}

	add(): void {
		this.#now++;
		if (this.#counts) return;
		this.#counts = true;
		setImmediate(this.#turn);
	}

	readonly #turn = (): void => {
		this.#before = this.#now;
		this.#now = 0;
		this.#counts = this.#before > 0;
		if (this.#counts) setImmediate(this.#turn);
	};
}
