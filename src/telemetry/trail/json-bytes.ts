import { shown } from "../../core/shown.ts";

/** The memory of one that is told nothing else. */
const usualBytes = 64 * 1024;

/** The most digits of a number of 31 bits, with its comma. */
const numberMax = 11;

/** The most names whose JSON is kept, and the longest of them. */
const namesMax = 1_000;
const nameMax = 200;

/** The longest part that is kept. */
const pieceMax = 400;

/** More bytes are copied faster by Node. */
const copiedMax = 64;

/** The JSON of names, for all who write them. */
const names = new Map<string, Uint8Array>();
const keys = new Map<string, Uint8Array>();

const comma = 0x2c;
const zero = 0x30;
const quote = 0x22;
const backslash = 0x5c;
const openingList = 0x5b;
const closingList = 0x5d;
const openingMap = 0x7b;
const closingMap = 0x7d;

/**
 * Makes JSON, value by value, in one piece of memory. To build the lists first and to print them then takes
 * longer, and leaves eight times as much garbage.
 */
export class JsonBytes {
	/** How much memory it keeps if it begins anew. */
	readonly #keptBytes: number;
	/** Whether its memory may be handed to other threads. */
	readonly #shared: boolean;
	#bytes: Buffer;
	/** Behind the last value and its comma. */
	#at = 0;

	constructor(keptBytes = usualBytes, shared = false) {
		this.#keptBytes = keptBytes;
		this.#shared = shared;
		this.#bytes = memoryOf(keptBytes, shared);
	}

	/** How many bytes were made. */
	get length(): number {
		return this.#at;
	}

	/** Begins a list. */
	open(): void {
		this.#byte(openingList);
	}

	close(): void {
		this.#close(closingList);
	}

	openMap(): void {
		this.#byte(openingMap);
	}

	closeMap(): void {
		this.#close(closingMap);
	}

	#byte(byte: number): void {
		this.#makeRoom(1);
		this.#bytes[this.#at++] = byte;
	}

	#close(byte: number): void {
		this.#makeRoom(2);
		const bytes = this.#bytes;
		let at = this.#at;
		if (bytes[at - 1] === comma) at--;
		bytes[at] = byte;
		bytes[at + 1] = comma;
		this.#at = at + 2;
	}

	/** The key of the next value. There are few. */
	key(text: string): void {
		let json = keys.get(text);
		if (json === undefined) {
			json = Buffer.from(`${shown(JSON.stringify(text))}:`);
			if (keys.size < namesMax) keys.set(text, json);
		}
		this.#copy(json);
	}

	number(value: number | null): void {
		if (value === null) return this.#ascii(nullBytes);
		// Small whole numbers are nearly all.
		if ((value | 0) !== value || value < 0) {
			return this.#ascii(value === -1 ? minusOne : asciiOf(value));
		}
		this.#makeRoom(numberMax);
		const bytes = this.#bytes;
		const at = writeWhole(bytes, this.#at, value);
		bytes[at] = comma;
		this.#at = at + 1;
	}

	/** The digits of a whole number below 1,000, of which there are always three. No comma follows. */
	threeDigits(value: number): void {
		this.#makeRoom(3);
		const bytes = this.#bytes;
		const at = this.#at;
		const tens = (value / 10) | 0;
		const hundreds = (tens / 10) | 0;
		bytes[at] = zero + hundreds;
		bytes[at + 1] = zero + tens - 10 * hundreds;
		bytes[at + 2] = zero + value - 10 * tens;
		this.#at = at + 3;
	}

	/** A part of JSON that was made before, with its commas. */
	piece(json: Uint8Array): void {
		this.#copy(json);
	}

	/** A text of which there are few, such as a name in the plan. Its JSON is kept. */
	name(text: string | null): void {
		if (text === null) return this.#ascii(nullBytes);
		let json = names.get(text);
		if (json === undefined) {
			json = asciiOf(text);
			const keeps = names.size < namesMax && text.length <= nameMax;
			if (keeps) names.set(text, json);
		}
		this.#ascii(json);
	}

	/** Anything that prints as JSON. */
	value(value: unknown): void {
		this.#ascii(asciiOf(value));
	}

	/** A text as a value, if no character of it needs to be escaped anywhere. Else false, and nothing is written. */
	plain(text: string): boolean {
		const { length } = text;
		if (length > copiedMax) return false;
		this.#makeRoom(length + 3);
		const bytes = this.#bytes;
		let to = this.#at;
		bytes[to++] = quote;
		for (let at = 0; at < length; at++) {
			const code = text.charCodeAt(at);
			if (code < 0x20 || code > 0x7e) return false;
			if (code === quote || code === backslash) return false;
			bytes[to++] = code;
		}
		bytes[to++] = quote;
		bytes[to++] = comma;
		this.#at = to;
		return true;
	}

	/** A value that is JSON already, in UTF-8. */
	json(text: string): void {
		this.raw(text);
		this.#byte(comma);
	}

	/** A text in UTF-8 that is no JSON, without quotes and comma. */
	raw(text: string): void {
		this.#makeRoom(3 * text.length);
		const isWritten = text.length <= copiedMax && this.#rawAscii(text);
		if (!isWritten) this.#at += this.#bytes.write(text, this.#at);
	}

	#rawAscii(text: string): boolean {
		const bytes = this.#bytes;
		const from = this.#at;
		for (let at = 0; at < text.length; at++) {
			const code = text.charCodeAt(at);
			if (code > 0x7f) return false;
			bytes[from + at] = code;
		}
		this.#at = from + text.length;
		return true;
	}

	/** The outermost list is closed: no comma follows. */
	end(): void {
		this.#at--;
	}

	/** Takes back what was made behind this length. */
	cut(length: number): void {
		this.#at = length;
		if (length === 0 && this.#bytes.length > this.#keptBytes) {
			this.#bytes = memoryOf(this.#keptBytes, this.#shared);
		}
	}

	/** Drops what was made before. What stands behind it moves. */
	shift(from: number): void {
		this.#bytes.copyWithin(0, from, this.#at);
		this.#at -= from;
	}

	/** What was made, without a copy. What is made after a cut stands in the same memory. */
	slice(from: number, to: number): Buffer {
		return this.#bytes.subarray(from, to);
	}

	#ascii(json: Uint8Array): void {
		this.#copy(json);
		this.#byte(comma);
	}

	#copy(json: Uint8Array): void {
		const { length } = json;
		this.#makeRoom(length);
		const bytes = this.#bytes;
		const from = this.#at;
		if (length > copiedMax) bytes.set(json, from);
		else {
			for (let at = 0; at < length; at++) bytes[from + at] = json[at] as number;
		}
		this.#at = from + length;
	}

	#makeRoom(length: number): void {
		const needed = this.#at + length;
		if (needed <= this.#bytes.length) return;
		const bytes = memoryOf(2 * needed, this.#shared);
		this.#bytes.copy(bytes, 0, 0, this.#at);
		this.#bytes = bytes;
	}
}

