import { isUtf8 } from "node:buffer";

/** Names and values of header fields in turn, in the order in which they are sent: `["etag", "\"1\"", "age", "3"]`. */
export type HeaderList = readonly string[];

/** Calls `visit` for one field after the other, with the name as written. */
export function eachHeader(
	headers: HeaderList,
	visit: (name: string, value: string) => void,
): void {
	for (let at = 0; at < headers.length; at += 2) {
		visit(headers[at] ?? "", headers[at + 1] ?? "");
	}
}

/** The first value of a header field, or null. `name` is in lower case. */
export function headerOf(headers: HeaderList, name: string): string | null {
	const at = find(headers, name, 0);
	return at < 0 ? null : (headers[at + 1] ?? "");
}

/** The value of a field that is there once. Null if there are two, because neither is to be preferred. */
export function onlyHeaderOf(headers: HeaderList, name: string): string | null {
	const at = find(headers, name, 0);
	if (at < 0 || find(headers, name, at + 2) >= 0) return null;
	return headers[at + 1] ?? "";
}

/** All values of a field, in order. `name` is in lower case. */
export function allHeadersOf(headers: HeaderList, name: string): string[] {
	const values: string[] = [];
	let at = find(headers, name, 0);
	for (; at >= 0; at = find(headers, name, at + 2)) {
		values.push(headers[at + 1] ?? "");
	}
	return values;
}

/** The members of a field that is a list of names (RFC 9110, 5.6.1), in lower case, of all its lines together. */
export function namesIn(headers: HeaderList, name: string): string[] {
	const names: string[] = [];
	for (const line of allHeadersOf(headers, name)) {
		for (const member of line.split(",")) {
			const trimmed = member.trim().toLowerCase();
			if (trimmed !== "") names.push(trimmed);
		}
	}
	return names;
}

/**
 * The members of a field's value that is a list (RFC 9110, 5.6.1), as they stand. A comma in a quoted text separates
 * nothing, and an empty member is none.
 */
export function membersOf(value: string): string[] {
	const members: string[] = [];
	const add = (from: number, to: number) => {
		const member = value.slice(from, to).trim();
		if (member !== "") members.push(member);
	};
	let from = 0;
	let quoted = false;
	for (let at = 0; at < value.length; at++) {
		const sign = value[at];
		if (sign === '"') quoted = !quoted;
		else if (sign === "\\" && quoted) at++;
		else if (sign === "," && !quoted) {
			add(from, at);
			from = at + 1;
		}
	}
	add(from, value.length);
	return members;
}

/** Whether one of these fields is there; `names` in lower case. */
export function hasHeaderOf(
	headers: HeaderList,
	names: ReadonlySet<string>,
): boolean {
	for (let at = 0; at < headers.length; at += 2) {
		if (names.has((headers[at] ?? "").toLowerCase())) return true;
	}
	return false;
}

/** The fields for which `drops` is false. It gets names in lower case. */
export function headersWithout(
	headers: HeaderList,
	drops: (name: string) => boolean,
): string[] {
	const kept: string[] = [];
	for (let at = 0; at < headers.length; at += 2) {
		const name = headers[at] ?? "";
		if (!drops(name.toLowerCase())) kept.push(name, headers[at + 1] ?? "");
	}
	return kept;
}

/** Whether two lists have the same values of a field, in the same order; `name` in lower case. */
export function agreeOn(
	name: string,
	some: HeaderList,
	others: HeaderList,
): boolean {
	let at = find(some, name, 0);
	let other = find(others, name, 0);
	while (at >= 0 && other >= 0) {
		if (some[at + 1] !== others[other + 1]) return false;
		at = find(some, name, at + 2);
		other = find(others, name, other + 2);
	}
	return at === other;
}

/**
 * As `agreeOn`, and also if the values are the same list: in one field or several, with or without space beside commas
 * (RFC 9111, 4.1). Languages and codings agree in any case of letters.
 */
export function agreeOnList(
	name: string,
	some: HeaderList,
	others: HeaderList,
): boolean {
	if (agreeOn(name, some, others)) return true;
	const listed = listText(name, some);
	return listed !== null && listed === listText(name, others);
}

const caseless: ReadonlySet<string> = new Set([
	"accept-encoding",
	"accept-language",
]);

/** Null without the field. */
function listText(name: string, headers: HeaderList): string | null {
	const values = allHeadersOf(headers, name);
	if (values.length === 0) return null;
	const text = values.flatMap(membersOf).join(",");
	return caseless.has(name) ? text.toLowerCase() : text;
}

/** Where the next field of this name stands, or -1. */
function find(headers: HeaderList, name: string, from: number): number {
	for (let at = from; at < headers.length; at += 2) {
		const given = headers[at] ?? "";
		// For most names the length alone decides.
		if (given.length !== name.length) continue;
		if (given.toLowerCase() === name) return at;
	}
	return -1;
}

/** Whether a text may stand as a header value: visible ASCII, space and tab (RFC 9110, 5.5, without obs-text). */
export function isHeaderValue(text: string): boolean {
	return !/[^\t\x20-\x7e]/.test(text);
}

/** Whether a text may stand as a header value, one character for each byte (RFC 9110, 5.5, with obs-text). */
export function isFieldValue(text: string): boolean {
	return !/[^\t\x20-\x7e\x80-\xff]/.test(text);
}

/** The text of a value of one character for each byte: UTF-8 if its bytes are that, else Latin-1. */
export function decodedValue(value: string): string {
	if (!/[\x80-\xff]/.test(value)) return value;
	const bytes = Buffer.from(value, "latin1");
	return isUtf8(bytes) ? bytes.toString("utf8") : value;
}

/** Whether a text is a token (RFC 9110, 5.6.2), as a header's name must be. */
export function isToken(text: string): boolean {
	return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
}
