import type { Site } from "./site.ts";
import { type MapValue, setOwn } from "./values.ts";

/** The engine adds a key to a map of so few keys in 50 ns. A larger map is a hash table, and a key takes up to 500 ns. */
const fewKeys = 64;

/** For a smaller number as a key the engine makes room for all numbers below it: 12 KiB for the key `1000` alone. */
const indexMax = 5_000;

/** A map whose keys the data decides, while it is being made. Each key is charged for. */
export class OpenMap {
	readonly value: Record<string, unknown> = {};
	#count = 0;
	/** The engine has made room for the numbers below this one. */
	#roomEnd = 0;

	/** Sets a key that is made from data, because the engine interns each new key. */
	set(site: Site, key: string, value: unknown): void {
		site.chargeLookup(key);
		this.put(site, key, value);
	}

	/** Sets a key that another map has, and that the engine therefore knows. */
	put(site: Site, key: string, value: unknown): void {
		site.charge(this.#costOf(key));
		setOwn(this.value, key, value);
	}

	/** Sets keys of another map to what they are there. */
	copy(
		site: Site,
		of: MapValue,
		keys: readonly string[],
		without: ReadonlySet<string> | null,
	): void {
		let cost = 0;
		for (const key of keys) {
			if (without?.has(key)) continue;
			cost += this.#costOf(key);
			setOwn(this.value, key, of[key] ?? null);
		}
		site.charge(cost);
	}

	#costOf(key: string): number {
		const slow = ++this.#count > fewKeys ? 8 : 1;
		return isIndex(key) ? slow + this.#indexCost(key) : slow;
	}

	#indexCost(key: string): number {
		const index = key.length <= 4 ? Number(key) : indexMax;
		if (!(index < indexMax && index >= this.#roomEnd)) return 8;
		const room = index - this.#roomEnd;
		this.#roomEnd = index + 1;
		return 8 + (room >>> 3);
	}
}

/** Whether the engine may take a key for a number. */
export function isIndex(key: string): boolean {
	return key.charCodeAt(0) <= 0x39;
}
