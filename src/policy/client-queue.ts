import { networkOf } from "../core/ip.ts";
import type { Clock } from "../tasks/clock.ts";
import type { Scope } from "../tasks/scope.ts";
import { Waiters } from "../tasks/waiters.ts";

/** The waiters of one client. */
interface Line {
	/** Each brought the instant at which it came. */
	readonly waiters: Waiters<void, number>;
	/** Since when the client waits for its next turn. */
	sinceMs: number;
}

/**
 * A queue that clients share. They get their turns one after another, so a client with many waiters delays its own. An
 * IPv6 client is its network, because it chooses the rest of its address itself.
 */
export class ClientQueue {
	size = 0;
	/** The waiters of each client that has any. The client whose turn is next stands first. */
	readonly #lines = new Map<string, Line>();
	readonly #clock: Clock;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Waits to be let in. Rejects with the scope's reason if the scope is cancelled first. */
	wait(address: string, scope: Scope): Promise<void> {
		if (scope.cancelled) return Promise.reject(scope.reason);
		const client = networkOf(address);
		const nowMs = this.#clock.now();
		this.size++;
		return this.#lineOf(client, nowMs).waiters.wait(scope, nowMs);
	}

	#lineOf(client: string, nowMs: number): Line {
		const before = this.#lines.get(client);
		if (before !== undefined) return before;
		const waiters = new Waiters<void, number>(() => this.#left(client));
		const line = { waiters, sinceMs: nowMs };
		this.#lines.set(client, line);
		return line;
	}

	#left(client: string): void {
		this.size--;
		if (this.#lines.get(client)?.waiters.size === 0) this.#lines.delete(client);
	}

	/**
	 * How long a client has to expect to wait, in milliseconds: as long as the client whose turn is next has waited for its turn, or
	 * as its own oldest waiter has.
	 */
	waitOf(address: string): number {
		if (this.size === 0) return 0;
		const nowMs = this.#clock.now();
		const [next] = this.#lines.values();
		const own = this.#lines.get(networkOf(address))?.waiters.oldest;
		return nowMs - Math.min(next?.sinceMs ?? nowMs, own ?? nowMs);
	}

	/** Lets in the oldest waiter of the next client, or its newest one. False if nobody waits. */
	letIn(which: "oldest" | "newest"): boolean {
		for (const [client, line] of this.#lines) {
			const { waiters } = line;
			const waiter = which === "oldest" ? waiters.shift() : waiters.pop();
			// The others have their turns before this client has another.
			this.#lines.delete(client);
			if (waiters.size > 0) {
				line.sinceMs = this.#clock.now();
				this.#lines.set(client, line);
			}
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
		this.#lines.get(client)?.waiters.pop()?.reject(refusal);
		this.#left(client);
		return true;
	}

	/** The client with the most waiters, if it has more than the client at this address would have with one more. */
	#largestBeside(address: string): string | null {
		const own = this.#lines.get(networkOf(address))?.waiters.size ?? 0;
		let most = own + 1;
		let largest: string | null = null;
		for (const [client, { waiters }] of this.#lines) {
			if (waiters.size <= most) continue;
			most = waiters.size;
			largest = client;
		}
		return largest;
	}

	/** Refuses all who wait. */
	clear(refusal: unknown): void {
		for (const { waiters } of this.#lines.values()) {
			for (let one = waiters.pop(); one !== null; one = waiters.pop()) {
				one.reject(refusal);
			}
		}
		this.#lines.clear();
		this.size = 0;
	}
}
