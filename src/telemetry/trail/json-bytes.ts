/** How much memory it keeps between two texts. */
const keptBytes = 64 * 1024;

/** The digits of a number of 31 bits. */
const digitsMax = 10;

/** The most names whose JSON is kept, and the longest of them. */
const namesMax = 1_000;
const nameMax = 200;

/**
 * Makes JSON of lists, value by value, in one piece of memory. To build the lists first and to print them then takes as
 * long, but leaves eight times as much garbage.
 */
export class JsonBytes {
	#bytes = Buffer.allocUnsafeSlow(keptBytes);
	#at = 0;
	/** Whether a comma stands before the next value. */
	#follows = false;
	readonly #names = new Map<string, string>();

	/** Begins a list. */
	open(): void {
		const at = this.#begin(1);
		this.#bytes[at] = 0x5b;
		this.#at = at + 1;
		this.#follows = false;
	}

	close(): void {
		this.#makeRoom(1);
		this.#bytes[this.#at++] = 0x5d;
		this.#follows = true;
	}

	number(value: number | null): void {
		// Small whole numbers are nearly all.
		if (value === null || (value | 0) !== value || value < 0) {
			return this.#ascii(JSON.stringify(value));
		}
		const at = this.#begin(digitsMax);
		const bytes = this.#bytes;
		if (value < 10) {
			bytes[at] = 0x30 + value;
			this.#at = at + 1;
			return;
		}
		let end = at;
		for (let rest = value; rest > 0; rest = (rest / 10) | 0) end++;
		this.#at = end;
		for (let rest = value; rest > 0; rest = (rest / 10) | 0) {
			bytes[--end] = 0x30 + (rest % 10);
		}
	}

	/** A text of which there are few, such as a name in the plan. Its JSON is kept. */
	name(text: string | null): void {
		if (text === null) return this.#ascii("null");
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
		const made = this.#bytes.subarray(0, this.#at);
		this.#at = 0;
		this.#follows = false;
		if (this.#bytes.length > keptBytes) {
			this.#bytes = Buffer.allocUnsafeSlow(keptBytes);
		}
		return made;
	}

	#ascii(json: string): void {
		const { length } = json;
		const from = this.#begin(length);
		const bytes = this.#bytes;
		this.#at = from + length;
		if (length > 50) bytes.write(json, from, "latin1");
		else {
			for (let at = 0; at < length; at++) {
				bytes[from + at] = json.charCodeAt(at);
			}
		}
	}

	/** Makes room for a value. Gives where it stands. */
	#begin(length: number): number {
		this.#makeRoom(length + 1);
		const at = this.#at;
		if (!this.#follows) {
			this.#follows = true;
			return at;
		}
		this.#bytes[at] = 0x2c;
		return at + 1;
	}

	#makeRoom(length: number): void {
		const needed = this.#at + length;
		if (needed <= this.#bytes.length) return;
		const bytes = Buffer.allocUnsafeSlow(2 * needed);
		this.#bytes.copy(bytes, 0, 0, this.#at);
		this.#bytes = bytes;
	}
}

/** JSON of which each character is a byte. */
function asciiOf(value: unknown): string {
	return JSON.stringify(value).replace(
		/[\u007f-\uffff]/g,
		(character) =>
			`\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
	);
}
