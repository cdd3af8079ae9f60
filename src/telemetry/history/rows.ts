import { JsonBytes } from "../trail/json-bytes.ts";

/** The columns of a kept request that are numbers. */
const numberColumns = ["at_ms", "status", "duration_ms"] as const;

/** Those with texts of which there are few. */
const nameColumns = ["route", "completeness", "code"] as const;

/** Those with other texts. */
const textColumns = ["id", "faults", "trail", "record"] as const;

/** The columns of a kept request, in the order in which they are written. */
export const rowColumns = [
	...numberColumns,
	...nameColumns,
	...textColumns,
] as const;

/** How many numbers stand for one row: a name's is its position, a text's its length. For null -1 stands. */
const width = rowColumns.length;
const textsFrom = numberColumns.length + nameColumns.length;

/** The most rows of one transaction: it takes some milliseconds, in which others may want to read. */
const batchRowsMax = 500;
const batchBytesMax = 1024 ** 2;

/** How many bytes of texts there is room for at first. */
const textBytes = 256 * 1024;

/** A request as the database takes it: one value for each of `rowColumns`. */
export type Row = readonly (string | number | null)[];

/** Rows that the thread of the database may read, until it says that it has written them. */
export interface PackedRows {
	readonly count: number;
	readonly numbers: Float64Array;
	/** All texts in UTF-8, one behind the other. */
	readonly texts: Uint8Array;
	readonly names: readonly string[];
}

/**
 * Rows that wait to be written together. They stand in memory that both threads share: as lists of values the collectors
 * of both would move them, and to hand them over would cost more than to make them.
 */
export class RowChunk {
	/** A text of the next row may be written here. Then `written` takes it. */
	readonly texts = new JsonBytes(textBytes, true);
	readonly #numbers = new Float64Array(
		new SharedArrayBuffer(
			batchRowsMax * width * Float64Array.BYTES_PER_ELEMENT,
		),
	);
	#numberAt = 0;
	/** Where the last text of the next row ends. */
	#textAt = 0;
	readonly #names: string[] = [];
	readonly #positions = new Map<string, number>();
	/** Where the first row begins that is not removed. */
	#from = 0;
	#textFrom = 0;
	/** Where the next row begins. */
	#to = 0;
	#textTo = 0;

	/** How many rows wait. */
	get count(): number {
		return (this.#to - this.#from) / width;
	}

	/** How many bytes they hold. */
	get bytes(): number {
		return bytesOf(this.count, this.#textTo - this.#textFrom);
	}

	/** What the next row takes, in bytes. */
	get nextBytes(): number {
		return bytesOf(1, this.texts.length - this.#textTo);
	}

	/** Whether a row of so many bytes belongs into another chunk. */
	isFullFor(bytes: number): boolean {
		const isFull = this.#to === this.#numbers.length;
		return isFull || (this.count > 0 && this.bytes + bytes > batchBytesMax);
	}

	/* The values of the next row, in the order of `rowColumns` */

	number(value: number): void {
		this.#numbers[this.#numberAt++] = value;
	}

	name(text: string | null): void {
		if (text === null) return this.number(-1);
		let position = this.#positions.get(text);
		if (position === undefined) {
			position = this.#names.push(text) - 1;
			this.#positions.set(text, position);
		}
		this.number(position);
	}

	text(text: string | null): void {
		if (text === null) return this.number(-1);
		this.texts.raw(text);
		this.written();
	}

	/** What was written to `texts` is a value. */
	written(): void {
		const { length } = this.texts;
		this.number(length - this.#textAt);
		this.#textAt = length;
	}

	/** All texts of the next row, one behind the other. */
	nextTexts(): Buffer {
		return this.texts.slice(this.#textTo, this.texts.length);
	}

	/** All values are written. */
	keepRow(): void {
		this.#to = this.#numberAt;
		this.#textTo = this.#textAt;
	}

	dropRow(): void {
		this.#numberAt = this.#to;
		this.#textAt = this.#textTo;
		this.texts.cut(this.#textTo);
	}

	packed(): PackedRows {
		return {
			count: this.count,
			numbers: this.#numbers.subarray(this.#from, this.#to),
			texts: this.texts.slice(this.#textFrom, this.#textTo),
			names: this.#names,
		};
	}

	/** Removes the oldest. Nobody may read them any more. */
	remove(count: number): void {
		for (let left = count; left > 0; left--) {
			for (let at = textsFrom; at < width; at++) {
				const length = this.#numbers[this.#from + at] as number;
				this.#textFrom += Math.max(0, length);
			}
			this.#from += width;
		}
	}

	/** Begins anew. It has to be empty. */
	clear(): void {
		this.#numberAt = this.#from = this.#to = 0;
		this.#textAt = this.#textFrom = this.#textTo = 0;
		this.texts.cut(0);
	}
}

function bytesOf(rows: number, texts: number): number {
	return rows * width * Float64Array.BYTES_PER_ELEMENT + texts;
}

/** Unpacks rows, one after the other. All are the same list, whose values change. */
export function* rowsOf(rows: PackedRows): Generator<Row, void, undefined> {
	const { count, numbers, names } = rows;
	const { buffer, byteOffset, byteLength } = rows.texts;
	const texts = Buffer.from(buffer, byteOffset, byteLength);
	const values: (string | number | null)[] = new Array(width).fill(null);
	let textAt = 0;
	let at = 0;
	for (let row = 0; row < count; row++) {
		for (let column = 0; column < width; column++) {
			const number = numbers[at++] as number;
			let value: string | number | null = number;
			if (column >= numberColumns.length) {
				if (number < 0) value = null;
				else if (column < textsFrom) value = names[number] as string;
				else {
					value = texts.toString("utf8", textAt, textAt + number);
					textAt += number;
				}
			}
			values[column] = value;
		}
		yield values;
	}
}
