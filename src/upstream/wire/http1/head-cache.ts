import type { Head } from "./head.ts";

/** A server's answers differ in little but the second they were sent in. */
const headsMax = 64;

/** Heads as they came and what they say, shared by the connections of one upstream. */
export class HeadCache {
	readonly #heads = new Map<string, Head>();

	get(text: string): Head | undefined {
		return this.#heads.get(text);
	}

	keep(text: string, head: Head): void {
		if (this.#heads.size === headsMax) this.#heads.clear();
		this.#heads.set(text, head);
	}
}
