import type { Problem } from "./problem.ts";

/** The author's config as a tree in which every value knows its position. Offsets count characters of the file. */
export type Source = ScalarSource | ListSource | MapSource | FunctionSource;

export interface ScalarSource {
	readonly kind: "scalar";
	readonly at: number;
	readonly value: string | number | boolean | null;
	/** The text in the file; for a string without quotes and escapes. */
	readonly text: string;
	/** The offset in the file of a character of `text`, with quotes, escapes, folds and indents taken into account. */
	placeOf(character: number): number;
}

export interface ListSource {
	readonly kind: "list";
	readonly at: number;
	readonly items: readonly Source[];
}

export interface MapSource {
	readonly kind: "map";
	readonly at: number;
	readonly entries: readonly EntrySource[];
	/** The first entry with this key; null if there is none. */
	entryOf(key: string): EntrySource | null;
}

export interface EntrySource {
	readonly key: string;
	/** The offset of the key. */
	readonly at: number;
	readonly value: Source;
}

/** Only in a config of JavaScript values: a function alone, or with the inputs that `from` gives it. */
export interface FunctionSource {
	readonly kind: "function";
	readonly at: number;
	readonly call: (...args: never[]) => unknown;
	/** Null without `from`. */
	readonly inputs: readonly ScalarSource[] | null;
}

export interface SourceFile {
	readonly root: Source | null;
	readonly problems: readonly Problem[];
	/** Lines, from 1, that could not be read and were reported. No further problem on them is reported. */
	readonly unreadable: ReadonlySet<number>;
	positionOf(offset: number): Position;
}

/** A position: in a file a line and a column, both from 1; in JavaScript values a path. */
export type Position = LinePosition | PathPosition;

export interface LinePosition {
	readonly line: number;
	readonly column: number;
	readonly path?: never;
}

export interface PathPosition {
	/** `routes["GET /x"].steps.now`; empty for the config itself. */
	readonly path: string;
	/** Both from 1, if the module in which the value is written is known. */
	readonly line?: number;
	readonly column?: number;
}

/** The offsets at which lines begin. */
export function lineStartsOf(text: string): number[] {
	const starts = [0];
	for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) {
		starts.push(at + 1);
	}
	return starts;
}

export function positionIn(
	starts: readonly number[],
	offset: number,
): LinePosition {
	const line = lastAtOrBefore(starts, offset, (start) => start);
	return { line: line + 1, column: offset - (starts[line] ?? 0) + 1 };
}

/** The index of the last item, of items in the order of their offsets, that is not behind `offset`; -1 if all are. */
export function lastAtOrBefore<Item>(
	items: readonly Item[],
	offset: number,
	offsetOf: (item: Item) => number,
): number {
	let low = 0;
	let high = items.length;
	while (low < high) {
		const middle = (low + high) >>> 1;
		const item = items[middle];
		if (item !== undefined && offsetOf(item) <= offset) low = middle + 1;
		else high = middle;
	}
	return low - 1;
}

export function createMap(
	at: number,
	entries: readonly EntrySource[],
): MapSource {
	let index: Map<string, EntrySource> | null = null;
	return {
		kind: "map",
		at,
		entries,
		entryOf(key) {
			index ??= new Map(
				entries.toReversed().map((entry) => [entry.key, entry]),
			);
			return index.get(key) ?? null;
		},
	};
}

/** The fault that a key would have in any config; null if there is none. */
export function faultOfKey(key: string): string | null {
	if (key === "__proto__") return "`__proto__` cannot be a key";
	if (key.includes("${")) {
		return "a key is never a template: use `Object.fromEntries([[name, value]])` in a value";
	}
	return null;
}
