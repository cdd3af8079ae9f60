import { parseJson, surveyJson } from "./json.ts";

/** What lines of JSON are made of, counted before they are read. */
export interface LinesSurvey {
	/** As for JSON. A line counts as two more, because reading it alone takes as long. */
	readonly values: number;
	/** The memory that the list takes, in bytes. */
	readonly memory: number;
	/** As for JSON. */
	readonly longs: number;
}

/** Counts what lines of JSON are made of, up to the first fault in them. */
export function surveyLines(bytes: Uint8Array): LinesSurvey {
	const { length } = bytes;
	let lines = 1;
	for (let at = 0; at < length; at++) if (bytes[at] === 0x0a) lines++;
	const { values, memory, longs } = surveyJson(bytes);
	return { values: values + 2 * lines, memory: memory + 64 * lines, longs };
}

/** A line that is not JSON. */
export class LineError extends Error {
	override readonly name = "LineError";
	/** From 1. */
	readonly line: number;
	/** Whether bytes may be missing behind it. */
	readonly last: boolean;

	constructor(line: number, last: boolean, cause: unknown) {
		super(`line ${line} is not JSON`, { cause });
		this.line = line;
		this.last = last;
	}
}

/**
 * Reads lines that are each a JSON text (NDJSON), by the rules of `parseJson`, as a list. Lines without a value in them are
 * passed over. Throws LineError for the first line that is not JSON, and TypeError for bytes that are not UTF-8.
 */
export function readLines(bytes: Uint8Array): unknown[] {
	const values: unknown[] = [];
	const text = utf8.decode(bytes);
	let line = 0;
	for (let from = 0; from <= text.length; ) {
		const found = text.indexOf("\n", from);
		const end = found < 0 ? text.length : found;
		const written = text.slice(from, end);
		from = end + 1;
		line++;
		if (isBlank(written)) continue;
		try {
			values.push(parseJson(written));
		} catch (error) {
			throw new LineError(line, found < 0, error);
		}
	}
	return values;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** White space of JSON alone. */
function isBlank(text: string): boolean {
	return /^[\t\r ]*$/.test(text);
}
