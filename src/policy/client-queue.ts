import { networkOf } from "../core/ip.ts";
import type { Scope } from "../tasks/scope.ts";
import { Waiters } from "../tasks/waiters.ts";

/**
 * A queue that clients share. They get their turns one after another, so a client with many waiters delays its own. An
 * IPv6 client is its network, because it chooses the rest of its address itself.
 */
export class ClientQueue {
	size = 0;
	/** The waiters of each client that has any. The client whose turn is next stands first. */
	readonly #lines = new Map<string, Waiters<void>>();

	/** Waits to be let in. Rejects with the scope's reason if the scope is cancelled first. */
	wait(address: string, scope: Scope): Promise<void> {
		if (scope.cancelled) return Promise.reject(scope.reason);
		const client = networkOf(address);
		this.size++;
		return this.#lineOf(client).wait(scope, undefined);
	}

	#lineOf(client: string): Waiters<void> {
		const before = this.#lines.get(client);
		if (before !== undefined) return before;
		const line: Waiters<void> = new Waiters(() => this.#left(client, line));
		this.#lines.set(client, line);
		return line;
	}

	#left(client: string, line: Waiters<void>): void {
		this.size--;
		if (line.size === 0) this.#lines.delete(client);
	}

	/** Lets in the oldest waiter of the next client, or its newest one. False if nobody waits. */
	letIn(which: "oldest" | "newest"): boolean {
		for (const [client, line] of this.#lines) {
			const waiter = which === "oldest" ? line.shift() : line.pop();
			// The others have their turns before this client has another.
			this.#lines.delete(client);
			if (line.size > 0) this.#lines.set(client, line);
			this.size--;
			waiter?.resolve();
			return true;
		}
		return false;
	}

	/** Whether `makeRoom` would make room for this client. */
	mayMakeRoom(address: string): boolean {
		return this.#largestBeside(address) !== null;
	}

	/**
	 * Makes room in a full queue for one more waiter of a client: refuses the newest waiter of the client with the most.
	 * False if no client has more waiters than this one would have.
	 */
	makeRoom(address: string, refusal: unknown): boolean {
		const client = this.#largestBeside(address);
		if (client === null) return false;
		const line = this.#lineOf(client);
		line.pop()?.reject(refusal);
		this.#left(client, line);
		return true;
	}

	/** The client with the most waiters, if it has more than the client at this address would have with one more. */
	#largestBeside(address: string): string | null {
		const own = this.#lines.get(networkOf(address))?.size ?? 0;
		let most = own + 1;
		let largest: string | null = null;
		for (const [client, { size }] of this.#lines) {
			if (size <= most) continue;
			most = size;
			largest = client;
		}
		return largest;
	}

	/** Refuses all who wait. */
	clear(refusal: unknown): void {
		for (const line of this.#lines.values()) {
			for (let one = line.pop(); one !== null; one = line.pop()) {
				one.reject(refusal);
			}
		}
		this.#lines.clear();
		this.size = 0;
	}
}
