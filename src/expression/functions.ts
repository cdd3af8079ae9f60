import { Decimal } from "../core/decimal.ts";
import { mayAlter, nestingMax, parseJson, printJson } from "../core/json.ts";
import { base64, fromBase64, sha256, uuid } from "./encoding.ts";
import type { MathFunction, OtherFunction } from "./language.ts";
import { appendOne, type Callback, sortedBy } from "./list-methods.ts";
import { isIndex, OpenMap } from "./open-map.ts";
import { finite, isSame, listOf, numberOf, type Site, textOf } from "./site.ts";
import { formatTime, isoDate, isoTime, parseTime } from "./time.ts";
import { asNumber, isMap, type MapValue } from "./values.ts";
import { escapeXml, printXml } from "./xml.ts";

/**
 * A function at work. Arguments that were not given are undefined. If a function takes any number of arguments, `a` is
 * their list.
 */
export type FunctionRun = (
	site: Site,
	a: unknown,
	b: unknown,
	c: unknown,
) => unknown;

/** How deep a value may nest that is printed. Values from outside nest less, so an expression can still wrap them. */
const printedNestingMax = 2 * nestingMax;

export const functionRuns: Readonly<Record<OtherFunction, FunctionRun>> = {
	"Array.isArray": (_site, value) => Array.isArray(value),
	Boolean: (_site, value) => Boolean(value),
	"JSON.parse": parse,
	"JSON.stringify": print,
	Number: toNumber,
	"Object.entries": (site, of) => {
		const source = keyed(site, of);
		const keys = keysOf(site, source);
		site.charge(keys.length);
		return keys.map((key) => [key, source[key] ?? null]);
	},
	"Object.fromEntries": (site, of) => {
		const made = new OpenMap();
		for (const entry of listOf(site, of, "the list of entries")) {
			const [key = null, value = null] = listOf(site, entry, "an entry");
			made.set(site, textOf(site, key, "a key"), value);
		}
		return made.value;
	},
	"Object.groupBy": (site, list, keyOf) => {
		const groups = new Map<string, unknown[]>();
		const items = listOf(site, list, "the list");
		for (const [index, item] of items.entries()) {
			const key = textOf(site, (keyOf as Callback)(item, index), "a key");
			site.chargeLookup(key);
			const group = groups.get(key);
			if (group) {
				group.push(item);
				continue;
			}
			site.charge(8);
			groups.set(key, [item]);
		}
		const made = new OpenMap();
		for (const [key, group] of groups) made.set(site, key, group);
		return made.value;
	},
	"Object.keys": (site, of) => keysOf(site, keyed(site, of)),
	"Object.values": (site, of) => {
		const source = keyed(site, of);
		return keysOf(site, source).map((key) => source[key] ?? null);
	},
	String: (site, value) => textOf(site, value, "the value"),
	base64,
	compact: (site, of) => {
		if (!Array.isArray(of)) {
			return picked(site, mapOf(site, of), (_key, value) => value !== null);
		}
		site.chargeList(of.length);
		return of.filter((item) => item !== null && item !== undefined);
	},
	decodeURIComponent: (site, value) => {
		const text = textOf(site, value, "the text");
		site.charge(text.length >>> 3);
		site.hold(text.length);
		try {
			return decodeURIComponent(text);
		} catch (error) {
			return site.fail("the text is not percent-encoded UTF-8", error);
		}
	},
	encodeURIComponent: (site, value) => {
		const text = textOf(site, value, "the text");
		site.charge(text.length >>> 1);
		if (!text.isWellFormed()) {
			site.fail("the text holds half a character (a lone surrogate)");
		}
		const made = encodeURIComponent(text);
		site.checkText(made.length);
		site.hold(made.length);
		return made;
	},
	escapeXml,
	formatTime,
	fromBase64,
	isoDate,
	isoTime,
	mergeDeep: (site, args) => {
		const maps = (args as readonly unknown[]).map((map) => mapOf(site, map));
		return maps.reduce((base, over) => mergedDeep(site, base, over, 0), {});
	},
	omit: (site, args) => {
		const [of, ...names] = args as readonly unknown[];
		const left = new Set(
			names.map((name) => {
				const text = textOf(site, name, "a name");
				site.chargeLookup(text);
				return text;
			}),
		);
		return picked(site, mapOf(site, of ?? null), (key) => !left.has(key));
	},
	parseTime,
	printXml,
	queryOf,
	sha256,
	sortBy: (site, list, keyOf, direction) => {
		if (direction !== undefined && direction !== "desc") {
			if (direction === null) site.missing("the direction");
			if (direction !== "asc") {
				site.fail("the direction is neither 'asc' nor 'desc'");
			}
		}
		return sortedBy(
			site,
			listOf(site, list, "the list"),
			keyOf as Callback,
			direction === "desc" ? -1 : 1,
		);
	},
	uniqueBy: (site, list, keyOf) => {
		const items = listOf(site, list, "the list");
		const texts = new Set<string>();
		const others = new Set<string>();
		const made: unknown[] = [];
		for (const [index, item] of items.entries()) {
			const value = (keyOf as Callback)(item, index);
			const isText = typeof value === "string";
			const seen = isText ? texts : others;
			const key = isText ? value : printedKey(site, value);
			site.chargeLookup(key);
			if (seen.has(key)) continue;
			seen.add(key);
			appendOne(site, made, item);
		}
		return made;
	},
	uuid,
};

