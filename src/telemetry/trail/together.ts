import type { Trail } from "../../core/trail.ts";
import type { Clock, Timer } from "../../tasks/clock.ts";

/** So many are handed on at the latest. Each may hold the record and the values of its request. */
export const togetherMax = 32;

/** A record with more steps and items than these is not held back, because it is large. */
const stepsMax = 100;

/** Whether a request's record is too large to wait with others. */
export function isLarge({ steps }: Pick<Trail, "steps">): boolean {
	return steps.length > stepsMax;
}

/**
 * What has happened, for somebody who has time. It is handed on in its order: when many wait, when the event loop comes
 * round to its timers, or when somebody asks. Code that runs for many requests in a row is found in the processor's caches,
 * which one request empties.
 */
export class Together<T> {
	readonly #clock: Clock;
	readonly #take: (all: readonly T[]) => void;
	#all: T[] = [];
	#timer: Timer | null = null;

	/** `take` gets at least one, and may not throw. */
	constructor(clock: Clock, take: (all: readonly T[]) => void) {
		this.#clock = clock;
		this.#take = take;
	}

	/** How many wait. */
	get length(): number {
		return this.#all.length;
	}

	add(one: T): void {
		if (this.#all.length === togetherMax) this.handOn();
		this.#all.push(one);
		this.#timer ??= this.#clock.aside(0, () => this.handOn());
	}

	/** Hands on what waits, so that whoever asks next finds all. */
	handOn(): void {
		if (this.#all.length === 0) return;
		this.#timer?.cancel();
		this.#timer = null;
		const all = this.#all;
		this.#all = [];
		this.#take(all);
	}
}
