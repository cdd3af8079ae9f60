import type { Scope } from "./scope.ts";

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
}

/** Slots that are given in the order in which they were asked for. */
export function createSemaphore(slots: number): Semaphore {
	let taken = 0;
	const waiting = new Set<() => void>();

	function tryTake(): boolean {
		if (taken >= slots) return false;
		taken++;
		return true;
	}

	return {
		get taken() {
			return taken;
		},
		get waiting() {
			return waiting.size;
		},
		tryTake,
		take(scope) {
			if (scope.cancelled) return Promise.reject(scope.reason);
			if (tryTake()) return Promise.resolve();
			return new Promise<void>((resolve, reject) => {
				const receive = () => {
					stopListening();
					resolve();
				};
				waiting.add(receive);
				const stopListening = scope.onCancel((reason) => {
					waiting.delete(receive);
					reject(reason);
				});
			});
		},
		give() {
			const [next] = waiting;
			if (next === undefined) {
				taken--;
				return;
			}
			waiting.delete(next);
			next();
		},
	};
}
