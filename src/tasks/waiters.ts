// The types point both ways: a scope ends the waiting, and a task's result, which a scope holds, is waited for.
import type { Scope } from "./scope.ts";

/** One waiter, with the value that it brought. */
class Waiter<T, Brought> {
	readonly brought: Brought;
	readonly #resolve: (value: T) => void;
	readonly #reject: (error: unknown) => void;
	before: Waiter<T, Brought> | null = null;
	behind: Waiter<T, Brought> | null = null;
	stopListening: () => void = nothing;

	constructor(
		brought: Brought,
		resolve: (value: T) => void,
		reject: (error: unknown) => void,
	) {
		this.brought = brought;
		this.#resolve = resolve;
		this.#reject = reject;
	}

	resolve(value: T): void {
		this.stopListening();
		this.#resolve(value);
	}

	reject(error: unknown): void {
		this.stopListening();
		this.#reject(error);
	}
}

/** Waiters in order of arrival. A waiter whose scope is cancelled leaves, wherever it stands. */
export class Waiters<T, Brought = undefined> {
	size = 0;
	#first: Waiter<T, Brought> | null = null;
	#last: Waiter<T, Brought> | null = null;
	readonly #onLeft: () => void;

	/** `onLeft` is called when a waiter leaves because its scope was cancelled. */
	constructor(onLeft: () => void = nothing) {
		this.#onLeft = onLeft;
	}

	/** Waits to be shifted and resolved. Rejects with the scope's reason if the scope is cancelled first. */
	wait(scope: Scope | undefined, brought: Brought): Promise<T> {
		if (scope?.cancelled) return Promise.reject(scope.reason);
		return new Promise((resolve, reject) => {
			const waiter = new Waiter<T, Brought>(brought, resolve, reject);
			this.#push(waiter);
			if (scope === undefined) return;
			waiter.stopListening = scope.onCancel((reason) => {
				this.#remove(waiter);
				reject(reason);
				this.#onLeft();
			});
		});
	}

	/** Takes out the waiter that has waited longest; null if nobody waits. The caller must settle it. */
	shift(): Waiter<T, Brought> | null {
		const waiter = this.#first;
		if (waiter !== null) this.#remove(waiter);
		return waiter;
	}

	/** As `shift`, for the waiter that came last. */
	pop(): Waiter<T, Brought> | null {
		const waiter = this.#last;
		if (waiter !== null) this.#remove(waiter);
		return waiter;
	}

	#push(waiter: Waiter<T, Brought>): void {
		waiter.before = this.#last;
		if (this.#last === null) this.#first = waiter;
		else this.#last.behind = waiter;
		this.#last = waiter;
		this.size++;
	}

	#remove(waiter: Waiter<T, Brought>): void {
		const { before, behind } = waiter;
		if (before === null) this.#first = behind;
		else before.behind = behind;
		if (behind === null) this.#last = before;
		else behind.before = before;
		this.size--;
	}
}

function nothing(): void {}
