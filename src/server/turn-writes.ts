import type { ClientConnection } from "./client-connection.ts";

/**
 * Hands answers to the system when the turn of the event loop in which they were made ends, one connection after the
 * other. Written one by one, each write finds the processor's caches full of other work, and wakes its client anew.
 */
export class TurnWrites {
	#holding: ClientConnection[] = [];

	/** What is written on the connection in this turn waits for its end. */
	hold(connection: ClientConnection): void {
		if (!connection.hold()) return;
		if (this.#holding.push(connection) === 1) setImmediate(this.#release);
	}

	readonly #release = (): void => {
		const holding = this.#holding;
		this.#holding = [];
		for (const connection of holding) connection.release();
	};
}
