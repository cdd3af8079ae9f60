import { randomFillSync } from "node:crypto";
import { withoutBlanks } from "./blanks.ts";
import { allHeadersOf, type HeaderList } from "./headers.ts";

/** W3C Trace Context, Level 1: its fields as they are read and written. */

/** Of a later version only what it has in common with this one (4.3). Version ff and an id of zeros are not valid. */
const traceparentPattern =
	/^(?!ff)([\da-f]{2})-((?!0{32})[\da-f]{32})-((?!0{16})[\da-f]{16})-([\da-f]{2})(-.*)?$/;

/** The span that a client names as its own. */
export interface TraceParent {
	readonly traceId: string;
	readonly spanId: string;
	/** Two digits of a bit field, of which only "sampled" (1) and "random" (2) are known. */
	readonly flags: string;
}

/** The trace that a client began. Null if there is none, if it is not well-formed, or if there are two. */
export function parentOf(headers: HeaderList): TraceParent | null {
	const [line, second] = allHeadersOf(headers, "traceparent");
	if (line === undefined || second !== undefined) return null;
	const parts = traceparentPattern.exec(withoutBlanks(line));
	const [, version, traceId = "", spanId = "", flags = "", rest] = parts ?? [];
	if (parts === null || (version === "00" && rest !== undefined)) return null;
	// Only "sampled" and "random" are known; what another bit means, nobody can pass on.
	const known = Number.parseInt(flags, 16) & 0b11;
	return { traceId, spanId, flags: `0${known}` };
}

/** The lines of `tracestate` as one list (3.3.1). Empty if any member is not well-formed, because then none counts. */
export function stateOf(headers: HeaderList): string {
	const members: string[] = [];
	for (const line of allHeadersOf(headers, "tracestate")) {
		for (const member of line.split(",")) {
			const text = withoutBlanks(member);
			// Empty members are allowed (3.3.1.1).
			if (text !== "") members.push(text);
			if (members.length > membersMax) return "";
		}
	}
	return members.every((member) => memberPattern.test(member))
		? members.join(",")
		: "";
}

/** A list has at most 32 members (3.3.1.1). */
const membersMax = 32;

/** A key, of one system or of a tenant of one, and a value of up to 256 characters that does not end in a space. */
const memberPattern =
	/^(?:[a-z][a-z\d_\-*/]{0,255}|[a-z\d][a-z\d_\-*/]{0,240}@[a-z][a-z\d_\-*/]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** Random digits, many at a time: to ask for eight bytes costs ten times as much as to take them from here. */
let digits = "";
let next = 0;
const bytes = Buffer.allocUnsafe(4096);

export function newTraceId(): string {
	return randomHex(32);
}

export function newSpanId(): string {
	return randomHex(16);
}

/** The line that says which span a call belongs to, with its end. */
export function traceparentLine(
	traceId: string,
	spanId: string,
	flags: string,
): string {
	return `traceparent: 00-${traceId}-${spanId}-${flags}\r\n`;
}

/** Hexadecimal, and not all zeros, which stand for no id. */
function randomHex(length: number): string {
	if (next + length > digits.length) {
		digits = randomFillSync(bytes).toString("hex");
		next = 0;
	}
	const text = digits.slice(next, next + length);
	next += length;
	return /[^0]/.test(text) ? text : randomHex(length);
}
