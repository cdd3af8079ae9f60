import {
	endOfDigits,
	endOfSpace,
	endOfText,
	endOfWord,
	unfit,
} from "./json-grammar.ts";

/** Lines and columns count from 1, columns in characters. */
export interface PlaceInText {
	readonly line: number;
	readonly column: number;
}

/**
 * Where bytes of UTF-8 stop being JSON: at the token that cannot stand there, or behind the end if something lacks. Null if they
 * are JSON. A reader's own message has the place only for some faults, and has the content for others, so this looks again.
 */
export function placeOfFault(bytes: Uint8Array): PlaceInText | null {
	const at = faultIn(bytes);
	return at === unfit ? null : placeAt(bytes, at);
}

/** What may come next. `first` is a value, or the bracket that closes an empty list; `key` has the same for a map. */
type Next = "value" | "first" | "key" | "nextKey" | "colon" | "behind";

/** The index of the fault; `unfit` if there is none. */
function faultIn(bytes: Uint8Array): number {
	const open: number[] = [];
	let next: Next = "value";
	for (let at = startOf(bytes); ; ) {
		at = endOfSpace(bytes, at);
		const byte = bytes[at];
		if (byte === undefined) {
			return next === "behind" && open.length === 0 ? unfit : at;
		}
		const closes = byte === open.at(-1);
		if (next === "behind") {
			if (closes) open.pop();
			else if (byte !== comma || open.length === 0) return at;
			else next = open.at(-1) === closingBrace ? "nextKey" : "value";
			at++;
		} else if (next === "colon") {
			if (byte !== colon) return at;
			next = "value";
			at++;
		} else if (closes && (next === "first" || next === "key")) {
			open.pop();
			next = "behind";
			at++;
		} else if (next === "key" || next === "nextKey") {
			const end = byte === quote ? endOfText(bytes, at + 1) : unfit;
			if (end === unfit) return at;
			next = "colon";
			at = end;
		} else if (byte === openingBracket || byte === openingBrace) {
			// The closing one stands two behind the opening one.
			open.push(byte + 2);
			next = byte === openingBrace ? "key" : "first";
			at++;
		} else {
			const end = endOfScalar(bytes, at);
			if (end === unfit) return at;
			next = "behind";
			at = end;
		}
	}
}

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const openingBracket = 0x5b;
const openingBrace = 0x7b;
const closingBrace = 0x7d;

/** Behind the mark of UTF-8, which the decoder takes away. */
function startOf(bytes: Uint8Array): number {
	const isMarked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
	return isMarked ? 3 : 0;
}

function endOfScalar(bytes: Uint8Array, at: number): number {
	if (bytes[at] === quote) return endOfText(bytes, at + 1);
	const end = endOfWord(bytes, at);
	return end === unfit ? endOfNumber(bytes, at) : end;
}

function endOfNumber(bytes: Uint8Array, at: number): number {
	const start = bytes[at] === minus ? at + 1 : at;
	let end = bytes[start] === zero ? start + 1 : endOfDigits(bytes, start);
	if (end === start) return unfit;
	if (bytes[end] === point) {
		const fraction = end + 1;
		end = endOfDigits(bytes, fraction);
		if (end === fraction) return unfit;
	}
	if (bytes[end] !== smallE && bytes[end] !== greatE) return end;
	const sign = bytes[end + 1];
	const digits = sign === plus || sign === minus ? end + 2 : end + 1;
	end = endOfDigits(bytes, digits);
	return end === digits ? unfit : end;
}

const plus = 0x2b;
const minus = 0x2d;
const point = 0x2e;
const zero = 0x30;
const greatE = 0x45;
const smallE = 0x65;

function placeAt(bytes: Uint8Array, at: number): PlaceInText {
	const lines = Buffer.from(bytes.subarray(startOf(bytes), at)).toString();
	const begin = lines.lastIndexOf("\n") + 1;
	return {
		line: lines.split("\n").length,
		column: lines.length - begin + 1,
	};
}
