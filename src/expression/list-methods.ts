import { Decimal } from "../core/decimal.ts";
import type { ListMethod, NumberMethod } from "./language.ts";
import {
	compareDecimals,
	compareTexts,
	isSame,
	numberOf,
	type Site,
	textOf,
} from "./site.ts";
import type { Run } from "./text-methods.ts";
import { asNumber, kindOf } from "./values.ts";

/** An arrow function at work: charges for its body and takes as many values as its parameters want. */
export type Callback = (...values: unknown[]) => unknown;

type Items = readonly unknown[];

/** JavaScript's methods of lists, charged for their time and bounded in what they make. None changes its list. */
export const listRuns: Readonly<Record<ListMethod, Run<Items>>> = {
	at: (site, of, place) => of.at(numberOf(site, place, "the place")) ?? null,
	concat: (site, of, lists) => {
		const made: unknown[] = [];
		append(site, made, of);
		for (const list of lists as Items) {
			if (Array.isArray(list)) append(site, made, list);
			else appendOne(site, made, list);
		}
		return made;
	},
	every: (_site, of, test) => of.every(test as Callback),
	filter: (site, of, test) => {
		site.chargeList(of.length);
		return of.filter(test as Callback);
	},
	find: (_site, of, test) => of.find(test as Callback) ?? null,
	findIndex: (_site, of, test) => of.findIndex(test as Callback),
	findLast: (_site, of, test) => of.findLast(test as Callback) ?? null,
	flat: (site, of, depth) => {
		const levels = depth === undefined ? 1 : numberOf(site, depth, "the depth");
		const made: unknown[] = [];
		flatten(site, made, of, Math.trunc(levels));
		return made;
	},
	flatMap: (site, of, change) => {
		const made: unknown[] = [];
		for (const [index, item] of of.entries()) {
			const result = (change as Callback)(item, index, of);
			if (Array.isArray(result)) append(site, made, result);
			else appendOne(site, made, result);
		}
		return made;
	},
	includes: (site, of, wanted, from) => indexOf(site, of, wanted, from) >= 0,
	indexOf,
	join: (site, of, separator) => {
		const between =
			separator === undefined ? "," : textOf(site, separator, "the separator");
		site.charge(2 * of.length);
		let length = 0;
		const texts = of.map((item) => {
			// As in JavaScript: an item that is null gives an empty text.
			const text = item === null ? "" : textOf(site, item, "an item");
			length += text.length + between.length;
			site.checkText(length - between.length);
			return text;
		});
		site.chargeText(length);
		site.hold(length);
		return texts.join(between);
	},
	map: (site, of, change) => {
		site.chargeList(of.length);
		const call = change as Callback;
		const made: unknown[] = [];
		for (let index = 0; index < of.length; index++) {
			made.push(call(of[index], index, of));
		}
		return made;
	},
	reduce: (site, of, combine, initial) => {
		if (initial !== undefined) return of.reduce(combine as Callback, initial);
		if (of.length === 0) site.fail("an empty list needs a value to begin with");
		return of.reduce(combine as Callback);
	},
	slice: (site, of, start, end) => {
		const made = of.slice(
			start === undefined ? 0 : numberOf(site, start, "the start"),
			end === undefined ? undefined : numberOf(site, end, "the end"),
		);
		site.chargeList(made.length);
		return made;
	},
	some: (_site, of, test) => of.some(test as Callback),
	toReversed: (site, of) => {
		site.chargeList(of.length);
		return of.toReversed();
	},
	toSorted: (site, of, compare) => {
		site.chargeList(of.length);
		if (compare === undefined) return sortedAsTexts(site, of);
		return of.toSorted((a, b) => {
			const order = (compare as Callback)(a, b);
			return numberOf(site, order, "what the arrow gives");
		});
	},
	with: (site, of, place, value) => {
		const index = Math.trunc(numberOf(site, place, "the place"));
		if (index >= of.length || index < -of.length) {
			site.fail("the place is outside of the list");
		}
		site.chargeList(of.length);
		return of.with(index, value);
	},
};

/** JavaScript's methods of numbers. */
export const numberRuns: Readonly<Record<NumberMethod, Run<number>>> = {
	toFixed: (site, of, digits) => {
		const count =
			digits === undefined ? 0 : numberOf(site, digits, "the number of digits");
		if (Math.trunc(count) < 0 || Math.trunc(count) > 100) {
			site.fail("the number of digits is not between 0 and 100");
		}
		site.charge(2 + (count >>> 1));
		return of.toFixed(count);
	},
};

