/**
 * The parts of JSON in which no others stand, as strict as RFC 8259. Each function takes where a part begins, and gives the
 * index behind it, or `unfit`. Only a text is looked for up to the end of the bytes. All others take it that behind the place
 * where they begin stands a bracket, because the engine reads bytes more slowly once it has read one behind an end.
 */

/** There is no such part. */
export const unfit = -1;

/** Behind the white space, if there is any. */
export function endOfSpace(bytes: Uint8Array, at: number): number {
	const { length } = bytes;
	let end = at;
	while (end < length && isSpace(bytes[end] as number)) end++;
	return end;
}

/** Where the white space begins that ends before `end`. */
export function startOfSpace(bytes: Uint8Array, end: number): number {
	let start = end;
	while (start > 0 && isSpace(bytes[start - 1] as number)) start--;
	return start;
}

function isSpace(byte: number): boolean {
	return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** Behind the closing quote of the text whose first character is at `at`. */
export function endOfText(bytes: Uint8Array, at: number): number {
	const { length } = bytes;
	for (let end = at; end < length; ) {
		const byte = bytes[end++] as number;
		if (byte === 0x22) return end;
		if (byte < 0x20) return unfit;
		if (byte === 0x5c) {
			end = endOfEscape(bytes, end);
			if (end === unfit) return unfit;
		}
	}
	return unfit;
}

/** As `endOfText`, for a text without an escape. */
export function endOfPlainText(bytes: Uint8Array, at: number): number {
	const { length } = bytes;
	for (let end = at; end < length; ) {
		const byte = bytes[end++] as number;
		if (byte === 0x22) return end;
		if (byte < 0x20 || byte === 0x5c) return unfit;
	}
	return unfit;
}

/** Behind the escape whose backslash stands before `at`. */
function endOfEscape(bytes: Uint8Array, at: number): number {
	const byte = bytes[at] as number;
	if (byte !== 0x75) return escapes[byte] === 1 ? at + 1 : unfit;
	for (let digit = at + 1; digit < at + 5; digit++) {
		if (hexDigits[bytes[digit] as number] !== 1) return unfit;
	}
	return at + 5;
}

const escapes = tableOf('"\\/bfnrt');
const hexDigits = tableOf("0123456789abcdefABCDEF");

function tableOf(characters: string): Uint8Array {
	const table = new Uint8Array(256);
	for (const character of characters) table[character.charCodeAt(0)] = 1;
	return table;
}

/** Behind a colon, and the white space around it. */
export function endOfColon(bytes: Uint8Array, at: number): number {
	const colon = bytes[at] === 0x3a ? at : endOfSpace(bytes, at);
	if (bytes[colon] !== 0x3a) return unfit;
	const end = colon + 1;
	return (bytes[end] as number) > 0x20 ? end : endOfSpace(bytes, end);
}

/** Behind `true`, `false` or `null`. */
export function endOfWord(bytes: Uint8Array, at: number): number {
	const word = words[bytes[at] as number];
	if (word === undefined) return unfit;
	for (let next = 1; next < word.length; next++) {
		if (bytes[at + next] !== word[next]) return unfit;
	}
	return at + word.length;
}

const words: (Uint8Array | undefined)[] = Array.from({ length: 256 });
for (const word of ["true", "false", "null"]) {
	words[word.charCodeAt(0)] = Uint8Array.from(Buffer.from(word));
}

/** Behind the digits, if there are any. */
export function endOfDigits(bytes: Uint8Array, at: number): number {
	const { length } = bytes;
	let end = at;
	while (end < length && isDigit(bytes[end] as number)) end++;
	return end;
}

function isDigit(byte: number): boolean {
	return byte >= 0x30 && byte <= 0x39;
}

/**
 * Behind a number's exponent, whose mark is at `at`. One of three digits is unfit, because it may be one that no double
 * has.
 */
export function endOfExponent(bytes: Uint8Array, at: number): number {
	const sign = bytes[at + 1];
	const start = sign === 0x2b || sign === 0x2d ? at + 2 : at + 1;
	const end = endOfDigits(bytes, start);
	return end > start && end <= start + 2 ? end : unfit;
}
