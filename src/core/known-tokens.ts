/** Tokens whose time is over are forgotten when so many are known, and when twice as many are that were left. */
const tidiedMin = 64;

/**
 * Tokens, each until its end. There is a bound to them. Beyond it the first ones are forgotten, a few hundred at once:
 * whoever searches for them has to begin anew then, and that takes as long for one as for many.
 */
export class KnownTokens {
	readonly #max: number;
	/** When the time of each is over, in milliseconds of the gateway's clock. */
	readonly #untilMs = new Map<string, number>();
	#tidyAt = tidiedMin;

	constructor(max: number) {
		this.#max = max;
	}

	get size(): number {
		return this.#untilMs.size;
	}

	all(): readonly string[] {
		return [...this.#untilMs.keys()];
	}

	add(token: string, untilMs: number): void {
		this.#untilMs.delete(token);
		this.#untilMs.set(token, untilMs);
	}

	/** Forgets some if it is time. Whether it did. */
	tidy(nowMs: number): boolean {
		const before = this.#untilMs.size;
		if (before < this.#tidyAt) return false;
		let surplus = before - this.#max;
		for (const [token, untilMs] of this.#untilMs) {
			if (surplus-- <= 0 && untilMs > nowMs) continue;
			this.#untilMs.delete(token);
		}
		const doubled = Math.max(tidiedMin, 2 * this.size);
		const more = Math.max(tidiedMin, Math.floor(this.#max / 12));
		this.#tidyAt = Math.min(doubled, this.#max + more);
		return this.size < before;
	}
}
