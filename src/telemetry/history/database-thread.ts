/** The code of the thread that has the database. Nothing here is called in another thread. */
import { parentPort, workerData } from "node:worker_threads";
import { FullError, HistoryDatabase } from "./database.ts";
import type {
	FromDatabase,
	HistoryFault,
	HistoryFile,
	ToDatabase,
} from "./messages.ts";
import type { PackedRows } from "./rows.ts";
import { detailIn, search } from "./search.ts";

const file = workerData as HistoryFile;
let open: HistoryDatabase | null = null;

parentPort?.on("message", (message: ToDatabase) => {
	switch (message.kind) {
		case "write":
			return write(message.rows);
		case "search": {
			const { call, query } = message;
			return void answer(call, ({ db }) => search(db, query));
		}
		case "detail": {
			const { call, id } = message;
			return void answer(call, ({ db }) => detailIn(db, id));
		}
		case "close":
			shut();
			// Nothing else keeps the thread.
			parentPort?.close();
	}
});

function post(message: FromDatabase): void {
	parentPort?.postMessage(message);
}

function write(rows: PackedRows): void {
	try {
		const history = opened();
		history.write(rows);
		post({ kind: "written", fileBytes: history.fileBytes });
	} catch (error) {
		// A file that is whole again is opened anew.
		shut();
		const { message } = error as Error;
		post({ kind: "failed", fault: faultOf(error), message });
	}
}

async function answer<
	T extends Extract<FromDatabase, { kind: "answered" }>["value"],
>(
	call: number,
	read: (history: HistoryDatabase) => T | Promise<T>,
): Promise<void> {
	try {
		post({ kind: "answered", call, value: await read(opened()) });
	} catch (error) {
		post({ kind: "refused", call, message: (error as Error).message });
	}
}

/** Somebody may have removed the file, or put another in its place. */
function opened(): HistoryDatabase {
	if (open !== null && !open.isThere) shut();
	open ??= new HistoryDatabase(file);
	return open;
}

function shut(): void {
	try {
		open?.close();
	} catch {
		// A database that cannot be closed is left to the end of the process.
	}
	open = null;
}

/** SQLite's codes that say what is to be done. Any other is a file that cannot be written. */
const faults: ReadonlyMap<number, HistoryFault> = new Map([
	[5, "locked"],
	[6, "locked"],
	[11, "damaged"],
	[13, "full"],
	[26, "damaged"],
]);

function faultOf(error: unknown): HistoryFault {
	if (error instanceof FullError) return "full";
	const { code, errcode = 0 } = error as {
		readonly code?: string;
		readonly errcode?: number;
	};
	if (code === "ENOSPC" || code === "EDQUOT") return "full";
	return faults.get(errcode & 0xff) ?? "unwritable";
}
