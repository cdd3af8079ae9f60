/** How much is computed in one turn of the loop before others have theirs: 20 ms, in units of 100 ns. */
const turnMax = 200_000;

/** Less is not worth an immediate of its own. It counts for the turns that come. */
const turnMin = 10_000;

/** For how long those who waited go on in one turn, in milliseconds. One of them goes on in any case. */
const resumedMsMax = 5;

/** How many of those who waited may go on in one turn. */
const resumedMax = 64;

/** Somebody who waits for another turn, and what he will take of it at least. */
interface Waiting {
	readonly resolve: () => void;
	readonly cost: number;
}

/**
 * How much has been computed in this turn of the event loop. All who compute in pieces share it: each piece asks before it
 * begins, and waits for another turn if this one has computed for long. So timers, new requests and health checks wait
 * for 20 ms of computing and one piece at most.
 */
export class LoopTurn {
	/** What was computed in this turn, in units of 100 ns. Whoever computes adds to it. */
	spent = 0;
	readonly #waiting: Waiting[] = [];
	#ending = false;
	/** What was spent, and when, as the first of those who had waited went on; null before that. */
	#resumed: { readonly spent: number; readonly atMs: number } | null = null;

	/**
	 * Null if there is time left in this turn for a piece that takes so much at least, else a promise of time in a later
	 * turn. The first piece of a turn may take any time.
	 */
	next(cost = 0): Promise<void> | null {
		if (this.spent < turnMin) return null;
		this.#endSoon();
		return this.spent + cost < turnMax ? null : this.later(cost);
	}

	/** A promise of time in a later turn, behind all who wait. Its first reaction is to compute at once. */
	later(cost = 0): Promise<void> {
		this.#endSoon();
		return new Promise((resolve) => this.#waiting.push({ resolve, cost }));
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

	/** Those who wait go on in the next turn. Each has an immediate, because promises are run to their end between two. */
	readonly #end = (): void => {
		this.#ending = false;
		this.spent = 0;
		const count = Math.min(this.#waiting.length, resumedMax);
		if (count === 0) return;
		this.#resumed = null;
		for (let index = 0; index < count; index++) setImmediate(this.#resume);
		this.#endSoon();
	};

	readonly #resume = (): void => {
		const atMs = performance.now();
		this.#resumed ??= { spent: this.spent, atMs };
		const { spent, atMs: beganMs } = this.#resumed;
		const [first] = this.#waiting;
		if (first === undefined) return;
		const since = this.spent - spent;
		const over = since + first.cost >= turnMax || atMs - beganMs > resumedMsMax;
		if (over && since > 0) return;
		this.#waiting.shift();
		first.resolve();
	};
}
