import { needScope } from "./misuse.ts";
import type { Scope } from "./scope.ts";
import { Waiters } from "./waiters.ts";

/** A bounded queue between makers and takers of items. A maker that is too fast waits. */
export interface Queue<T> {
	/** Items that were put and not yet taken, without those of makers that still wait. */
	readonly size: number;
	readonly closed: boolean;
	/** Puts an item when there is room, in order of asking. Throws `QueueClosed`, or the scope's reason. */
	put(item: T, scope: Scope): Promise<void>;
	/** Puts an item if there is room now. False if there is none, or if the queue is closed. */
	tryPut(item: T): boolean;
	/**
	 * Takes the oldest item, or waits for one in order of asking. Throws `QueueClosed` when a closed queue is empty, or
	 * the scope's reason.
	 */
	take(scope: Scope): Promise<T>;
	/** Closes the queue and wakes all who wait. Items in the queue can still be taken. */
	close(): void;
	/**
	 * Every item, until the queue is closed and empty. Several loops may share one queue: each item goes to one of them.
	 */
	items(scope: Scope): AsyncIterableIterator<T>;
}

/** Thrown by a closed queue: to makers, and to takers when nothing is left. */
export class QueueClosed extends Error {
	override readonly name = "QueueClosed";
	constructor() {
		super("the queue is closed");
	}
}

/** A queue that holds at most `max` items, 1 or more. */
export function createQueue<T>(max: number): Queue<T> {
	if (!(max >= 1)) throw new RangeError("a queue holds at least one item");
	return new BoundedQueue(max);
}

class BoundedQueue<T> implements Queue<T> {
	closed = false;
	readonly #max: number;
	#items: T[] = [];
	/** Items before this index were taken. To move the others up each time would cost more the longer the queue is. */
	#head = 0;
	readonly #putters = new Waiters<void, T>();
	readonly #takers = new Waiters<T>();

	constructor(max: number) {
		this.#max = max;
	}

	get size(): number {
		return this.#items.length - this.#head;
	}

	async put(item: T, scope: Scope): Promise<void> {
		needScope(scope, "queue.put(item, scope)");
		if (scope.cancelled) throw scope.reason;
		if (this.tryPut(item)) return;
		if (this.closed) throw new QueueClosed();
		await this.#putters.wait(scope, item);
	}

	tryPut(item: T): boolean {
		if (this.closed || this.size >= this.#max) return false;
		const taker = this.#takers.shift();
		if (taker === null) this.#items.push(item);
		else taker.resolve(item);
		return true;
	}

	async take(scope: Scope): Promise<T> {
		needScope(scope, "queue.take(scope)");
		if (scope.cancelled) throw scope.reason;
		if (this.size === 0) {
			if (this.closed) throw new QueueClosed();
			return this.#takers.wait(scope, undefined);
		}
		const item = this.#shift();
		const putter = this.#putters.shift();
		if (putter !== null) {
			this.#items.push(putter.brought);
			putter.resolve();
		}
		return item;
	}

	#shift(): T {
		const item = this.#items[this.#head] as T;
		this.#items[this.#head] = undefined as T;
		this.#head++;
		if (this.#head * 2 >= this.#items.length) {
			this.#items = this.#items.slice(this.#head);
			this.#head = 0;
		}
		return item;
	}

	close(): void {
		if (this.closed) return;
		this.closed = true;
		for (const waiters of [this.#putters, this.#takers]) {
			let waiter = waiters.shift();
			for (; waiter; waiter = waiters.shift()) waiter.reject(new QueueClosed());
		}
	}

	async *items(scope: Scope): AsyncIterableIterator<T> {
		while (this.size > 0 || !this.closed) {
			try {
				yield await this.take(scope);
			} catch (error) {
				if (error instanceof QueueClosed) return;
				throw error;
			}
		}
	}
}
