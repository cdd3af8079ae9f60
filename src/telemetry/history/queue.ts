import { type PackedRows, RowChunk } from "./rows.ts";

/** More rows than these do not wait for the database. */
const rowsMax = 10_000;

/** How much they may hold in all. */
const bytesMax = 16 * 1024 ** 2;

/** Rows that wait to be written, the oldest first. What does not fit is not taken. */
export class RowQueue {
	/** Each is one transaction at most. All but the last are full. */
	#chunks: RowChunk[] = [new RowChunk()];
	/** An empty one for later, because its memory is dear to make. */
	#spare: RowChunk | null = null;
	#rows = 0;
	#bytes = 0;

	get length(): number {
		return this.#rows;
	}

	/** Whether there is enough for a whole transaction. */
	get isBatch(): boolean {
		return this.#chunks.length > 1 || this.#last.isFullFor(0);
	}

	/** False if there is no room for the row that `write` writes. */
	add(write: (chunk: RowChunk) => void): boolean {
		if (this.#rows === rowsMax) return false;
		if (this.#last.isFullFor(0)) this.#addChunk();
		let chunk = this.#last;
		write(chunk);
		const bytes = chunk.nextBytes;
		if (this.#bytes + bytes > bytesMax) {
			chunk.dropRow();
			return false;
		}
		if (chunk.isFullFor(bytes)) {
			chunk.dropRow();
			chunk = this.#addChunk();
			write(chunk);
		}
		chunk.keepRow();
		this.#rows++;
		this.#bytes += bytes;
		return true;
	}

	get #last(): RowChunk {
		return this.#chunks.at(-1) as RowChunk;
	}

	/** The rows of the next transaction. They stay until they are removed. */
	batch(): PackedRows {
		return (this.#chunks[0] as RowChunk).packed();
	}

	/** Removes so many of the oldest. */
	remove(count: number): void {
		for (let left = count; left > 0; ) {
			const chunk = this.#chunks[0] as RowChunk;
			const removed = Math.min(left, chunk.count);
			const before = chunk.bytes;
			chunk.remove(removed);
			this.#bytes -= before - chunk.bytes;
			left -= removed;
			if (chunk.count === 0) this.#dropFirst();
		}
		this.#rows -= count;
	}

	#addChunk(): RowChunk {
		const chunk = this.#spare ?? new RowChunk();
		this.#spare = null;
		this.#chunks.push(chunk);
		return chunk;
	}

	#dropFirst(): void {
		this.#spare = this.#chunks.shift() ?? null;
		this.#spare?.clear();
		if (this.#chunks.length === 0) this.#addChunk();
	}
}
