/** The code of the thread that has the database of jobs. Nothing here is called in another thread. */
import { parentPort, workerData } from "node:worker_threads";
import { realClock } from "../../tasks/clock.ts";
import { JobDatabase, type JobFile } from "./database.ts";
import type { FromJobs, Operation, ToJobs } from "./messages.ts";

/** How often it says that its process lives. Not by the loop that answers requests: that may be busy for longer. */
const beatMs = 1_000;

const file = workerData as JobFile;
let open: JobDatabase | null = null;

parentPort?.on("message", (message: ToJobs) => {
	if (message.kind === "do") return carryOut(message);
	beating.cancel();
	shut();
	// Nothing else keeps the thread.
	parentPort?.close();
});

const clock = realClock();
let beating = clock.aside(beatMs, beat);

function beat(): void {
	try {
		if (open !== null) opened().beat();
	} catch {
		// Whoever asks for something hears of it.
	}
	beating = clock.aside(beatMs, beat);
}

function carryOut({
	call,
	operation,
	args,
}: Extract<ToJobs, { kind: "do" }>): void {
	try {
		post({ kind: "done", call, value: carried(operation, args) });
	} catch (error) {
		const { message, errcode = 0 } = error as Error & { errcode?: number };
		// SQLITE_FULL.
		post({ kind: "failed", call, message, full: (errcode & 0xff) === 13 });
	}
}

function carried(operation: Operation, args: readonly unknown[]): unknown {
	const database = opened();
	const method = database[operation] as (...args: unknown[]) => unknown;
	return method.apply(database, [...args]);
}

/** Somebody may have removed the file, or put another in its place. */
function opened(): JobDatabase {
	if (open !== null && !open.isThere) shut();
	open ??= new JobDatabase(file);
	return open;
}

function shut(): void {
	try {
		open?.close();
	} catch {
		// Its leases run out by themselves.
	}
	open = null;
}

function post(message: FromJobs): void {
	parentPort?.postMessage(message);
}
