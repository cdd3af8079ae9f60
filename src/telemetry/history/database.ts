import { closeSync, openSync, statSync } from "node:fs";
import sqlite from "node:sqlite";
import type { HistoryFile } from "./messages.ts";
import { type PackedRows, rowColumns, rowsOf } from "./rows.ts";
import { numberOf, oneNumber, prepareSchema, refuseOther } from "./schema.ts";

export type Database = InstanceType<typeof sqlite.DatabaseSync>;

/** How long it waits for another process that writes. */
const busyMs = 200;

/** With more of them on a page, less of it stays empty. */
const pageBytes = 16 * 1024;

/** The journal grows up to here before it goes into the file. Both together keep within the bound. */
const journalBytesMax = 16 * 1024 ** 2;

/** How many of the oldest rows go at once. */
const droppedMax = 1_000;

const insert = `INSERT INTO request (${rowColumns.join(", ")}) VALUES (${"?, ".repeat(rowColumns.length - 1)}?)`;

/** What each transaction needs. To parse it each time costs as much as to insert dozens of rows. */
function statementsOf(db: Database) {
	const prepared = (sql: string) => db.prepare(sql);
	return {
		begin: prepared("BEGIN IMMEDIATE"),
		commit: prepared("COMMIT"),
		insert: prepared(insert),
		pageCount: prepared("PRAGMA page_count"),
		freeCount: prepared("PRAGMA freelist_count"),
		isOldestOld: prepared(
			"SELECT at_ms + duration_ms < ? FROM request ORDER BY n LIMIT 1",
		),
	};
}

/** A database of requests that one thread writes. To write keeps it within its bounds. */
export class HistoryDatabase {
	readonly #file: string;
	readonly #keptMs: number;
	readonly #journalBytesMax: number;
	readonly #pagesMax: number;
	readonly #inode: bigint;
	readonly #statements: ReturnType<typeof statementsOf>;
	readonly db: Database;

	/** Opens the file, or makes it. Throws if it is not there to be written. */
	constructor({ file, keptMs, fileBytesMax, columns }: HistoryFile) {
		this.#file = file;
		this.#keptMs = keptMs;
		this.#journalBytesMax = Math.min(journalBytesMax, fileBytesMax / 4);
		createPrivately(file);
		this.#inode = inodeOf(file) ?? 0n;
		this.db = new sqlite.DatabaseSync(file, { timeout: busyMs });
		try {
			refuseOther(this.db);
			this.db.exec(`PRAGMA page_size = ${pageBytes}`);
			this.db.exec("PRAGMA auto_vacuum = INCREMENTAL");
			this.db.exec("PRAGMA journal_mode = WAL");
			// What is committed outlives this process. The last moments before a power cut may be lost.
			this.db.exec("PRAGMA synchronous = NORMAL");
			prepareSchema(this.db, columns);
			const size = numberOf(this.db, "PRAGMA page_size");
			const bytes = fileBytesMax - this.#journalBytesMax;
			this.#pagesMax = Math.floor(bytes / size);
			const checkpoint = Math.floor(this.#journalBytesMax / size / 4);
			this.db.exec(`PRAGMA wal_autocheckpoint = ${checkpoint}`);
			this.db.exec(`PRAGMA max_page_count = ${this.#pagesMax}`);
			this.#statements = statementsOf(this.db);
		} catch (error) {
			this.db.close();
			throw error;
		}
	}

	/** Whether the file is still the one that was opened. */
	get isThere(): boolean {
		return inodeOf(this.#file) === this.#inode;
	}

	/** What it takes on the disk, with its journal. */
	get fileBytes(): number {
		return sizeOf(this.#file) + sizeOf(`${this.#file}-wal`);
	}

	/** Writes all rows, or none and throws. */
	write(rows: PackedRows): void {
		this.#boundJournal();
		this.#dropOld();
		this.#makeRoom(rows);
		const { begin, commit, insert } = this.#statements;
		begin.run();
		try {
			// `get` makes no object of what has changed, as `run` does.
			for (const row of rowsOf(rows)) insert.get(...row);
			commit.run();
		} catch (error) {
			if (this.db.isTransaction) this.db.exec("ROLLBACK");
			throw error;
		}
	}

	close(): void {
		this.db.close();
	}

	/** Whoever reads for long keeps the journal from going into the file. */
	#boundJournal(): void {
		const journal = `${this.#file}-wal`;
		if (sizeOf(journal) <= this.#journalBytesMax / 2) return;
		this.db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
		if (sizeOf(journal) <= this.#journalBytesMax) return;
		throw new FullError("another process reads the file for too long");
	}

	#dropOld(): void {
		const beforeMs = Date.now() - this.#keptMs;
		if (oneNumber(this.#statements.isOldestOld, beforeMs) === 0) return;
		const last = this.db.prepare(
			"SELECT max(n) FROM (SELECT n, at_ms + duration_ms AS ended FROM request ORDER BY n LIMIT ?) WHERE ended < ?",
		);
		this.#dropUpTo(oneNumber(last, droppedMax, beforeMs));
	}

	/** Drops the oldest rows until there is room for these. Pages that are free are taken again. */
	#makeRoom(rows: PackedRows): void {
		const needed = pagesOf(rows);
		for (;;) {
			const pages = oneNumber(this.#statements.pageCount);
			const free = oneNumber(this.#statements.freeCount);
			// The bound was lowered.
			if (pages > this.#pagesMax && free > 0) {
				this.db.exec(`PRAGMA incremental_vacuum(${droppedMax})`);
			}
			if (pages - free + needed <= this.#pagesMax) return;
			const last = numberOf(
				this.db,
				`SELECT max(n) FROM (SELECT n FROM request ORDER BY n LIMIT ${droppedMax / 4})`,
			);
			if (last === 0) return;
			this.#dropUpTo(last);
		}
	}

	#dropUpTo(n: number): void {
		this.db.prepare("DELETE FROM request WHERE n <= ?").run(n);
	}
}

/** There is no room. */
export class FullError extends Error {}

/** More than they will take, with pages for the table's own tree. */
function pagesOf({ numbers, texts, names, count }: PackedRows): number {
	const nameBytes = Math.max(0, ...names.map((name) => name.length));
	const bytes = numbers.byteLength + texts.length + 3 * nameBytes * count;
	return Math.ceil((2 * bytes) / pageBytes) + 16;
}

/** What stands in it is for its owner alone. SQLite makes its other files with the same rights. */
function createPrivately(file: string): void {
	try {
		closeSync(openSync(file, "ax", 0o600));
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code !== "EEXIST") throw error;
	}
}

function inodeOf(file: string): bigint | null {
	return statSync(file, { bigint: true, throwIfNoEntry: false })?.ino ?? null;
}

function sizeOf(file: string): number {
	return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
