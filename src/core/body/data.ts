import { Decimal } from "../decimal.ts";
import { GatewayError } from "../errors.ts";
import { type Meter, nestingMax } from "../json.ts";
import { Bytes } from "./bytes.ts";

/** The memory of a value in a list or map: rounded up. */
const valueBytes = 64;

/** A value that holds one part many times is small in memory and endless as a copy. */
const valuesMax = 1_000_000;

/**
 * A copy of data on its way to or from a user's function, so that neither side can change what the other has. Undefined
 * becomes null. A `Decimal` becomes the nearest number. `Bytes` become a Uint8Array for the function, and a Uint8Array becomes `Bytes` on the way back.
 * Anything else that JSON cannot hold, or that is too large, fails with `step_failed`. `whose` begins the message:
 * `score returned`.
 */
export function dataOf(value: unknown, whose: string, meter: Meter): unknown {
	return copyOf(value, { whose, left: valuesMax, meter }, 0);
}

interface Copying {
	readonly whose: string;
	left: number;
	readonly meter: Meter;
}

function copyOf(value: unknown, copying: Copying, depth: number): unknown {
	if (value === undefined || value === null) return null;
	if (typeof value === "string") copying.meter.hold(value.length);
	if (["string", "boolean", "bigint"].includes(typeof value)) return value;
	if (typeof value === "number" && Number.isFinite(value)) return value;
	// JavaScript has no number that keeps the digits: it would read the same.
	if (value instanceof Decimal) return Number(value.text);
	if (value instanceof Bytes) return copied(value.bytes, copying);
	if (value instanceof Uint8Array) return new Bytes(copied(value, copying));
	if (depth >= nestingMax || typeof value !== "object") throw noData(copying);
	if (Array.isArray(value)) {
		charge(copying, value.length);
		// Not `map`, because it skips holes.
		return Array.from(value, (inner) => copyOf(inner, copying, depth + 1));
	}
	if (!isPlain(value)) throw noData(copying);
	const keys = Object.keys(value);
	charge(copying, keys.length, keys.length > 64 ? 4 : 2);
	const map = emptyMap(keys, copying);
	for (const key of keys) {
		const inner = (value as Record<string, unknown>)[key];
		const copy = copyOf(inner, copying, depth + 1);
		if (key === "__proto__") {
			// An assignment would set the prototype.
			Object.defineProperty(map, key, { ...ownData, value: copy });
		} else map[key] = copy;
	}
	return map;
}

function copied(bytes: Uint8Array, { meter }: Copying): Uint8Array {
	meter.hold(bytes.length);
	// Not `slice`, because the `slice` of a Buffer shares its memory.
	return new Uint8Array(bytes);
}

const ownData = { writable: true, enumerable: true, configurable: true };

/**
 * For a key that is a number the engine makes room for all numbers below it: 12 KiB for `1000` alone. It makes a table
 * instead if there was a number that is too large for that.
 */
function emptyMap(
	keys: readonly string[],
	copying: Copying,
): Record<string, unknown> {
	const map: Record<string, unknown> = {};
	const indexes = keys.filter((key) => /^\d{3}/.test(key)).length;
	if (indexes === 0) return map;
	copying.meter.burn(8 * indexes);
	const largest = 2 ** 32 - 2;
	map[largest] = null;
	delete map[largest];
	return map;
}

function charge(copying: Copying, values: number, times = 2): void {
	copying.left -= values;
	// Copying a value takes up to 200 ns, and twice as long in a map of many keys.
	copying.meter.burn(times * values);
	copying.meter.hold(valueBytes * values);
	if (copying.left >= 0) return;
	const words = `${copying.whose} more than ${valuesMax} values`;
	throw new GatewayError("step_failed", words);
}

function noData({ whose }: Copying): GatewayError {
	const words = `${whose} what is no data: only null, booleans, numbers, texts, lists and maps, ${nestingMax} deep`;
	return new GatewayError("step_failed", words);
}

/** Whether an object is a map of data: made by `{}`, by JSON, or without any prototype. */
export function isPlain(value: object): boolean {
	const prototype = Object.getPrototypeOf(value);
	return prototype === Object.prototype || prototype === null;
}
