import { networkOf } from "../core/ip.ts";

/**
 * A client may have this many times as many streams as are left free. So one alone gets eight ninths of them, the next
 * one eight ninths of the rest, and there is always one left for another. Up to nine in all, one client may have all.
 * (The idea is that of dynamic thresholds in switches, Choudhury and Hahne 1998.)
 */
const timesFree = 8;

/** Counts the open streams of an upstream, and of each client. */
export class OpenStreams {
	readonly #most: number;
	readonly #counts = new Map<string, number>();
	open = 0;

	constructor(most: number) {
		this.#most = most;
	}

	/** The client to give it back for; null if the client may have no more. */
	take(address: string): string | null {
		const client = networkOf(address);
		const count = this.#counts.get(client) ?? 0;
		const free = this.#most - this.open;
		if (free <= 0 || count > timesFree * free) return null;
		this.open++;
		this.#counts.set(client, count + 1);
		return client;
	}

	give(client: string): void {
		const count = this.#counts.get(client) ?? 0;
		this.open--;
		if (count > 1) this.#counts.set(client, count - 1);
		else this.#counts.delete(client);
	}
}
