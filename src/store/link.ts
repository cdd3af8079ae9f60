import type { StoreFault } from "../core/events.ts";

/** What a command is made of. Bytes are sent as they are. */
export type Word = string | Buffer;

/** One connection to a store. It never connects again by itself. */
export interface Link {
	/** Texts in its answer that are one value are bytes. Rejects with a `StoreError`, also when the connection ends. */
	command(words: readonly Word[]): Promise<unknown>;
	/** Hears what is published on a channel, as long as the connection lasts. Rejects with a `StoreError`. */
	subscribe(channel: string, hear: (message: string) => void): Promise<void>;
	/** Ends the connection at once, and with it every command. Nothing is called back any more. */
	destroy(): void;
}

/** Makes a connection that is ready for commands. Rejects with a `StoreError`. */
export type OpenLink = (
	/** Called once if the connection ends by itself. */
	onLost: (fault: StoreFault) => void,
	/** Called when it begins to connect, with a function that ends the attempt and what was made by then. */
	onBegun: (destroy: () => void) => void,
	/** Called when it has reached somebody. The rest is waiting for answers. */
	onReached: () => void,
) => Promise<Link>;

/** The store could not do what was asked. It holds no word of the store's, so it can be shown anywhere. */
export class StoreError extends Error {
	readonly fault: StoreFault;
	/** Whether it is certain that nothing was done: nothing was sent, or the store has refused it. Else nobody knows. */
	readonly undone: boolean;

	constructor(fault: StoreFault, undone = false) {
		super(`the store is away: ${fault}`);
		this.fault = fault;
		this.undone = undone;
	}
}

/** The error for a script that the store does not know, or not any more. Its connection is sound. */
export class UnknownScript extends Error {}
