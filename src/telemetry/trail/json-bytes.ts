/** How much memory it keeps between two texts. */
const keptBytes = 64 * 1024;

/** The most digits of a number of 31 bits, with its comma. */
const numberMax = 11;

/** The most names whose JSON is kept, and the longest of them. */
const namesMax = 1_000;
const nameMax = 200;

/** More bytes are copied faster by Node. */
const copiedMax = 64;

const comma = 0x2c;
const zero = 0x30;
const opening = 0x5b;
const closing = 0x5d;

/**
 * Makes JSON of lists, value by value, in one piece of memory. To build the lists first and to print them then takes
 * longer, and leaves eight times as much garbage.
 */
export class JsonBytes {
	#bytes: Buffer = Buffer.allocUnsafeSlow(keptBytes);
	/** Behind the last value and its comma. */
	#at = 0;
	readonly #names = new Map<string, Uint8Array>();

	/** Begins a list. */
	open(): void {
		this.#makeRoom(1);
		this.#bytes[this.#at++] = opening;
	}

	close(): void {
		this.#makeRoom(2);
		const bytes = this.#bytes;
		let at = this.#at;
		if (bytes[at - 1] === comma) at--;
		bytes[at] = closing;
		bytes[at + 1] = comma;
		this.#at = at + 2;
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

	/** A text of which there are few, such as a name in the plan. Its JSON is kept. */
	name(text: string | null): void {
		if (text === null) return this.#ascii(nullBytes);
		let json = this.#names.get(text);
		if (json === undefined) {
			json = asciiOf(text);
			const keeps = this.#names.size < namesMax && text.length <= nameMax;
			if (keeps) this.#names.set(text, json);
		}
		this.#ascii(json);
	}

	/** Anything that prints as JSON. */
	value(value: unknown): void {
		this.#ascii(asciiOf(value));
	}

	/** What was made since the last time, as ASCII. Holds until the next value is written. */
	take(): Buffer {
		const made = this.#bytes.subarray(0, Math.max(0, this.#at - 1));
		this.#at = 0;
		if (this.#bytes.length > keptBytes) {
			this.#bytes = Buffer.allocUnsafeSlow(keptBytes);
		}
		return made;
	}

	#ascii(json: Uint8Array): void {
		const { length } = json;
		this.#makeRoom(length + 1);
		const bytes = this.#bytes;
		const from = this.#at;
		if (length > copiedMax) bytes.set(json, from);
		else {
			for (let at = 0; at < length; at++) bytes[from + at] = json[at] as number;
		}
		bytes[from + length] = comma;
		this.#at = from + length + 1;
	}

	#makeRoom(length: number): void {
		const needed = this.#at + length;
		if (needed <= this.#bytes.length) return;
		const bytes = Buffer.allocUnsafeSlow(2 * needed);
		this.#bytes.copy(bytes, 0, 0, this.#at);
		this.#bytes = bytes;
	}
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
	const json = JSON.stringify(value).replace(
		/[\u007f-\uffff]/g,
		(character) =>
			`\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
	);
	return Buffer.from(json, "latin1");
}

const nullBytes = asciiOf(null);
const minusOne = asciiOf(-1);