/** Appends items to a list that is being made. */
export function append(site: Site, made: unknown[], items: Items): void {
	site.checkList(made.length + items.length);
	site.charge(items.length >>> 1);
	for (let index = 0; index < items.length; index++) {
		made.push(items[index] ?? null);
	}
}

/** Appends one item to a list that is being made. */
export function appendOne(site: Site, made: unknown[], item: unknown): void {
	site.checkList(made.length + 1);
	site.charge(1);
	made.push(item ?? null);
}

function indexOf(
	site: Site,
	of: Items,
	wanted: unknown,
	from: unknown,
): number {
	const start = from === undefined ? 0 : numberOf(site, from, "the start");
	site.charge(of.length >>> 2);
	if (typeof wanted === "bigint") site.charge(of.length);
	// For each item the engine compares texts of equal length to their ends, so long texts are charged.
	const isLong = typeof wanted === "string" && wanted.length >= 64;
	if (!isLong && !mayBeDecimal(of, wanted)) return of.indexOf(wanted, start);
	const first = Math.trunc(start);
	const begin = first < 0 ? Math.max(0, of.length + first) : first;
	for (let index = begin; index < of.length; index++) {
		if (isSame(site, of[index], wanted)) return index;
	}
	return -1;
}

/** Whether an item may be the same number as the wanted value without being the same value. */
function mayBeDecimal(of: Items, wanted: unknown): boolean {
	if (wanted instanceof Decimal) return true;
	if (typeof wanted !== "number") return false;
	return of.some((item) => item instanceof Decimal);
}

function flatten(
	site: Site,
	made: unknown[],
	items: Items,
	levels: number,
): void {
	site.charge(4 + (items.length >>> 1));
	for (const item of items) {
		if (Array.isArray(item) && levels >= 1) {
			flatten(site, made, item, levels - 1);
		} else {
			site.checkList(made.length + 1);
			made.push(item ?? null);
		}
	}
}

/** JavaScript's order without a compare function: as texts, by code units. */
function sortedAsTexts(site: Site, of: Items): unknown[] {
	const texts = of.map((item) => textOf(site, item, "an item"));
	return orderOf(site, texts, 1).map((index) => of[index]);
}

/** The values to sort by. All are of one kind: numbers (bigints and decimals among them), texts or booleans. */
type Keys = readonly (number | bigint | string | boolean | Decimal)[];

/** The indexes of the keys, in sorted order. Equal keys keep their order, in both directions. */
function orderOf(site: Site, keys: Keys, direction: 1 | -1): readonly number[] {
	site.charge((keys.length * Math.ceil(Math.log2(keys.length + 1))) >>> 1);
	for (const key of keys) {
		// The engine copies a text that was joined from parts before it first compares it.
		if (typeof key === "string") site.chargeText(key.length);
	}
	const places = Array.from(keys.keys());
	return places.sort((a, b) => {
		const left = keys[a] ?? 0;
		const right = keys[b] ?? 0;
		const order =
			typeof left === "string" && typeof right === "string"
				? compareTexts(site, left, right)
				: left instanceof Decimal || right instanceof Decimal
					? (compareDecimals(site, left, right) ?? 0)
					: left < right
						? -1
						: left > right
							? 1
							: 0;
		return direction * order;
	});
}

/** A copy sorted by each item's key. Items without a key (null) come last, in both directions. */
export function sortedBy(
	site: Site,
	of: Items,
	keyOf: Callback,
	direction: 1 | -1,
): unknown[] {
	site.chargeList(of.length);
	site.charge(4);
	const ranked: unknown[] = [];
	const keys: (number | bigint | string | boolean | Decimal)[] = [];
	const last: unknown[] = [];
	let kind = "";
	for (const [index, item] of of.entries()) {
		const key = asNumber(keyOf(item, index));
		if (key === null) {
			last.push(item);
			continue;
		}
		const own = sortKind(site, key);
		if (kind !== "" && own !== kind) {
			site.fail(`the keys are ${kind}s and ${own}s, which have no order`);
		}
		kind = own;
		ranked.push(item);
		keys.push(key as string);
	}
	const sorted = orderOf(site, keys, direction).map((place) => ranked[place]);
	return [...sorted, ...last];
}

function sortKind(site: Site, key: unknown): string {
	switch (typeof key) {
		case "bigint":
		case "number":
			return "number";
		case "string":
			return "text";
		case "boolean":
			return "boolean";
		default:
			if (key instanceof Decimal) return "number";
			return site.fail(`a key is ${kindOf(key)}, which has no order`);
	}
}
