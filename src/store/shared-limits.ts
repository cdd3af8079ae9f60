import crypto from "node:crypto";
import type { Counted, LimitRule, LocalLimits } from "./limit.ts";
import {
	argumentsOf,
	limitScript,
	readCounted,
	type SharedGroup,
} from "./limit-script.ts";
import type { Store } from "./store.ts";

/** The limits of one holder, as all processes with the same config know them. */
export interface SharedHolder {
	/** What they are, in a text that two holders do not have in common. */
	readonly identity: string;
	readonly rules: readonly LimitRule[];
	/** Counts while the store is away. */
	readonly local: LocalLimits;
}

/** A request before the limits of one holder, with a key for each. */
export interface Ask {
	readonly holder: SharedHolder;
	readonly keys: readonly string[];
}

/** How many requests are counted in one call. A script keeps everybody else waiting while it runs. */
const batchMax = 64;

/** The most requests that wait for the store. Further ones are counted in this process. */
const waitingMax = 10_000;

interface Waiting {
	readonly asks: readonly Ask[];
	readonly resolve: (counted: readonly Counted[]) => void;
}

/**
 * Counts requests to limits that several processes share. What comes in one turn of the event loop is counted together, in one call. While the store is
 * away, this process counts alone, from what it has last heard of each key.
 */
export class SharedLimits {
	readonly #store: Store;
	#next: Waiting[] = [];
	#waiting = 0;

	constructor(store: Store) {
		this.#store = store;
	}

	/**
	 * Counts a request to one holder after the other, until one refuses it. Never rejects. Gives what was counted: the last may be a refusal, and then those behind
	 * it are missing.
	 */
	count(asks: readonly Ask[]): Promise<readonly Counted[]> {
		if (!this.#store.up || this.#waiting >= waitingMax) {
			return Promise.resolve(this.#countLocally(asks));
		}
		return new Promise((resolve) => {
			this.#waiting++;
			if (this.#next.length === 0) setImmediate(this.#flush);
			this.#next.push({ asks, resolve });
		});
	}

	readonly #flush = () => {
		const all = this.#next;
		this.#next = [];
		for (let at = 0; at < all.length; at += batchMax) {
			void this.#send(all.slice(at, at + batchMax));
		}
	};

	async #send(batch: readonly Waiting[]): Promise<void> {
		const store = this.#store;
		const requests = batch.map(({ asks }) =>
			asks.map((ask) => this.#groupOf(ask)),
		);
		const keys = requests.flatMap((groups) =>
			groups.flatMap((group) => group.keys),
		);
		let all: readonly (readonly Counted[])[] | null = null;
		try {
			const read = (reply: unknown) => readCounted(reply, requests);
			all = await store.script(limitScript, keys, argumentsOf(requests), read);
		} catch {
			// The store has told of it, and each request is counted here.
		}
		const nowMs = store.clock.now();
		batch.forEach(({ asks, resolve }, at) => {
			this.#waiting--;
			const counted = all?.[at];
			if (counted === undefined) return resolve(this.#countLocally(asks));
			counted.forEach((one, index) => {
				const { holder, keys } = asks[index] as Ask;
				holder.local.adopt(keys, one, nowMs);
			});
			resolve(counted);
		});
	}

	#countLocally(asks: readonly Ask[]): readonly Counted[] {
		this.#store.decidedLocally("limits");
		const nowMs = this.#store.clock.now();
		const all: Counted[] = [];
		for (const { holder, keys } of asks) {
			const counted = holder.local.count(keys, nowMs);
			all.push(counted);
			if (counted.earlyMs > 0) break;
		}
		return all;
	}

	/** A key may be a secret of a client's, and the store has other readers. So only a digest of it goes there. */
	#groupOf({ holder, keys }: Ask): SharedGroup {
		const { rules, identity } = holder;
		const named = keys.map((key, at) => {
			const digest = crypto.hash(
				"sha256",
				`${identity}\n${at}\n${key}`,
				"base64url",
			);
			return `${this.#store.prefix}limit:${digest.slice(0, 27)}`;
		});
		return { rules, keys: named };
	}
}
