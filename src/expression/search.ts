import type { Site } from "./site.ts";

/**
 * Searching texts in time linear in their lengths. The engine's own `indexOf` and `lastIndexOf` take the product of
 * both lengths at worst. They took 1.5 s and 7 s for 100,000 characters within 200,000, both made of `a` and one `b`.
 * If that product is small, the engine's own search is faster and is used.
 */

/** If the wanted text is shorter than this, the engine's search is linear enough. */
const shortMax = 8;
const productMax = 1 << 14;

function isCheap(text: string, wanted: string): boolean {
	return wanted.length <= shortMax || text.length * wanted.length <= productMax;
}

/** The first index of `wanted` at or after any start; -1 if there is none. Charged for one pass over the text. */
export function finder(
	site: Site,
	text: string,
	wanted: string,
): (from: number) => number {
	site.charge(text.length >>> 4);
	if (isCheap(text, wanted)) return (from) => text.indexOf(wanted, from);
	if (wanted.length > text.length) return () => -1;
	site.charge((text.length + wanted.length) >>> 1);
	const borders = bordersOf(wanted, 0, 1);
	return (from) => scan(text, 0, 1, wanted, 0, borders, from);
}

/** The last index of `wanted` at or before `from`; -1 if there is none. */
export function lastIndexOf(
	site: Site,
	text: string,
	wanted: string,
	from = Infinity,
): number {
	site.charge(text.length >>> 4);
	if (isCheap(text, wanted)) return text.lastIndexOf(wanted, from);
	const spare = text.length - wanted.length;
	if (spare < 0) return -1;
	site.charge((text.length + wanted.length) >>> 1);
	// The last match in a text is the first match in the text read backwards.
	const end = text.length - 1;
	const wantedEnd = wanted.length - 1;
	const borders = bordersOf(wanted, wantedEnd, -1);
	const start = spare - Math.min(spare, Math.max(0, Math.trunc(from)));
	const found = scan(text, end, -1, wanted, wantedEnd, borders, start);
	return found < 0 ? -1 : spare - found;
}

/**
 * For each beginning of the wanted text, the length of its longest proper beginning that is also its end (Knuth, Morris,
 * Pratt). The text is read from `first` on, forwards or backwards.
 */
function bordersOf(wanted: string, first: number, step: 1 | -1): Int32Array {
	const borders = new Int32Array(wanted.length);
	let border = 0;
	for (let index = 1; index < borders.length; index++) {
		const unit = wanted.charCodeAt(first + step * index);
		while (border > 0 && unit !== wanted.charCodeAt(first + step * border)) {
			border = borders[border - 1] as number;
		}
		if (unit === wanted.charCodeAt(first + step * border)) border++;
		borders[index] = border;
	}
	return borders;
}

function scan(
	text: string,
	first: number,
	step: 1 | -1,
	wanted: string,
	wantedFirst: number,
	borders: Int32Array,
	from: number,
): number {
	let matched = 0;
	for (let index = from; index < text.length; index++) {
		const unit = text.charCodeAt(first + step * index);
		while (
			matched > 0 &&
			unit !== wanted.charCodeAt(wantedFirst + step * matched)
		) {
			matched = borders[matched - 1] as number;
		}
		if (unit === wanted.charCodeAt(wantedFirst + step * matched)) matched++;
		if (matched === borders.length) return index - matched + 1;
	}
	return -1;
}
