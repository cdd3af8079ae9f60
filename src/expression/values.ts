import { Bytes } from "../core/body/bytes.ts";
import { Decimal } from "../core/decimal.ts";

/** How an expression sees a value: only its own properties count, whatever object it is. */
export type MapValue = Readonly<Record<string, unknown>>;

const { hasOwn } = Object;

/** Whether a value is a map: an object that is no list, no bytes and no number. */
export function isMap(value: unknown): value is MapValue {
	return (
		typeof value === "object" &&
		value !== null &&
		!Array.isArray(value) &&
		!(value instanceof Bytes) &&
		!(value instanceof Decimal)
	);
}

/** The own property of any value under a key that is known, `length` of texts and lists included; else null. */
export function memberOf(value: unknown, key: string): unknown {
	if (typeof value === "object" && value !== null) {
		return hasOwn(value, key) ? ((value as MapValue)[key] ?? null) : null;
	}
	if (typeof value !== "string") return null;
	if (key === "length") return value.length;
	return /^(?:0|[1-9]\d{0,7})$/.test(key) ? (value[Number(key)] ?? null) : null;
}

/** There is only null: a value that the host left undefined becomes null too. */
export function orNull(value: unknown): unknown {
	return value === undefined ? null : value;
}

/** A decimal as the double whose digits it has, if there is one. Any other value is itself. */
export function asNumber(value: unknown): unknown {
	return value instanceof Decimal ? (value.double ?? value) : value;
}

/** Sets an own property, whatever its name: `__proto__` from data becomes data and changes no prototype. */
export function setOwn(
	map: Record<string, unknown>,
	key: string,
	value: unknown,
): void {
	if (key === "__proto__") {
		Object.defineProperty(map, key, {
			value,
			writable: true,
			enumerable: true,
			configurable: true,
		});
	} else {
		map[key] = value;
	}
}

/** The word for a value in a message. Never shows the value itself, because it may be a secret of the client. */
export function kindOf(value: unknown): string {
	switch (typeof value) {
		case "string":
			return "a text";
		case "number":
			return "a number";
		case "bigint":
			return "an integer too large for a number";
		case "boolean":
			return "a boolean";
		default:
			if (value === null || value === undefined) return "null";
			if (value instanceof Bytes) return "bytes";
			if (value instanceof Decimal)
				return "a number of more digits than can be computed with";
			return Array.isArray(value) ? "a list" : "a map";
	}
}
