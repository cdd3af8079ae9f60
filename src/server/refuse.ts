import type { IncomingMessage } from "node:http";
import { GatewayError } from "../core/errors.ts";
import { lookalikes, singleFields } from "../core/http/fields.ts";
import {
	allHeadersOf,
	type HeaderList,
	headerOf,
	isToken,
} from "../core/http/headers.ts";
import { unknownMethod } from "../core/http/known-methods.ts";

/** The bounds of a request's header fields and trailers together. */
export interface HeadLimits {
	readonly headerFieldsMax: number;
	readonly headerBytesMax: number;
}

/** The head of a request, as Node's parser gives it. */
type RequestHead = Pick<
	IncomingMessage,
	"httpVersion" | "method" | "rawHeaders" | "url"
>;

/**
 * The reason to refuse a request before its target is looked at; null if there is none. Node's parser has let the
 * request through. These rules refuse what two parties could still read in two ways. Its end may be such a thing, so
 * its connection ends with it.
 */
export function refusalOf(
	message: RequestHead,
	{ headerFieldsMax }: Pick<HeadLimits, "headerFieldsMax">,
): GatewayError | null {
	const { rawHeaders, httpVersion, url = "", method } = message;
	// Node takes a line that names no version for one of HTTP/0.9.
	if (httpVersion === "0.9") {
		return refused(400, "request", "names no version of HTTP");
	}
	if (httpVersion !== "1.1" && httpVersion !== "1.0") {
		return wrongVersion();
	}
	if (rawHeaders.length > 2 * headerFieldsMax) {
		return tooManyFields(headerFieldsMax);
	}
	const fault = headFault(rawHeaders, httpVersion);
	// The server as a whole can only be asked for its options (RFC 9112, 3.2.4).
	if (fault !== null || (url === "*" && method === "OPTIONS")) return fault;
	return targetFault(url);
}

/** Whether a request is about the server as a whole: `*`, or an address without a path (RFC 9112, 3.2.4). */
export function isAboutServer(method: string, url: string): boolean {
	return method === "OPTIONS" && (url === "*" || absoluteAlone.test(url));
}

export function headFault(
	rawHeaders: readonly string[],
	httpVersion: string,
): GatewayError | null {
	const hosts: string[] = [];
	let lengths = 0;
	// A loop of its own: this reads every request, and ends at the first fault.
	for (let at = 0; at < rawHeaders.length; at += 2) {
		const name = rawHeaders[at] ?? "";
		const value = rawHeaders[at + 1] ?? "";
		// For most names the length alone decides.
		if (name.length === 4 && name.toLowerCase() === "host") hosts.push(value);
		else if (name.length === 17 && name.toLowerCase() === transferEncoding) {
			if (httpVersion === "1.0" || value.toLowerCase() !== "chunked") {
				return codingFault(httpVersion, value, rawHeaders);
			}
		} else if (name.length === 14 && isInexact(name, value)) {
			return refused(400, "headers.content-length", "is 2^53 or more");
		} else if (name.includes("_") && lookalikes.has(name.toLowerCase())) {
			return refused(400, "headers", "write framing fields with `-`, not `_`");
		}
		// A second name of this length: only then is it worth while to look at the names themselves.
		const bit = 1 << name.length;
		if ((singleLengths & bit & lengths) !== 0 && isTwice(rawHeaders, at)) {
			return refused(400, `headers.${name.toLowerCase()}`, "is there twice");
		}
		lengths |= bit;
	}
	return hostFault(hosts, httpVersion);
}

/**
 * RFC 9112, 6.1 and 6.3: where the body ends can be told if `chunked` comes last, and once. Then another coding before it
 * is only one that we do not have.
 */
