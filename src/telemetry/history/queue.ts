import type { Row } from "./row.ts";

/** More rows than these do not wait for the database. */
const rowsMax = 10_000;

/** How much they may hold in all, in characters. */
const charactersMax = 16 * 1024 ** 2;

/** The rows of one transaction: it takes some milliseconds, in which others may want to read. */
const batchRowsMax = 500;
const batchCharactersMax = 1024 ** 2;

/** Rows that wait to be written, the oldest first. What does not fit is not taken. */
export class RowQueue {
	#rows: Row[] = [];
	#characters = 0;

	get length(): number {
		return this.#rows.length;
	}

	/** Whether there is enough for a whole transaction. */
	get isBatch(): boolean {
		return (
			this.#rows.length >= batchRowsMax ||
			this.#characters >= batchCharactersMax
		);
	}

	/** False if there is no room for it. */
	add(row: Row): boolean {
		const length = lengthOf(row);
		const fits =
			this.#rows.length < rowsMax && this.#characters + length <= charactersMax;
		if (!fits) return false;
		this.#rows.push(row);
		this.#characters += length;
		return true;
	}

	/** The rows of the next transaction. They stay until they are removed. */
	batch(): readonly Row[] {
		let count = 0;
		let characters = 0;
		for (const row of this.#rows) {
			characters += lengthOf(row);
			if (count > 0 && characters > batchCharactersMax) break;
			if (++count === batchRowsMax) break;
		}
		return this.#rows.slice(0, count);
	}

	/** Removes so many of the oldest. */
	remove(count: number): void {
		for (const row of this.#rows.splice(0, count)) {
			this.#characters -= lengthOf(row);
		}
	}
}

/** The detail is most of a row. */
function lengthOf(row: Row): number {
	let characters = 0;
	for (const value of row) {
		characters += typeof value === "string" ? value.length : 8;
	}
	return characters;
}
