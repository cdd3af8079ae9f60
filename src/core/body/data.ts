import { GatewayError } from "../errors.ts";
import { type Meter, nestingMax } from "../json.ts";
import { Bytes } from "./bytes.ts";

/** The memory of a value in a list or map: rounded up. */
const valueBytes = 64;

/** A value that holds one part many times is small in memory and endless as a copy. */
const valuesMax = 1_000_000;

/**
 * A copy of data on its way to or from a user's function, so that neither side can change what the other has. Undefined
 * becomes null. `Bytes` become a Uint8Array for the function, and a Uint8Array becomes `Bytes` on the way back.
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
	if (value instanceof Bytes) return copied(value.bytes, copying);
	if (value instanceof Uint8Array) return new Bytes(copied(value, copying));
	if (depth >= nestingMax || typeof value !== "object") throw noData(copying);
	if (Array.isArray(value)) {
		charge(copying, value.length);
		// Not `map`, because it skips holes.
		return Array.from(value, (inner) => copyOf(inner, copying, depth + 1));
	}
	if (!isPlain(value)) throw noData(copying);
	const entries = Object.entries(value);
	charge(copying, entries.length);
	return Object.fromEntries(
		entries.map(([key, inner]) => [key, copyOf(inner, copying, depth + 1)]),
	);
}

function copied(bytes: Uint8Array, { meter }: Copying): Uint8Array {
	meter.hold(bytes.length);
	// Not `slice`, because the `slice` of a Buffer shares its memory.
	return new Uint8Array(bytes);
}

function charge(copying: Copying, values: number): void {
	copying.left -= values;
	// Copying a value takes up to 200 ns.
	copying.meter.burn(2 * values);
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