/** The entries of both. If both have a map under a key, these are merged, too; all else of `over` replaces what was there. */
function mergedDeep(
	site: Site,
	base: MapValue,
	over: MapValue,
	depth: number,
): MapValue {
	if (depth === printedNestingMax) {
		site.fail(`a map nests deeper than ${printedNestingMax} levels`);
	}
	const made = new OpenMap();
	made.copy(site, base, keysOf(site, base), null);
	for (const key of keysOf(site, over)) {
		const value = over[key] ?? null;
		const before = Object.hasOwn(base, key) ? base[key] : null;
		const merges = isMap(before) && isMap(value);
		made.put(
			site,
			key,
			merges ? mergedDeep(site, before, value, depth + 1) : value,
		);
	}
	return made.value;
}

/**
 * A text that equal values share. The engine hashes a number without a secret, and a long integer by its last 64 bits alone.
 * So a client that chooses the numbers could have the engine compare each with all others.
 */
function printedKey(site: Site, value: unknown): string {
	switch (typeof value) {
		case "bigint": {
			const number = Number(value);
			const same = isSame(site, value, number);
			return `#${same ? number : textOf(site, value, "a key")}`;
		}
		case "object":
			if (value === null) return "#null";
			if (value instanceof Decimal) {
				return `#${textOf(site, asNumber(value), "a key")}`;
			}
			return site.wrong(value, "a key", "a text or a number");
		default:
			return `#${textOf(site, value, "a key")}`;
	}
}

/** Copies the own properties of a value that is spread into a map. As in JavaScript, numbers and booleans have none. */
export function spreadInto(
	site: Site,
	made: OpenMap,
	value: unknown,
	without: ReadonlySet<string> | null = null,
): void {
	if (typeof value !== "string" && typeof value !== "object") return;
	if (value === null) return;
	const source = value as MapValue;
	made.copy(site, source, keysOf(site, source), without);
}

function keyed(site: Site, value: unknown): MapValue {
	return isMap(value) || Array.isArray(value)
		? (value as MapValue)
		: site.wrong(value, "the value", "a map");
}

function keysOf(site: Site, of: MapValue | string): string[] {
	if (typeof of === "string" || Array.isArray(of)) {
		site.checkList(of.length);
		site.charge(4 * of.length);
		return Object.keys(of);
	}
	const keys = Object.keys(of);
	site.checkList(keys.length);
	site.charge(costOfWalking(keys));
	return keys;
}

/** To the engine a map of many keys, or of numbers as keys, is a hash table. A walk over it takes up to 1 µs for each key. */
function costOfWalking(keys: readonly string[]): number {
	const { length } = keys;
	if (length > 1000) return 10 * length;
	return isIndex(keys[0] ?? "") ? 6 * length : length;
}

function mapOf(site: Site, value: unknown): MapValue {
	return isMap(value) ? value : site.wrong(value, "the value", "a map");
}

function picked(
	site: Site,
	of: MapValue,
	keep: (key: string, value: unknown) => boolean,
): Record<string, unknown> {
	const made = new OpenMap();
	for (const key of keysOf(site, of)) {
		const value = of[key] ?? null;
		if (keep(key, value)) made.put(site, key, value);
	}
	return made.value;
}

/**
 * JavaScript's `Number`, with two differences. An integer that a double cannot hold keeps its digits, as in JSON. Null,
 * lists and maps fail. A decimal becomes the nearest double: that is how an author says that digits may go.
 */
function toNumber(site: Site, value: unknown): number | bigint {
	switch (typeof value) {
		case "number":
		case "bigint":
			return value;
		case "boolean":
			return Number(value);
		case "string": {
			site.charge(value.length >>> (value.length > digitsMax ? 4 : 2));
			const number = finite(site, Number(value));
			return Number.isSafeInteger(number)
				? number
				: (exactInteger(site, value, number) ?? number);
		}
		default:
			if (value instanceof Decimal) {
				site.charge(10);
				return Number(value.text);
			}
			return site.wrong(value, "the value", "a text or a number");
	}
}

const digitsMax = 1000;