function codingFault(
	httpVersion: string,
	value: string,
	rawHeaders: HeaderList,
): GatewayError {
	const [last, ...others] = value
		.toLowerCase()
		.split(",")
		.map((coding) => coding.trim())
		.reverse();
	const single = allHeadersOf(rawHeaders, transferEncoding).length === 1;
	return httpVersion === "1.1" &&
		single &&
		last === "chunked" &&
		others.every((coding) => isToken(coding) && coding !== "chunked")
		? refused(501, transferEncodingAt, "has a coding other than `chunked`")
		: refused(
				400,
				transferEncodingAt,
				"must be `chunked`, and only HTTP/1.1 has it",
			);
}

/** The lengths of the names of fields that stand once, a bit for each. They are below 32. */
const singleLengths = Array.from(singleFields).reduce(
	(bits, { length }) => bits | (1 << length),
	0,
);

/** Whether a field that stands once has stood before. */
function isTwice(rawHeaders: readonly string[], at: number): boolean {
	const name = (rawHeaders[at] ?? "").toLowerCase();
	if (!singleFields.has(name)) return false;
	for (let other = 0; other < at; other += 2) {
		const before = rawHeaders[other] ?? "";
		if (before.length === name.length && before.toLowerCase() === name) {
			return true;
		}
	}
	return false;
}

/** Beyond 2^53 a number is no longer exact: the length that we pass on would be another one. */
function isInexact(name: string, value: string): boolean {
	return (
		value.length > 15 &&
		name.toLowerCase() === "content-length" &&
		!Number.isSafeInteger(Number(value))
	);
}

/** The reason to refuse a request whose trailers have come. They count among the header fields. */
export function trailerFault(
	{
		rawHeaders,
		rawTrailers,
	}: Pick<IncomingMessage, "rawHeaders" | "rawTrailers">,
	{ headerFieldsMax, headerBytesMax }: HeadLimits,
): GatewayError | null {
	if (rawTrailers.length === 0) return null;
	const all = [...rawHeaders, ...rawTrailers];
	if (all.length > 2 * headerFieldsMax) return tooManyFields(headerFieldsMax);
	const bytes = all.reduce((sum, { length }) => sum + length, 0);
	return bytes > headerBytesMax ? tooManyBytes() : null;
}

export function tooManyFields(headerFieldsMax: number): GatewayError {
	const message = `more than ${headerFieldsMax} header fields`;
	return refused(431, "headers", message);
}

export function tooManyBytes(): GatewayError {
	return refused(431, "headers", "the header fields are too long");
}

/**
 * Whether nothing behind a request can be understood. Node takes `Upgrade` for the end of HTTP on the connection, and
 * drops the bytes that came with it. It would read the bytes that come later as requests again.
 */
export function endsConnection({ rawHeaders }: IncomingMessage): boolean {
	return headerOf(rawHeaders, "upgrade") !== null;
}

const transferEncoding = "transfer-encoding";
const transferEncodingAt = `headers.${transferEncoding}`;

/** RFC 9112, 3.2: exactly one `Host`. HTTP/1.0 had none. */
function hostFault(
	hosts: readonly string[],
	httpVersion: string,
): GatewayError | null {
	const [host] = hosts;
	if (hosts.length > 1) return refused(400, "headers.host", "is there twice");
	if (host === undefined) {
		return httpVersion === "1.0"
			? null
			: refused(400, "headers.host", "is missing");
	}
	return isAuthority(host)
		? null
		: refused(400, "headers.host", "is no host with a port or without");
}

