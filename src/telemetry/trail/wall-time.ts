import type { Clock } from "../../tasks/clock.ts";

/** How much the two clocks may drift apart before it is taken for a change of the wall clock, in milliseconds. */
const driftMs = 2;

/**
 * The wall clock's time of instants on the gateway's clock. Of many instants that lie close together it looks at the wall
 * clock once. What comes later on the gateway's clock never gets an earlier time, unless somebody sets the wall clock back.
 */
export class WallTime {
	readonly #clock: Pick<Clock, "now">;
	/** What the wall clock showed when the gateway's was at zero. */
	#zeroMs = Number.NEGATIVE_INFINITY;

	constructor(clock: Pick<Clock, "now">) {
		this.#clock = clock;
	}

	/** Compares the clocks again. */
	compare(): void {
		// The wall clock shows whole milliseconds, so this is up to one too early: the latest is the truest.
		const zeroMs = Date.now() - this.#clock.now();
		const isSetBack = zeroMs < this.#zeroMs - driftMs;
		if (zeroMs > this.#zeroMs || isSetBack) this.#zeroMs = zeroMs;
	}

	/** In whole milliseconds since 1970. The clocks must have been compared before. */
	at(instantMs: number): number {
		return Math.floor(this.#zeroMs + instantMs);
	}
}
