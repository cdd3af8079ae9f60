import { Decimal } from "../core/decimal.ts";

/**
 * A JSON Merge Patch (RFC 7396) that makes `to` of `from`. Undefined if none can say it: in a patch, null removes a
 * member, so no member can become null.
 */
export function mergePatch(from: unknown, to: unknown): unknown {
	if (!isMap(to)) return to;
	// What is no map counts as an empty one (RFC 7396, 2).
	const before = isMap(from) ? from : {};
	// Without a prototype, `__proto__` is a name like any other.
	const patch: Record<string, unknown> = Object.create(null);
	for (const name of Object.keys(before)) {
		if (!Object.hasOwn(to, name)) patch[name] = null;
	}
	for (const [name, value] of Object.entries(to)) {
		const known = Object.hasOwn(before, name);
		if (known && isEqual(before[name], value)) continue;
		if (value === null) return undefined;
		const inner = mergePatch(known ? before[name] : undefined, value);
		if (inner === undefined) return undefined;
		patch[name] = inner;
	}
	return patch;
}

type JsonMap = Readonly<Record<string, unknown>>;

function isMap(value: unknown): value is JsonMap {
	if (typeof value !== "object" || value === null) return false;
	return !Array.isArray(value) && !(value instanceof Decimal);
}

function isEqual(a: unknown, b: unknown): boolean {
	if (Array.isArray(a) && Array.isArray(b)) {
		if (a.length !== b.length) return false;
		return a.every((item, index) => isEqual(item, b[index]));
	}
	if (a instanceof Decimal && b instanceof Decimal) return a.text === b.text;
	if (!isMap(a) || !isMap(b)) return a === b;
	const names = Object.keys(a);
	if (names.length !== Object.keys(b).length) return false;
	return names.every(
		(name) => Object.hasOwn(b, name) && isEqual(a[name], b[name]),
	);
}
