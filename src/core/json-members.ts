import { isUtf8 } from "node:buffer";
import { costOfReading, readJson } from "./json.ts";
import { type Asked, askedMax, type Found, JsonWalk } from "./json-walk.ts";

/** The members of a map of JSON that are asked for, and those of maps in it. Made once, for many bodies. */
export interface JsonMembers {
	readonly asked: readonly Asked[];
	/** The memory that the maps of them take, in bytes. */
	readonly memory: number;
}

/**
 * The members at these paths: `["main", "temp"]` is `temp` of the map `main`. Null if they cannot be found by their bytes:
 * an empty path is the whole, more than 31 members are too many, and `__proto__` or half a surrogate pair is left to a reader.
 * No path at all is a map of which nothing is needed.
 */
export function membersAt(
	paths: readonly (readonly string[])[],
): JsonMembers | null {
	const findable = (path: readonly string[]) =>
		path.length > 0 &&
		path.every((name) => name !== "__proto__" && name.isWellFormed());
	if (!paths.every(findable)) return null;
	const tree = new Tree();
	const asked = tree.branch(paths);
	return tree.names <= askedMax ? { asked, memory: tree.memory } : null;
}

/** Counts what is asked for while it is put in order. */
class Tree {
	names = 0;
	memory = 0;
	#leaves = 0;

	branch(paths: readonly (readonly string[])[]): Asked[] {
		this.memory += mapBytes;
		const byName = Map.groupBy(paths, ([name]) => name as string);
		return [...byName].map(([name, all]) => {
			this.names++;
			this.memory += keyBytes;
			const rests = all.map(([, ...rest]) => rest);
			const isLeaf = rests.some((rest) => rest.length === 0);
			return {
				name,
				key: Uint8Array.from(Buffer.from(name)),
				index: isLeaf ? this.#leaves++ : -1,
				members: isLeaf ? [] : this.branch(rests),
			};
		});
	}
}

/** As `surveyJson` counts them. */
const mapBytes = 64;
const keyBytes = 50;

/** Members that were found in a body, and are not read yet. */
export interface FoundMembers {
	readonly bytes: Uint8Array;
	/** By the index of what is asked for. What is not there is undefined. */
	readonly found: readonly (Found | undefined)[];
	/** Values and keys of the whole body. */
	readonly values: number;
	/** The memory that the members alone take, in bytes. */
	readonly memory: number;
	/** The time that it takes to find and to read them, in units of 100 ns. */
	readonly cost: number;
}

/**
 * Finds the members without reading the rest. Null if this is not surely a map of JSON in UTF-8 with each of them once at
 * most: then only `readJson` can tell its value or its fault.
 */
export function findMembers(
	bytes: Uint8Array,
	members: JsonMembers,
): FoundMembers | null {
	const walk = new JsonWalk(bytes);
	if (!walk.whole(members.asked) || !isUtf8(bytes)) return null;
	const { found } = walk;
	let { memory } = members;
	let cost = costOfFinding(bytes.length);
	for (const one of found) {
		if (one === undefined) continue;
		memory += one.memory;
		cost += costOfReading(one, one.end - one.start);
	}
	return { bytes, found, values: 1 + walk.values, memory, cost };
}

/** In units of 100 ns: up to 6 ns for a byte, of lists of short numbers. Names that are all alike can take more. */
export function costOfFinding(length: number): number {
	return length >>> 4;
}

/** The map with the members that were found. Their values are those that `readJson` would give. */
export function readMembers(
	{ asked }: JsonMembers,
	{ bytes, found }: FoundMembers,
): Record<string, unknown> {
	return mapOf(asked, found, bufferOf(bytes));
}

function bufferOf(bytes: Uint8Array): Buffer {
	if (bytes instanceof Buffer) return bytes;
	return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function mapOf(
	asked: readonly Asked[],
	found: FoundMembers["found"],
	bytes: Buffer,
): Record<string, unknown> {
	const map: Record<string, unknown> = {};
	for (const { name, index, members } of asked) {
		if (index < 0) map[name] = mapOf(members, found, bytes);
		else {
			const one = found[index];
			if (one !== undefined) map[name] = valueOf(one, bytes);
		}
	}
	return map;
}

function valueOf({ start, end }: Found, bytes: Buffer): unknown {
	const first = bytes[start] as number;
	const value =
		first === 0x22
			? plainText(start + 1, end - 1, bytes)
			: first <= 0x39
				? shortNumber(start, end, bytes)
				: null;
	return value ?? readJson(bytes.subarray(start, end));
}

/** A text of ASCII without escapes. Null for any other, and for a long one. */
function plainText(start: number, end: number, bytes: Buffer): string | null {
	if (end - start > plainMax) return null;
	for (let at = start; at < end; at++) {
		const byte = bytes[at] as number;
		if (byte >= 0x80 || byte === 0x5c) return null;
	}
	return bytes.toString("latin1", start, end);
}

const plainMax = 256;

/**
 * A number of at most 15 characters without an exponent: an integer, divided by a power of ten. Both are doubles as they are,
 * so their quotient is the nearest double. Null for any other.
 */
function shortNumber(start: number, end: number, bytes: Buffer): number | null {
	if (end - start > 15) return null;
	let whole = 0;
	let power = 1;
	let scale = 1;
	const isNegative = bytes[start] === 0x2d;
	for (let at = isNegative ? start + 1 : start; at < end; at++) {
		const byte = bytes[at] as number;
		if (byte === 0x2e) {
			scale = 10;
			continue;
		}
		const digit = byte - 0x30;
		if (digit < 0 || digit > 9) return null;
		whole = 10 * whole + digit;
		power *= scale;
	}
	const number = whole / power;
	return isNegative ? -number : number;
}
