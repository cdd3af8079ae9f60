import type { Scope } from "./scope.ts";
import { Waiters } from "./waiters.ts";

/** So many at once, the others waiting in order of arrival. */
export interface Semaphore {
	/** Slots taken now. */
	readonly taken: number;
	/** How many wait for one. */
	readonly waiting: number;
	/** Takes a slot if one is free. */
	tryTake(): boolean;
	/** Waits for a slot; throws the scope's reason when it is cancelled first. */
	take(scope: Scope): Promise<void>;
	/** Gives a slot back: to the one that has waited longest, where one waits. */
	give(): void;
	/** From now on there are so many: more let in who waits, fewer hold once enough were given back. */
	resize(slots: number): void;
	/** Waits for a slot, does the work, and gives the slot back however that ends. */
	run<T>(work: (scope: Scope) => T | PromiseLike<T>, scope: Scope): Promise<T>;
}

/** Slots that are given in the order in which they were asked for. */
export function createSemaphore(initialSlots: number): Semaphore {
	let slots = initialSlots;
	let taken = 0;
	const waiters = new Waiters<void>();

	function tryTake(): boolean {
		if (taken >= slots) return false;
		taken++;
		return true;
	}

	function take(scope: Scope): Promise<void> {
		if (!scope.cancelled && tryTake()) return Promise.resolve();
		return waiters.wait(scope, undefined);
	}

	function give(): void {
		taken--;
		letIn();
	}

	function letIn(): void {
		while (taken < slots) {
			const next = waiters.shift();
			if (next === null) return;
			taken++;
			next.resolve();
		}
	}

	return {
		get taken() {
			return taken;
		},
		get waiting() {
			return waiters.size;
		},
		tryTake,
		take,
		give,
		resize(newSlots) {
			slots = newSlots;
			letIn();
		},
		async run(work, scope) {
			await take(scope);
			try {
				return await work(scope);
			} finally {
				give();
			}
		},
	};
}
