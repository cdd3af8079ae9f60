import { randomUUID } from "node:crypto";
import {
	Decimal,
	digitsMax,
	hasExponent,
	isInteger,
	keepsDigits,
} from "./decimal.ts";
import { GatewayError } from "./errors.ts";

/** How deep JSON may nest, if a reader sets no other bound. */
export const nestingMax = 64;

/**
 * Reads JSON (RFC 8259). An integer that a double would not print back digit for digit becomes a bigint, and another
 * number whose value a double would not print becomes a `Decimal`. For this a text without 16 digits in a number costs one
 * search. The last of two equal keys wins, as in JSON.parse, and `__proto__` is an ordinary own key. Throws SyntaxError for
 * a text that is not JSON, that nests deeper than `nesting`, or that holds a number too large for a double (1e400) or of
 * more than 1,000 characters.
 */
export function parseJson(text: string, nesting = nestingMax): unknown {
	if (nestsDeeper(text, nesting)) throw tooDeep(nesting);
	return parse(text, mayAlter(text));
}

/**
 * Whether a double may alter a number in the text: 16 digits, a dot between them or not, or an exponent of three. Finds
 * too many, never too few.
 */
export function mayAlter(text: string): boolean {
	return /\d{16}|[1-9](?=[\d.]{16})\d*\.|[eE][+-]?\d{3}/.test(text);
}

/** What JSON is made of, as far as it decides what reading it takes. Counted before it is read. */
export interface JsonSurvey {
	/** Values and keys. An integer that may need all its digits counts as four, because reading it takes as long. */
	readonly values: number;
	/**
	 * The memory that the value takes, in bytes: a slot for each value, 64 for a list or map, 50 for a key, 90 for a number
	 * that needs all its digits. Keys that repeat take 10, and keys that all differ 60 to 110.
	 */
	readonly memory: number;
	/** Numbers that may need all their digits. To look at one takes half a microsecond. */
	readonly longs: number;
	/** How deep lists and maps nest. */
	readonly depth: number;
	/** Whether there may be a number that a double would alter. */
	readonly longNumbers: boolean;
}

/**
 * Counts what JSON is made of, up to the first fault of its grammar: 0.6 ms for 1 MiB, a tenth of reading it at best. A
 * number of 16 digits may be one that a double would alter, and three behind an exponent's mark one that is too large or
 * too small.
 */
export function surveyJson(bytes: Uint8Array): JsonSurvey {
	const { length } = bytes;
	let values = 1;
	let keys = 0;
	let openings = 0;
	let level = 0;
	let depth = 0;
	let longNumbers = false;
	let longs = 0;
	/** The digits of the last run, which may stand before a dot. */
	let whole = 0;
	for (let at = 0; at < length; ) {
		const byte = bytes[at++] as number;
		if (byte === 0x22) {
			at = endOfString(bytes, at);
		} else if (byte === 0x2c) {
			values++;
		} else if (byte === 0x3a) {
			values++;
			keys++;
		} else if ((byte | 0x20) === 0x7b) {
			values++;
			openings++;
			if (++level > depth) depth = level;
		} else if ((byte | 0x20) === 0x7d) {
			level--;
		} else if (isDigit(byte)) {
			const start = at - 1;
			while (isDigit(bytes[at])) at++;
			const run = at - start;
			const isFraction = bytes[start - 1] === 0x2e;
			const digits = isFraction ? whole + run : run;
			// A zero before the dot is no digit of the value, and what is long already is not counted again.
			whole = run >= 16 || (run === 1 && byte === 0x30) ? 0 : run;
			if (digits >= 16) {
				longNumbers = true;
				longs++;
				// Most fractions stay doubles: their senders print 16 or 17 digits of each.
				if (!isFraction) values += 3;
			} else if (digits >= 3 && isExponent(bytes, start - 1)) {
				longNumbers = true;
			}
		}
	}
	const memory = length + 8 * values + 56 * openings + 42 * keys + 64 * longs;
	return { values, memory, longs, depth, longNumbers };
}