/** RFC 3986, 3.2.2 and 3.2.3, without a user: a name, an address in brackets, perhaps a port. */
function isAuthority(text: string): boolean {
	return /^(?:[\w.~!$&'()*+,;=%-]+|\[[\da-f:.]+\])(?::\d{0,5})?$/i.test(text);
}

export function targetFault(url: string): GatewayError | null {
	// Node reads a head as Latin-1.
	if (/[^\x21-\x7e]/.test(url)) return notEncoded();
	// A reader that cut it off would see another path (RFC 9112, 3.2).
	if (url.includes("#")) {
		return refused(400, "target", "holds a fragment: write `#` as `%23`");
	}
	if (url.startsWith("/")) return null;
	const authority = authorityOf(url);
	return authority !== null && isAuthority(authority)
		? null
		: refused(400, "target", "is neither a path nor an http address");
}

function notEncoded(): GatewayError {
	const words = "holds raw characters beyond ASCII: percent-encode them";
	return refused(400, "target", words);
}

/** The host in a target of the absolute form; null if there is none. */
export function authorityOf(url: string): string | null {
	return absolute.exec(url)?.[1] ?? null;
}

const absoluteAlone = /^https?:\/\/[^/?#]+$/i;
const absolute = /^https?:\/\/([^/?#]+)/i;

/** Path and query of a target that may name the server too (RFC 9112, 3.2.2: it must be understood). */
export function originForm(url: string): string {
	if (url.startsWith("/")) return url;
	const rest = url.replace(absolute, "");
	return rest.startsWith("/") ? rest : `/${rest}`;
}

/** Node's error about bytes that are no request. */
export interface ParserError extends Error {
	readonly code?: string;
	/** The bytes in which Node found the fault. */
	readonly rawPacket?: Uint8Array;
	/** How many of them Node had read. */
	readonly bytesParsed?: number;
}

/** The answer to bytes that are no request; null if there is nobody to answer. */
export function parserFault(error: ParserError): GatewayError | null {
	const code = String(error.code);
	switch (code) {
		case "HPE_HEADER_OVERFLOW":
			return tooManyBytes();
		case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
			return refused(413, "body", "the extensions of its chunks are too long");
		case "ERR_HTTP_REQUEST_TIMEOUT":
			return refused(408, "request", "took too long to come");
		case "HPE_PAUSED_H2_UPGRADE":
			return wrongVersion();
		// The client has ended in the middle of its request.
		case "HPE_INVALID_EOF_STATE":
			return null;
	}
	// The same code stands for a bare line feed behind the version.
	if (/Invalid HTTP version/.test(error.message)) return wrongVersion();
	if (code === "HPE_INVALID_URL" && stoppedBeyondAscii(error)) {
		return notEncoded();
	}
	if (/^HPE_INVALID_(?:METHOD|CONSTANT)$/.test(code) && hasToken(error)) {
		return unknownMethod();
	}
	return code.startsWith("HPE_")
		? refused(400, "request", error.message)
		: null;
}

/**
 * Whether the parser stopped at the method of a line that is otherwise one of HTTP/1.1, as far as it has come. Only what comes from there
 * on is looked at. What stands before are the first letters of a method, or a body that came in the same packet or did not.
 */
function hasToken({ rawPacket, bytesParsed = 0, message }: ParserError) {
	if (rawPacket === undefined) return false;
	const [line = "", rest] = Buffer.from(rawPacket)
		.toString("latin1", bytesParsed)
		.split("\n", 2);
	const whole = rest !== undefined;
	// A method of another protocol is known for one only when HTTP is named.
	if (/method for HTTP/i.test(message)) {
		return (whole ? version : versionBegun).test(line);
	}
	const known = /Invalid method|after method/i.test(message);
	return known && (whole ? requestLine : requestLineBegun).test(line);
}

const version = /^\/1\.[01]\r$/;
const versionBegun = /^(?:\/[.1]*)?$/;
const requestLine = /^[!#$%&'*+\-.^_`|~\w]* [^\s]+ HTTP\/1\.[01]\r$/;
const requestLineBegun = /^[!#$%&'*+\-.^_`|~\w]*(?: [^\s]*(?: [HTP/.1]*)?)?$/;

function wrongVersion(): GatewayError {
	return refused(505, "request", "must be of HTTP/1.1 or HTTP/1.0");
}

function stoppedBeyondAscii({ rawPacket, bytesParsed = 0 }: ParserError) {
	return (rawPacket?.[bytesParsed] ?? 0) >= 0x80;
}

/** A refusal whose status has no code of its own. The words are for the client. */
export function refused(
	status: number,
	at: string,
	message: string,
): GatewayError {
	return new GatewayError("request_invalid", `${at}: ${message}`, {
		status,
		errors: [{ at, message }],
	});
}