/** The integer that a text holds, if `number` would not print the same digits. */
function exactInteger(site: Site, text: string, number: number): bigint | null {
	const digits = text.trim();
	if (!/^(?:[+-]?\d+|0[xob][\da-f]+)$/i.test(digits)) return null;
	// A double has at most 309 digits, so a longer text can only have leading zeros.
	if (digits.length > digitsMax) {
		site.fail(`the number has more than ${digitsMax} digits`);
	}
	const exact = BigInt(digits.replace(/^\+/, ""));
	return String(exact) === String(number) ? null : exact;
}

/* JSON */

function parse(site: Site, value: unknown): unknown {
	const text = textOf(site, value, "the text");
	// To keep the digits of long integers makes reading the whole text many times slower.
	site.charge(4 + text.length * (mayAlter(text) ? 4 : 1));
	try {
		return parseJson(text);
	} catch (error) {
		const { message } = error as SyntaxError;
		return site.fail(
			message.startsWith("a number")
				? `the text is JSON in which ${message}`
				: "the text is not JSON",
			error,
		);
	}
}

function print(site: Site, value: unknown): string {
	const characters = measure(site, value, 0);
	site.checkText(characters);
	const text = printJson(value, null, textBound);
	site.checkText(text.length);
	site.hold(text.length);
	return text;
}

/** The text's own length bounds it. */
const textBound = { bytesMax: Number.POSITIVE_INFINITY, what: "the text" };

/**
 * Walks a value before it is printed, because a value that holds another one many times is small in memory and endless
 * as text. Returns a lower bound of its length.
 */
function measure(site: Site, value: unknown, depth: number): number {
	site.charge(1);
	if (typeof value === "string") {
		// The engine writes each lone surrogate as an escape, which takes 100 ns.
		site.charge(value.isWellFormed() ? value.length >>> 4 : value.length);
		return value.length + 2;
	}
	if (typeof value === "bigint" || value instanceof Decimal) {
		return textOf(site, value, "a number").length;
	}
	if (typeof value !== "object" || value === null) return 1;
	if (depth === printedNestingMax) {
		site.fail(`the value nests deeper than ${printedNestingMax} levels`);
	}
	let length = 2;
	if (Array.isArray(value)) {
		for (const item of value) length += 1 + measure(site, item, depth + 1);
		return length;
	}
	const keys = keysOf(site, value as MapValue);
	// Two more walks print it.
	site.charge(2 * costOfWalking(keys));
	for (const key of keys) {
		const item = (value as MapValue)[key];
		length += key.length + 4 + measure(site, item, depth + 1);
	}
	return length;
}

/* URLs */

/** The query of a whole or relative URL: name → text. If a name is given twice, the first one counts. */
function queryOf(site: Site, value: unknown): MapValue {
	const url = textOf(site, value, "the URL");
	site.charge(url.length >>> 3);
	const fragment = url.indexOf("#");
	const end = fragment < 0 ? url.length : fragment;
	const mark = url.indexOf("?");
	const made = new OpenMap();
	if (mark < 0) return made.value;
	// Each pair by itself: for all at once the engine takes time quadratic in their number, 5 s for 1 MiB.
	for (let at = mark + 1; at < end; ) {
		const next = url.indexOf("&", at);
		const last = next < 0 || next > end ? end : next;
		site.charge(16 + (last - at));
		// A `?` in front is dropped, but only before the first pair.
		const lead = at === mark + 1 ? "" : "&";
		const pair = new URLSearchParams(lead + url.slice(at, last));
		for (const [name, text] of pair) {
			if (!Object.hasOwn(made.value, name)) made.set(site, name, text);
		}
		at = last + 1;
	}
	return made.value;
}

/* Math */

/** A function of numbers by its name. Its result is a number, or it fails. */
export function mathRun(name: MathFunction): FunctionRun {
	switch (name) {
		case "max":
		case "min": {
			const better = Math[name];
			return (site, args) => {
				const numbers = args as readonly unknown[];
				let best = name === "max" ? -Infinity : Infinity;
				site.charge(numbers.length >>> 3);
				for (const number of numbers) {
					best = better(best, numberOf(site, number, "an argument"));
				}
				return finite(site, best);
			};
		}
		case "hypot":
			return (site, args) => {
				const numbers = (args as readonly unknown[]).map((number) =>
					numberOf(site, number, "an argument"),
				);
				site.charge(numbers.length);
				// More would not fit onto the stack.
				if (numbers.length > 10_000) site.fail("takes 10000 numbers at most");
				return finite(site, Math.hypot(...numbers));
			};
		case "atan2":
		case "imul":
		case "pow": {
			const ofTwo = Math[name];
			return (site, a, b) =>
				finite(
					site,
					ofTwo(
						numberOf(site, a, "the first number"),
						numberOf(site, b, "the second number"),
					),
				);
		}
		default: {
			const ofOne = Math[name];
			return (site, a) =>
				finite(site, ofOne(numberOf(site, a, "the argument")));
		}
	}
}
