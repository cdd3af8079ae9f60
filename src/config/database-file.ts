import {
	accessSync,
	closeSync,
	constants,
	openSync,
	readSync,
	statSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Problem } from "./problem.ts";

/** `Sluc`: says that a database is a history of ours. */
export const historyApplicationId = 0x536c7563;

/** Counts up with each change of the tables. A file of a newer version is left alone. */
export const historyVersion = 1;

/** The head of a SQLite file: https://www.sqlite.org/fileformat.html, 1.3. */
const head = {
	bytes: 100,
	magic: "SQLite format 3\0",
	version: 60,
	application: 68,
};

/**
 * What keeps a history from being written to this path, as far as it is known before it is opened; null if nothing does.
 * What may be different for the user that runs the gateway is a warning.
 */
export function faultOfHistoryFile(path: string): Omit<Problem, "at"> | null {
	const fault = faultOfPlace(path, "keeps no history");
	const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
	if (fault !== null || size === 0) return fault;
	const mark = faultOfHead(path);
	return mark === null ? null : { message: `\`file\` ${mark}` };
}

/** What keeps a database from being at this path; null if nothing does. `then` is what the gateway does without it. */
export function faultOfPlace(
	path: string,
	then: string,
): Omit<Problem, "at"> | null {
	const folder = statSync(dirname(path), { throwIfNoEntry: false });
	if (!folder?.isDirectory()) {
		return {
			message: "`file`: its folder is not there: make it, or name another",
		};
	}
	const file = statSync(path, { throwIfNoEntry: false });
	if (file === undefined) {
		return mayWrite(dirname(path)) ? null : unwritable("its folder", then);
	}
	if (!file.isFile()) {
		return { message: "`file` is no file: name one, such as `./sluice.db`" };
	}
	return mayWrite(path) ? null : unwritable("the file", then);
}

function mayWrite(path: string): boolean {
	try {
		accessSync(path, constants.W_OK);
		return true;
	} catch {
		return false;
	}
}

function unwritable(what: string, then: string): Omit<Problem, "at"> {
	const message = `\`file\`: this user may not write to ${what}, and the gateway then ${then}`;
	return { warning: true, message };
}

/** Says nothing about a file that cannot be read. */
function faultOfHead(path: string): string | null {
	const bytes = Buffer.alloc(head.bytes);
	try {
		const file = openSync(path, "r");
		try {
			readSync(file, bytes, 0, head.bytes, 0);
		} finally {
			closeSync(file);
		}
	} catch {
		return null;
	}
	if (bytes.toString("latin1", 0, head.magic.length) !== head.magic) {
		return "is no database, and nothing is written over it: name another";
	}
	return faultOfHistoryMarks(
		bytes.readUInt32BE(head.application),
		bytes.readUInt32BE(head.version),
	);
}

/** Why a database is not a history of this version; null if it is one, or has no mark yet. */
export function faultOfHistoryMarks(
	application: number,
	version: number,
): string | null {
	if (application === 0 && version === 0) return null;
	if (application !== historyApplicationId) {
		return "is a database of something else: name another";
	}
	return version > historyVersion
		? "was written by a newer version: take that one, or another file"
		: null;
}
