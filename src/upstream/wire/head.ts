import {
	framingFields,
	hopFields,
	singleFields,
} from "../../core/http/fields.ts";
import { isToken } from "../../core/http/headers.ts";
import { statusMax } from "../../core/http/status.ts";
import type { AnswerHead } from "./receiver.ts";

/** The head of one answer, interim or final, with its framing and what it says about its connection. */
export interface Head extends AnswerHead {
	/** Whether its body comes in chunks. Then `length` is null. */
	readonly chunked: boolean;
	/** Whether the connection may carry another request after this answer (RFC 9112, 9.3). */
	readonly persistent: boolean;
	/** Whether it says that the connection ends. */
	readonly closes: boolean;
	/** How long the server says that it keeps the connection at rest, in milliseconds; null if it does not say. */
	readonly restMs: number | null;
}

/**
 * All header fields and trailers of an answer together, as they travel; the same bound as for a client's request. An
 * upstream may have another.
 */
export const headBytesMax = 16 * 1024;

/**
 * The most header fields and trailers of an answer. Any real answer has fewer. The fields of a name are found by looking
 * through all, so their number needs a bound.
 */
export const fieldsMax = 256;

/**
 * Reads the lines of a head, each with its line break, without the empty one: a text of one character per byte. Gives
 * the fault as a text. It is as strict as RFC 9112 allows, because a head that two parties may read differently is an
 * attack.
 */
export function parseHead(text: string, nameOf: FieldNames): Head | string {
	const status = statusOf(text);
	if (status === 0) return "not the status line of HTTP/1.1";
	if (status > statusMax) return `a status above ${statusMax}`;
	if (!isLines.test(text)) return "a control character in the head";
	const headers: string[] = [];
	const framing = new Framing(text[7] === "1");
	for (let at = text.indexOf("\r\n") + 2; at < text.length; ) {
		const end = text.indexOf("\r\n", at);
		const colon = text.indexOf(":", at);
		if (colon < 0 || colon > end) return "a header line without a colon";
		const name = nameOf.get(text.slice(at, colon));
		if (name === null) return "a header field without a proper name";
		// Some recipients do not know the field with a space behind its name, and so find another end.
		if (isBlank(text.charCodeAt(colon - 1)) && hopFields.has(name)) {
			return "a space before the colon of a field of the connection";
		}
		const value = trimmed(text, colon + 1, end);
		const fault = framing.read(name, value);
		if (fault !== null) return fault;
		// Proper white space. But some recipients take it for a part of the value, and so read another message.
		if (framingFields.has(name) && text.slice(colon, end).includes("\t")) {
			return "a tab in a field that frames the message";
		}
		if (headers.length === 2 * fieldsMax) {
			return `more than ${fieldsMax} header fields`;
		}
		if (!add(headers, name, value) && singleFields.has(name)) {
			return `the header ${name} is there twice`;
		}
		at = end + 2;
	}
	return framing.headOf(status, Object.freeze(headers));
}

/**
 * The status of `HTTP/1.1 200 OK`, or 0 for a line of another form. In practice the reason is optional, and so is the
 * space before it.
 */
function statusOf(text: string): number {
	if (!text.startsWith("HTTP/1.1 ") && !text.startsWith("HTTP/1.0 ")) return 0;
	const behind = text[12];
	if (behind !== " " && behind !== "\r") return 0;
	const digits = text.slice(9, 12);
	return /^[1-9][0-9][0-9]$/.test(digits) ? Number(digits) : 0;
}

/** Lines of allowed characters (RFC 9110, 5.5), without half a line break. */
const isLines = /^(?:[\t\x20-\x7e\x80-\xff]+\r\n)+$/;

/** Names of fields in lower case, each judged once. */
export class FieldNames {
	readonly #names = new Map<string, string>();

	/** Null for a text that is no name. */
	get(text: string): string | null {
		return this.#names.get(text) ?? this.#learn(text);
	}

	#learn(text: string): string | null {
		// A space before the colon is removed (RFC 9112, 5.1), and one before the name is none of it (5.2).
		const name = text.replace(/[\t ]+$/, "").toLowerCase();
		if (!isToken(name)) return null;
		if (this.#names.size < namesMax) this.#names.set(text, name);
		return name;
	}
}

const namesMax = 256;

