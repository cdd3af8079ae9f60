import type { TextMethod } from "./language.ts";
import { finder, lastIndexOf } from "./search.ts";
import { listMax, numberOf, type Site, textOf } from "./site.ts";

/**
 * A method at work. Arguments that were not given are undefined. If a method takes any number of arguments, `a` is
 * their list.
 */
export type Run<Of> = (site: Site, of: Of, a: unknown, b: unknown) => unknown;

/** JavaScript's methods of texts. They are charged for their time, and the texts that they make are bounded. */
export const textRuns: Readonly<Record<TextMethod, Run<string>>> = {
	at: (site, of, place) => {
		chargeIndex(site, of);
		return of.at(numberOf(site, place, "the place")) ?? null;
	},
	charAt: (site, of, place) => {
		chargeIndex(site, of);
		return of.charAt(optionalNumber(site, place, "the place") ?? 0);
	},
	concat: (site, of, texts) => {
		let made = of;
		for (const text of texts as unknown[]) {
			made = joined(site, made, textOf(site, text, "a text to append"));
		}
		return made;
	},
	endsWith: (site, of, wanted, end) => {
		const text = textOf(site, wanted, "the text looked for");
		chargeIndex(site, of);
		site.chargeText(text.length);
		return of.endsWith(text, optionalNumber(site, end, "the end"));
	},
	includes: (site, of, wanted, from) => indexOf(site, of, wanted, from) >= 0,
	indexOf,
	lastIndexOf: (site, of, wanted, from) =>
		lastIndexOf(
			site,
			of,
			textOf(site, wanted, "the text looked for"),
			optionalNumber(site, from, "the place to begin"),
		),
	normalize: (site, of, form) => {
		const wanted = optionalText(site, form, "the form") ?? "NFC";
		if (!/^NFK?[CD]$/.test(wanted)) {
			site.fail("the form is none of NFC, NFD, NFKC and NFKD");
		}
		chargeMarks(site, of);
		const made = of.normalize(wanted);
		// One character may become 18.
		site.charge(made.length >>> 3);
		return checked(site, made);
	},
	padEnd: (site, of, length, filler) =>
		padded(site, of, length, filler, "padEnd"),
	padStart: (site, of, length, filler) =>
		padded(site, of, length, filler, "padStart"),
	repeat: (site, of, times) => {
		const count = Math.trunc(numberOf(site, times, "the number of times"));
		if (count < 0) site.fail("the number of times is negative");
		if (of === "") return "";
		site.checkText(of.length * count);
		site.chargeText(of.length * count);
		site.hold(of.length * count);
		return of.repeat(count);
	},
	replace: (site, of, wanted, by) => replaced(site, of, wanted, by, 1),
	replaceAll: (site, of, wanted, by) =>
		replaced(site, of, wanted, by, Infinity),
	slice: (site, of, start, end) =>
		part(site, of, (text, from, to) => text.slice(from, to), start, end),
	split,
	startsWith: (site, of, wanted, from) => {
		const text = textOf(site, wanted, "the text looked for");
		chargeIndex(site, of);
		site.chargeText(text.length);
		return of.startsWith(
			text,
			optionalNumber(site, from, "the place to begin"),
		);
	},
	substring: (site, of, start, end) =>
		part(
			site,
			of,
			(text, from, to) => text.substring(from ?? 0, to),
			start,
			end,
		),
	toLowerCase: (site, of) => {
		site.charge(of.length >>> 3);
		return checked(site, of.toLowerCase());
	},
	toUpperCase: (site, of) => {
		site.charge(of.length >>> 3);
		return checked(site, of.toUpperCase());
	},
	trim: (site, of) => trimmed(site, of, of.trim()),
	trimEnd: (site, of) => trimmed(site, of, of.trimEnd()),
	trimStart: (site, of) => trimmed(site, of, of.trimStart()),
};

/**
 * Two texts as one. The engine only notes the two texts, and copies their characters when one is first read. It copies a
 * text of many parts part by part, and copies it again for each text that is made from it. So we have a long text copied
 * whenever it has grown by an eighth. Every read of a text then takes time linear in its length, and is charged so.
 */
export function joined(site: Site, left: string, right: string): string {
	const length = left.length + right.length;
	if (length < 1024) return left + right;
	site.checkText(length);
	const made = left + right;
	const before = Math.max(left.length, right.length);
	// The engine has not copied anything yet. It will when the text is read, and then the text is as long as it is.
	site.holdJoined(length, before);
	const eighth = 28 - Math.clz32(length);
	if (before >>> eighth !== length >>> eighth) {
		// The copy is made for the first character that is read, and only if the character is used for something. At two bytes a
		// character it took 2 ns for each of them.
		site.charge((length >>> 5) + (made.charCodeAt(0) & 1));
	}
	return made;
}

/** A text of many parts, while it is being made. Each part is charged for. */
export class OpenText {
	readonly #site: Site;
	readonly #parts: string[] = [];
	#length = 0;

	constructor(site: Site) {
		this.#site = site;
	}

	add(part: string): void {
		this.#length += part.length;
		this.#site.checkText(this.#length);
		this.#site.charge(1 + (part.length >>> 6));
		this.#parts.push(part);
	}

