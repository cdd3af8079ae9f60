import type { ByteStream } from "../core/body/byte-stream.ts";
import { shownInOneLine } from "../core/shown.ts";
import { indentJson, printBody, printError } from "./terminal.ts";

/** The type that asks for parts. */
export const partsType = "application/x-ndjson";

/** What a client reads of a line. The last one alone has `complete`. */
interface Line {
	readonly at?: string | number;
	readonly complete?: boolean;
	readonly problem?: object;
}

/**
 * Prints each part as it comes: its place and its time to stderr, its line to stdout. A terminal gets the value, indented.
 * Gives whether the last line came, and said that the route did not fail. `elapsedMs` is the time since the request.
 */
export async function printParts(
	body: ByteStream,
	elapsedMs: () => number,
): Promise<boolean> {
	const decoder = new TextDecoder();
	let rest = "";
	let well = false;
	for await (const piece of body) {
		const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
		rest = lines.pop() ?? "";
		for (const line of lines) well = printLine(line, elapsedMs());
	}
	return well;
}

function printLine(line: string, ms: number): boolean {
	const { at, complete, problem } = JSON.parse(line) as Line;
	const after = `after ${Math.round(ms)} ms:`;
	if (complete !== undefined) {
		const failed = problem !== undefined;
		const words = complete ? "whole" : failed ? "failed" : "not whole";
		printError(`${after} the end, ${words}`);
		printBody(`${line}\n`, () => indentJson(line));
		return !failed;
	}
	printError(`${after} ${nameOf(at)}`);
	// The text and not the value, because a number may have more digits than a value of ours.
	const before = at === undefined ? "{" : `{"at":${JSON.stringify(at)},`;
	const value = line.slice(before.length + '"value":'.length, -1);
	printBody(`${line}\n`, () => indentJson(value));
	return false;
}

function nameOf(at: string | number | undefined): string {
	if (at === undefined) return "the answer";
	return typeof at === "number" ? `[${at}]` : shownInOneLine(at);
}