/** Whether a text, which may be short, can begin a head. */
export function beginsHead(text: string): boolean {
	return start.startsWith(text.slice(0, start.length));
}

/**
 * Whether the bytes that have come can still become a head. They were checked before up to `from`. So a false head is
 * refused at once.
 */
export function mayBecomeHead(text: string, from: number): boolean {
	// The line break before `from` may have been cut in two.
	misplacedSoFar.lastIndex = Math.max(0, from - 1);
	return beginsHead(text) && !misplacedSoFar.test(text);
}

/** Characters that no line may hold, and half a line break. At the end of the text the other half may still come. */
const misplacedSoFar = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n|$)|(?<!\r)\n/g;

const start = "HTTP/1.";

/** The fault of a line of the trailers, which are read although nobody gets them. Null if it has none. */
export function faultOfTrailer(line: string): string | null {
	const colon = line.indexOf(":");
	const name = line.slice(0, Math.max(0, colon)).toLowerCase();
	if (!isToken(name)) return "a trailer without a proper name";
	if (!isLines.test(line)) return "a control character in a trailer";
	// RFC 9110, 6.5.1: the message has been framed already.
	return framingFields.has(name) ? "a trailer frames the message" : null;
}

/** White space around a value is not part of it (RFC 9110, 5.5). */
function trimmed(text: string, from: number, to: number): string {
	while (from < to && isBlank(text.charCodeAt(from))) from++;
	while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
	return text.slice(from, to);
}

function isBlank(code: number): boolean {
	return code === 0x20 || code === 0x09;
}

/** The values of a repeated field follow its first value. Returns whether this is the first. */
function add(headers: string[], name: string, value: string): boolean {
	let at = -1;
	// A loop of its own: this reads every field of every answer, and looks for a position.
	for (let other = 0; other < headers.length; other += 2) {
		if (headers[other] === name) at = other + 2;
	}
	if (at < 0) headers.push(name, value);
	else headers.splice(at, 0, name, value);
	return at < 0;
}

/** The facts of the fields that concern the message itself. */
class Framing {
	readonly #isHttp11: boolean;
	#length: number | null = null;
	#chunked = false;
	#coding = "";
	#connection = "";
	#restMs: number | null = null;

	constructor(isHttp11: boolean) {
		this.#isHttp11 = isHttp11;
	}

	read(name: string, value: string): string | null {
		switch (name) {
			case "content-length":
				return this.#readLength(value);
			case "transfer-encoding":
				return this.#readTransferCoding(value);
			case "content-encoding":
				this.#coding += this.#coding === "" ? value : `,${value}`;
				return null;
			case "connection":
				this.#connection += `,${value}`;
				return null;
			case "keep-alive":
				this.#restMs = restMsOf(value);
				return null;
			default:
				return null;
		}
	}

	#readLength(value: string): string | null {
		if (this.#length !== null) return "two content-lengths";
		if (this.#chunked) return "a content-length beside chunks";
		// Fifteen digits: beyond 2^53 a number would no longer be exact.
		if (!/^[0-9]{1,15}$/.test(value)) return "a content-length is no number";
		this.#length = Number(value);
		return null;
	}

	#readTransferCoding(value: string): string | null {
		if (this.#length !== null) return "a content-length beside chunks";
		// Nobody would decode a coding besides chunks. HTTP/1.0 has none (RFC 9112, 6.1).
		if (this.#chunked || !this.#isHttp11 || value.toLowerCase() !== "chunked") {
			return "the transfer-encoding is not understood";
		}
		this.#chunked = true;
		return null;
	}

	headOf(status: number, headers: readonly string[]): Head {
		const closes = names(this.#connection, "close");
		const keeps = names(this.#connection, "keep-alive");
		return {
			status,
			headers,
			contentCoding: this.#coding,
			length: this.#length,
			chunked: this.#chunked,
			persistent: !closes && (this.#isHttp11 || keeps),
			closes,
			restMs: this.#restMs,
		};
	}
}

function names(list: string, option: string): boolean {
	if (list === "") return false;
	return list.split(",").some((each) => each.trim().toLowerCase() === option);
}

/** `timeout=5, max=100`, in seconds. */
function restMsOf(value: string): number | null {
	const found = /(?:^|[,\s])timeout\s*=\s*([0-9]{1,7})(?:\s*,|\s*$)/i.exec(
		value,
	);
	return found === null ? null : Number(found[1]) * 1000;
}