	value(): string {
		this.#site.hold(this.#length);
		return this.#parts.join("");
	}
}

/** To read one character of a text that was joined from parts copies the whole text. Short texts cost nothing. */
export function chargeIndex(site: Site, text: string): void {
	if (text.length > 1024) site.chargeText(text.length);
}

function checked(site: Site, made: string): string {
	site.checkText(made.length);
	site.hold(made.length);
	return made;
}

function optionalNumber(
	site: Site,
	value: unknown,
	what: string,
): number | undefined {
	return value === undefined ? undefined : numberOf(site, value, what);
}

function optionalText(
	site: Site,
	value: unknown,
	what: string,
): string | undefined {
	return value === undefined ? undefined : textOf(site, value, what);
}

function indexOf(
	site: Site,
	of: string,
	wanted: unknown,
	from: unknown,
): number {
	const text = textOf(site, wanted, "the text looked for");
	const start = optionalNumber(site, from, "the place to begin") ?? 0;
	const place = Math.min(Math.max(0, Math.trunc(start)), of.length);
	return finder(site, of, text)(place);
}

/**
 * Charges a text that is to be normalized. A character beyond ASCII takes the engine up to 50 ns. To sort a run of combining
 * marks into canonical order takes time quadratic in the run's length: 12 s for 130,000 marks.
 */
function chargeMarks(site: Site, text: string): void {
	if (/^[\0-\x7f]*$/.test(text)) return site.charge(text.length >>> 3);
	site.charge(text.length >>> 1);
	for (const [run] of text.matchAll(/\p{M}{2,}/gu)) {
		site.charge(4 * run.length + Math.ceil(run.length ** 2 / 256));
	}
}

function padded(
	site: Site,
	of: string,
	length: unknown,
	filler: unknown,
	method: "padStart" | "padEnd",
): string {
	const wanted = numberOf(site, length, "the length");
	const text = optionalText(site, filler, "the text to fill with") ?? " ";
	if (wanted <= of.length || text === "") return of;
	site.checkText(wanted);
	site.chargeText(wanted);
	site.hold(wanted);
	return of[method](wanted, text);
}

function part(
	site: Site,
	of: string,
	cut: (text: string, from?: number, to?: number) => string,
	start: unknown,
	end: unknown,
): string {
	chargeIndex(site, of);
	return cut(
		of,
		optionalNumber(site, start, "the start"),
		optionalNumber(site, end, "the end"),
	);
}

function trimmed(site: Site, of: string, made: string): string {
	site.charge(of.length >>> 4);
	return made;
}

function split(
	site: Site,
	of: string,
	separator: unknown,
	limit: unknown,
): string[] {
	const wanted = optionalText(site, separator, "the separator");
	const most = optionalNumber(site, limit, "the limit");
	// One over the limit, to notice a text that has more.
	const limited = Math.min(
		most === undefined ? Infinity : most >>> 0,
		listMax + 1,
	);
	site.charge(of.length >>> 4);
	const pieces =
		wanted === undefined || wanted.length <= 8
			? of.split(wanted as string, limited)
			: splitLinear(of, wanted, limited, finder(site, of, wanted));
	site.chargeList(pieces.length);
	site.charge(pieces.length);
	return pieces;
}

function splitLinear(
	of: string,
	wanted: string,
	limit: number,
	find: (from: number) => number,
): string[] {
	const pieces: string[] = [];
	let from = 0;
	while (pieces.length < limit) {
		const at = find(from);
		pieces.push(of.slice(from, at < 0 ? undefined : at));
		if (at < 0) break;
		from = at + wanted.length;
	}
	return pieces;
}

/** `replace` and `replaceAll` of a text by a text, in which `$&` and its like mean what they mean in JavaScript. */
function replaced(
	site: Site,
	of: string,
	wanted: unknown,
	by: unknown,
	most: number,
): string {
	const text = textOf(site, wanted, "the text to replace");
	const replacement = textOf(site, by, "the replacement");
	const pieces = piecesOf(site, replacement);
	const find = finder(site, of, text);
	const made = new OpenText(site);
	let from = 0;
	let place = find(0);
	for (let count = 0; place >= 0 && count < most; count++) {
		made.add(of.slice(from, place));
		for (const piece of pieces) made.add(substitute(piece, of, text, place));
		from = place + text.length;
		const next = place + Math.max(1, text.length);
		place = next > of.length ? -1 : find(next);
	}
	made.add(of.slice(from));
	return made.value();
}

/** A replacement cut at its `$$`, `$&`, `` $` `` and `$'` (ECMA-262, GetSubstitution, where nothing is captured). */
function piecesOf(site: Site, replacement: string): readonly string[] {
	if (!replacement.includes("$")) return [replacement];
	site.charge(replacement.length);
	return replacement.split(/(\$[$&`'])/);
}

function substitute(
	piece: string,
	of: string,
	matched: string,
	place: number,
): string {
	switch (piece) {
		case "$$":
			return "$";
		case "$&":
			return matched;
		case "$`":
			return of.slice(0, place);
		case "$'":
			return of.slice(place + matched.length);
		default:
			return piece;
	}
}
