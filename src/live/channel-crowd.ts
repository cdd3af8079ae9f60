// Types only: a hearing stands in a crowd.
import type { Hearing, Listener } from "./channel-hearing.ts";

/**
 * Listeners in the order in which they came. Each stands in one crowd at most. A message moves each listener twice, so the
 * hearings themselves are linked: a set of thousands would grow, shrink and be hashed anew with each message.
 */
export class Crowd {
	size = 0;
	#first: Hearing | null = null;
	#last: Hearing | null = null;

	get first(): Listener | null {
		return this.#first?.listener ?? null;
	}

	/** The listener must stand in no other crowd. */
	add({ hearing }: Listener): void {
		const last = this.#last;
		hearing.crowd = this;
		hearing.before = last;
		if (last === null) this.#first = hearing;
		else last.behind = hearing;
		this.#last = hearing;
		this.size++;
	}

	/** Returns whether it stood here. */
	delete({ hearing }: Listener): boolean {
		if (hearing.crowd !== this) return false;
		const { before, behind } = hearing;
		if (before === null) this.#first = behind;
		else before.behind = behind;
		if (behind === null) this.#last = before;
		else behind.before = before;
		hearing.crowd = hearing.before = hearing.behind = null;
		this.size--;
		return true;
	}

	/** Whoever is given may leave the crowd before the next one is taken, but nobody else. */
	*[Symbol.iterator](): Iterator<Listener> {
		let hearing = this.#first;
		while (hearing !== null) {
			const { behind, listener } = hearing;
			yield listener as Listener;
			hearing = behind;
		}
	}
}