/**
 * Parts of JSON that are the same again and again, each made once of what it tells of. So many are kept that all of a config
 * have room: the first of a process. What tells of more is made each time.
 */
export class Pieces<Of> {
	readonly #make: (of: Of) => string;
	readonly #all = new Map<Of, Uint8Array>();

	/** `make` gives JSON, without what a terminal would obey. */
	constructor(make: (of: Of) => string) {
		this.#make = make;
	}

	of(of: Of): Uint8Array {
		const kept = this.#all.get(of);
		if (kept !== undefined) return kept;
		const made = Buffer.from(this.#make(of));
		if (this.#all.size < namesMax && made.length <= pieceMax) {
			this.#all.set(of, made);
		}
		return made;
	}

	clear(): void {
		this.#all.clear();
	}
}

function memoryOf(bytes: number, shared: boolean): Buffer {
	return shared
		? Buffer.from(new SharedArrayBuffer(bytes))
		: Buffer.allocUnsafeSlow(bytes);
}

/** Writes the digits of a whole number of 31 bits. Gives where they end. */
function writeWhole(bytes: Uint8Array, from: number, value: number): number {
	if (value < 10) {
		bytes[from] = zero + value;
		return from + 1;
	}
	const end = from + digitsOf(value);
	let at = end;
	let rest = value;
	while (rest > 9) {
		const tenth = (rest / 10) | 0;
		bytes[--at] = zero + rest - 10 * tenth;
		rest = tenth;
	}
	bytes[--at] = zero + rest;
	return end;
}

function digitsOf(value: number): number {
	if (value < 100) return 2;
	if (value < 1_000) return 3;
	if (value < 10_000) return 4;
	let digits = 5;
	for (let least = 100_000; value >= least; least *= 10) digits++;
	return digits;
}

/** JSON of which each character is a byte. */
function asciiOf(value: unknown): Uint8Array {
	return Buffer.from(asciiJson(value), "latin1");
}

/** The same as a text. */
export function asciiJson(value: unknown): string {
	return JSON.stringify(value).replace(
		/[\u007f-\uffff]/g,
		(character) =>
			`\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
	);
}

const nullBytes = asciiOf(null);
const minusOne = asciiOf(-1);
