/** How much is computed in one turn of the loop before others have theirs: 20 ms, in units of 100 ns. */
const turnMax = 200_000;

/** Less is not worth an immediate of its own. It counts for the turns that come. */
const turnMin = 10_000;

/**
 * How much has been computed in this turn of the event loop. All who compute in pieces share it: each piece asks before it
 * begins, and waits for another turn if this one has computed for long. So timers, new requests and health checks wait
 * for 20 ms of computing and one piece at most.
 */
export class LoopTurn {
	/** What was computed in this turn, in units of 100 ns. Whoever computes adds to it. */
	spent = 0;
	readonly #waiting: (() => void)[] = [];
	#ending = false;

	/**
	 * Null if there is time left in this turn. Else a promise of time in a later turn; its first reaction is to compute at
	 * once.
	 */
	next(): Promise<void> | null {
		if (this.spent < turnMin) return null;
		this.#endSoon();
		if (this.spent < turnMax) return null;
		return new Promise((resolve) => this.#waiting.push(resolve));
	}

	/** Whether anything waits for another turn. */
	get waited(): boolean {
		return this.#waiting.length > 0;
	}

	#endSoon(): void {
		if (this.#ending) return;
		this.#ending = true;
		setImmediate(this.#end);
	}

	readonly #end = (): void => {
		this.#ending = false;
		this.spent = 0;
		this.#release();
	};

	/** Lets those who wait go on in the order they came, until this turn is spent too. */
	readonly #release = (): void => {
		if (this.#waiting.length === 0) return;
		if (this.spent >= turnMax) return this.#endSoon();
		this.#waiting.shift()?.();
		// The reaction to the promise is before this in the queue.
		queueMicrotask(this.#release);
	};
}