/** Behind the closing quote of the string whose first byte is at `at`. */
function endOfString(bytes: Uint8Array, at: number): number {
	const { length } = bytes;
	let end = at;
	while (end < length) {
		const byte = bytes[end++];
		if (byte === 0x22) break;
		if (byte === 0x5c) end++;
	}
	return end;
}

function isDigit(byte: number | undefined): boolean {
	return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/** An `e` or `E` at `at`, or before the sign that stands there. */
function isExponent(bytes: Uint8Array, at: number): boolean {
	const byte = bytes[at];
	const mark = byte === 0x2b || byte === 0x2d ? at - 1 : at;
	return ((bytes[mark] ?? 0) | 0x20) === 0x65;
}

/**
 * The time that reading takes, in units of 100 ns: of distinct keys, which take the longest. Reading keys that repeat
 * takes a fifth of it.
 */
export function costOfReading(
	{ values, longs }: Pick<JsonSurvey, "values" | "longs">,
	length: number,
): number {
	return 2 * values + 5 * longs + (length >>> 5);
}

/** The least that reading is known to take before it is surveyed, for other turns of the loop: 25 ns for a byte. */
export function leastCostOfReading(length: number): number {
	return length >>> 2;
}

/** Reads JSON from bytes by the rules of `parseJson`. Throws TypeError for bytes that are not UTF-8 (RFC 8259, 8.1). */
export function readJson(
	bytes: Uint8Array,
	{ depth, longNumbers } = surveyJson(bytes),
): unknown {
	if (depth > nestingMax) throw tooDeep(nestingMax);
	return parse(utf8.decode(bytes), longNumbers);
}

/** Keeps nothing between calls. */
const utf8 = new TextDecoder("utf-8", { fatal: true });

function tooDeep(nesting: number): SyntaxError {
	return new SyntaxError(`nested deeper than ${nesting} levels`);
}

/** `careful` is true if the text may hold a number that a double would alter. */
function parse(text: string, careful: boolean): unknown {
	if (!careful) return JSON.parse(text);
	// The mark is made for this one parse, so no text of a sender can hold it.
	const mark = `${randomUUID()}:`;
	const marked = markLongNumbers(text, mark);
	if (marked === null) return JSON.parse(text);
	return unmark(JSON.parse(marked), mark);
}

/**
 * The text with each number that a double would alter as a marked string; null if there is none. A reviver is called
 * for every value and would take seconds for a body of some megabytes.
 */
function markLongNumbers(text: string, mark: string): string | null {
	const pieces: string[] = [];
	let done = 0;
	for (let at = 0; at < text.length; ) {
		const quote = text.indexOf('"', at);
		const end = quote < 0 ? text.length : quote;
		for (const { 0: number, index } of text.slice(at, end).matchAll(numbers)) {
			if (!isAltered(number)) continue;
			const start = at + index;
			pieces.push(text.slice(done, start), `"${mark}${number}"`);
			done = start + number.length;
		}
		at = quote < 0 ? text.length : closingQuote(text, quote + 1) + 1;
	}
	if (pieces.length === 0) return null;
	pieces.push(text.slice(done));
	return pieces.join("");
}

const numbers = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

function isAltered(number: string): boolean {
	const { length } = number;
	// A double keeps 15 digits, and a short number may only be too large or too small by its exponent.
	if (length < 16 && !hasExponent(number)) return false;
	if (length > digitsMax) {
		throw new SyntaxError(`a number is longer than ${digitsMax} characters`);
	}
	const start = number.startsWith("-") ? 1 : 0;
	// What is no number of JSON is left to the parser.
	if (number[start] === "0" && isDigit(number.charCodeAt(start + 1))) {
		return false;
	}
	const double = Number(number);
	if (isInteger(number)) return String(double) !== number;
	if (Number.isFinite(double)) return !keepsDigits(number, double);
	throw new SyntaxError("a number is too large");
}

/**
 * Puts the numbers in the places of their marks. It changes the value itself, because nobody else has the freshly
 * parsed value yet. An assignment to a key that is there sets no prototype, not even to `__proto__`.
 */
function unmark(value: unknown, mark: string): unknown {
	if (typeof value === "string") {
		return value.startsWith(mark)
			? longNumber(value.slice(mark.length))
			: value;
	}
	if (typeof value !== "object" || value === null) return value;
	if (Array.isArray(value)) {
		for (let at = 0; at < value.length; at++) {
			const inner: unknown = value[at];
			if (typeof inner === "object" || typeof inner === "string") {
				value[at] = unmark(inner, mark);
			}
		}
		return value;
	}
	const map = value as Record<string, unknown>;
	for (const key in map) {
		const inner = map[key];
		if (typeof inner === "object" || typeof inner === "string") {
			map[key] = unmark(inner, mark);
		}
	}
	return value;
}

function longNumber(digits: string): bigint | Decimal {
	return isInteger(digits) ? BigInt(digits) : new Decimal(digits);
}

/**
 * Whether lists and maps nest deeper than `most`. For most bodies the number of opening brackets decides. Only a text
 * with more of them than `most` is walked.
 */
function nestsDeeper(text: string, most: number): boolean {
	if (openings(text, most) <= most) return false;
	let depth = 0;
	for (let at = 0; at < text.length; at++) {
		switch (text.charCodeAt(at)) {
			case 0x22: // a string: to its closing quote
				at = closingQuote(text, at + 1);
				break;
			case 0x5b:
			case 0x7b:
				if (++depth > most) return true;
				break;
			case 0x5d:
			case 0x7d:
				depth--;
				break;
		}
	}
	return false;
}

/** How many `[` and `{` there are, counted no further than one over `most`. */
function openings(text: string, most: number): number {
	let count = 0;
	for (const bracket of ["{", "["]) {
		let at = text.indexOf(bracket);
		while (at >= 0 && count <= most) {
			count++;
			at = text.indexOf(bracket, at + 1);
		}
	}
	return count;
}

function closingQuote(text: string, from: number): number {
	const { length } = text;
	for (let at = from; at < length; at++) {
		const code = text.charCodeAt(at);
		if (code === 0x22) return at;
		if (code === 0x5c) at++;
	}
	return length;
}

/** How long JSON may be when it is printed, in bytes. */
export interface PrintBound {
	readonly bytesMax: number;
	/** Says what is too long, and what bounds it. */
	readonly what: string;
}

/** Nobody sends as much, but an expression can make it. */
const usualBound = { bytesMax: 8 * 1024 ** 2, what: "JSON to be sent" };

/** Counts what work on a value takes: time, in units of 100 ns, and memory. */
export interface Meter {
	/** Throws if too much has been counted. */
	burn(units: number): void;
	/** Counts bytes that are made and held. Throws if too many are. */
	hold(bytes: number): void;
}

/**
 * Writes JSON; bigints print their digits. `undefined` cannot occur in data, so the result is always a text. Throws
 * `limit_exceeded` for a value that is too large, and `step_failed` for one that is nested too deeply. A value that holds
 * one part many times is small in memory and endless when it is printed. The meter counts before anything is printed. It
 * does not count what takes less than some 5 ms. Values that are one answer together share a `size`.
 */
export function printJson(
	value: unknown,
	meter: Meter | null = null,
	bound: PrintBound = usualBound,
	size: PrintedSize = sizeWithin(bound, meter),
): string {
	const { values } = size;
	size.bigints = false;
	try {
		if (!fits(value, size)) throw tooLong(bound);
		const text = size.bigints
			? printWithDigits(value, size.values - values, size)
			: JSON.stringify(value);
		checkLength(text, bound);
		return text;
	} catch (error) {
		if (!(error instanceof RangeError)) throw error;
		throw new GatewayError("step_failed", "the value nests too deeply", {
			cause: error,
		});
	}
}

/** Throws `limit_exceeded` if a text takes too many bytes as UTF-8. A character takes three at most. */
export function checkLength(text: string, bound: PrintBound): void {
	const { bytesMax } = bound;
	if (3 * text.length <= bytesMax) return;
	if (Buffer.byteLength(text) > bytesMax) throw tooLong(bound);
}

/** The size of what is printed, for values that are bounded together. */
export function sizeWithin(
	{ bytesMax }: PrintBound,
	meter: Meter | null,
): PrintedSize {
	return { values: 0, characters: 0, bytesMax, bigints: false, meter };
}

/** How much has been printed. */
export interface PrintedSize {
	values: number;
	characters: number;
	readonly bytesMax: number;
	bigints: boolean;
	readonly meter: Meter | null;
}

/** So many values, and texts so short, are printed without being counted. */
const freeValues = 5_000;
const freeLength = 1_024;

/** Whether a lower bound of the printed length fits: a value has a character, and one behind it. */
function fits(value: unknown, size: PrintedSize): boolean {
	measure(value, size);
	return size.characters + 2 * size.values <= size.bytesMax + 2;
}

function measure(value: unknown, size: PrintedSize): void {
	// What is behind the bound is not looked at.
	if (size.characters + 2 * ++size.values > size.bytesMax + 2) return;
	const counted = size.values > freeValues;
	// A value takes 50 ns.
	if (counted && size.values % 2 === 0) size.meter?.burn(1);
	if (typeof value === "string") {
		if (counted || value.length > freeLength) size.meter?.burn(costOf(value));
		size.characters += value.length;
	} else if (typeof value === "bigint") {
		size.bigints = true;
		// A thousand digits take 10 µs.
		if (value >= longEnd || value <= -longEnd) size.meter?.burn(100);
	} else if (value instanceof Decimal) {
		size.meter?.burn(10);
		size.characters += value.text.length;
	} else if (Array.isArray(value)) {
		for (const item of value) measure(item, size);
	} else if (typeof value === "object" && value !== null) {
		// Only a function of an author's gives them. As a map each byte would have a key of its own.
		if (ArrayBuffer.isView(value)) throw noJson();
		let keys = 0;
		let indexes = 0;
		for (const key in value) {
			keys++;
			if (isDigit(key.charCodeAt(0))) indexes++;
			size.characters += key.length;
			measure((value as Record<string, unknown>)[key], size);
		}
		if (size.values <= freeValues) return;
		// A map of many keys is a hash table to the engine, and keys that are indexes make texts anew.
		size.meter?.burn(2 * indexes + (keys > 64 ? 8 * keys : 0));
	}
}

function noJson(): GatewayError {
	return new GatewayError("step_failed", "bytes cannot become JSON");
}

const longEnd = 1n << 512n;

/** The engine writes each lone surrogate as an escape, which takes 100 ns. */
function costOf(text: string): number {
	return text.isWellFormed() ? text.length >>> 4 : text.length;
}

export function tooLong({ bytesMax, what }: PrintBound): GatewayError {
	const message = `${what} would be longer than ${bytesMax} bytes`;
	return new GatewayError("limit_exceeded", message);
}

function printWithDigits(
	value: unknown,
	count: number,
	{ values, meter }: PrintedSize,
): string {
	if (values > freeValues) meter?.burn(2 * count);
	return printDigits(value);
}

/** As JSON.stringify, which would call a function of ours for each value, and that takes 1 µs. */
function printDigits(value: unknown): string {
	if (typeof value === "bigint") return String(value);
	if (typeof value !== "object" || value === null) return JSON.stringify(value);
	let text = "";
	if (Array.isArray(value)) {
		for (const item of value) {
			text += text === "" ? printDigits(item) : `,${printDigits(item)}`;
		}
		return `[${text}]`;
	}
	for (const key in value) {
		const inner = printDigits((value as Record<string, unknown>)[key]);
		const part = `${JSON.stringify(key)}:${inner}`;
		text += text === "" ? part : `,${part}`;
	}
	// Bytes and decimals have no keys. They become JSON, or refuse to.
	return text === "" ? JSON.stringify(value) : `{${text}}`;
}
