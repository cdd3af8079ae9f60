// The types point both ways: a scope ends the waiting, and a task keeps its result in a future.
import type { Scope } from "./scope.ts";
import { Waiters } from "./waiters.ts";

/** A value that will be there later. Any number of callers may wait for it. It belongs to no scope. */
export interface Future<T> {
	/** Whether it has a value or an error. */
	readonly done: boolean;
	/** Gives it its value. Does nothing if it is done. */
	resolve(value: T): void;
	/**
	 * Gives it an error instead, which every reader gets. If nobody reads it, the error is lost. Does nothing if it is
	 * done.
	 */
	reject(error: unknown): void;
	/** Waits for the value; throws the error. With a scope, stops waiting when that is cancelled. */
	result(scope?: Scope): Promise<T>;
}

export function createFuture<T>(): Future<T> {
	const waiters = new Waiters<T>();
	let settled: Promise<T> | null = null;

	function settle(outcome: Promise<T>): void {
		settled = outcome;
		outcome.catch(nothing);
	}

	return {
		get done() {
			return settled !== null;
		},
		resolve(value) {
			if (settled !== null) return;
			settle(Promise.resolve(value));
			let waiter = waiters.shift();
			for (; waiter; waiter = waiters.shift()) waiter.resolve(value);
		},
		reject(error) {
			if (settled !== null) return;
			settle(Promise.reject(error));
			let waiter = waiters.shift();
			for (; waiter; waiter = waiters.shift()) waiter.reject(error);
		},
		result: (scope) => settled ?? waiters.wait(scope, undefined),
	};
}

function nothing(): void {}
