import { needScope, needWork } from "./misuse.ts";
import type { Scope } from "./scope.ts";
import { Waiters } from "./waiters.ts";

/** Lets so many run at once. The others wait in order of arrival. */
export interface Semaphore {
	/** Slots taken now. */
	readonly taken: number;
	/** How many wait for one. */
	readonly waiting: number;
	/** Takes a slot if one is free. */
	tryTake(): boolean;
	/** Waits for a slot; throws the scope's reason when it is cancelled first. */
	take(scope: Scope): Promise<void>;
	/** Gives a slot back. It goes to the waiter that has waited longest, if there is one. */
	give(): void;
	/** Sets the number of slots. More slots let waiters in at once. Fewer hold once enough were given back. */
	resize(slots: number): void;
	/** Waits for a slot, does the work, and gives the slot back, whether or not the work fails. */
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
		needScope(scope, "semaphore.take(scope)");
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
			needWork(work);
			needScope(scope, "semaphore.run(work, scope)");
			await take(scope);
			try {
				return await work(scope);
			} finally {
				give();
			}
		},
	};
}
