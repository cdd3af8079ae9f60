import type { Clock } from "../tasks/clock.ts";

/** How many things that cost us more than the client a connection may do at once, and how many more each second. */
const burst = 400;
const perSecond = 50;

/**
 * Bounds what costs a client nothing and us something: requests that are taken back at once (CVE-2023-44487) or that are
 * broken so that we end them (CVE-2025-8671), and frames that want an answer. A client that also waits for answers may do
 * more of it, because each of them costs it something.
 */
export class Calm {
	#left = burst;
	#lookedMs: number;
	readonly #clock: Clock;

	constructor(clock: Clock) {
		this.#clock = clock;
		this.#lookedMs = clock.now();
	}

	/** The client has waited for an answer. */
	earn(): void {
		this.#left = Math.min(burst, this.#left + 1);
	}

	/** False if it was once too often. */
	spend(): boolean {
		const now = this.#clock.now();
		const more = ((now - this.#lookedMs) / 1000) * perSecond;
		this.#left = Math.min(burst, this.#left + more) - 1;
		this.#lookedMs = now;
		return this.#left >= 0;
	}
}
