import type { GatewayError } from "../core/errors.ts";
import type { Clock } from "../tasks/clock.ts";
import type { Scope } from "../tasks/scope.ts";
import { ClientQueue } from "./client-queue.ts";
import { whileWaiting } from "./waited.ts";

/** What the errors of slots say. */
export interface SlotWords {
	/** After a number: `places of calls to users`. */
	readonly what: string;
	/** Stands in the facts of errors. */
	readonly upstream?: string;
	/** The refusal of a call when so many run and so many wait. */
	full(running: number, waiting: number): GatewayError;
}

/** Slots of what runs at once, and the queue for them, in which clients take turns. */
export class Slots {
	readonly #clock: Clock;
	readonly #words: SlotWords;
	readonly #queue = new ClientQueue();
	#count: number;
	#taken = 0;

	constructor(count: number, clock: Clock, words: SlotWords) {
		this.#count = count;
		this.#clock = clock;
		this.#words = words;
	}

	get taken(): number {
		return this.#taken;
	}

	get count(): number {
		return this.#count;
	}

	get waiting(): number {
		return this.#queue.size;
	}

	get hasFree(): boolean {
		return this.#taken < this.#count;
	}

	tryTake(): boolean {
		if (this.#taken >= this.#count) return false;
		this.#taken++;
		return true;
	}

	/**
	 * Waits for a slot. Null if the queue is full, and this client has no smaller share of it than others. Otherwise one
	 * of theirs is refused instead.
	 */
	wait(client: string, scope: Scope, waitingMax: number): Promise<void> | null {
		if (this.#queue.size >= waitingMax) {
			const refusal = this.full(waitingMax);
			if (!this.#queue.makeRoom(client, refusal)) return null;
		}
		const sinceMs = this.#clock.now();
		return this.#queue.wait(client, scope).catch((reason: unknown) => {
			throw this.inVain(reason, sinceMs);
		});
	}

	/** The error of a wait that began at this instant and was ended by `reason`. */
	inVain(reason: unknown, sinceMs: number): unknown {
		const { what, upstream } = this.#words;
		const waitedMs = this.#clock.now() - sinceMs;
		const place = `one of the ${this.#count} ${what}`;
		return whileWaiting(reason, waitedMs, place, upstream);
	}

	give(): void {
		this.#taken--;
		this.#letIn();
	}

	/** More slots let waiters in at once. Fewer hold once enough were given back. */
	resize(count: number): void {
		this.#count = count;
		this.#letIn();
	}

	#letIn(): void {
		while (this.#taken < this.#count && this.#queue.size > 0) {
			this.#taken++;
			this.#queue.letIn("oldest");
		}
	}

	full(waitingMax: number): GatewayError {
		return this.#words.full(this.#count, waitingMax);
	}
}
