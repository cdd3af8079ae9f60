import { readFileSync } from "node:fs";
import { GatewayError } from "../core/errors.ts";
import { headerOf, isHeaderValue, isToken } from "../core/http/headers.ts";

export interface RequestOptions {
	/** `name: value`, each. */
	readonly header?: readonly string[];
	/** A text, `@file`, or `@-` for standard input. */
	readonly data?: string;
}

/** A request as the command line gives it. */
export interface AskedRequest {
	/** The config; undefined for the default one. */
	readonly file: string | undefined;
	readonly method: string;
	/** Percent-encoded. */
	readonly target: string;
	readonly headers: readonly string[];
	readonly body: Uint8Array;
}

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/**
 * Reads `GET /path`, as one argument or two, or a path alone. A config may stand before. Throws an error whose message
 * says what is wrong.
 */
export function readRequest(
	words: readonly string[],
	options: RequestOptions,
): AskedRequest {
	const rest = [...words];
	const last = rest.pop() ?? "";
	const match = /^(?:([A-Za-z]+)\s+)?(\/.*)$/s.exec(last.trim());
	if (match?.[2] === undefined) {
		throw misuse(
			`a request is a method and a path that begins with \`/\`, such as 'GET /weather?city=London', not \`${last}\``,
		);
	}
	const before = match[1] ?? (isMethod(rest.at(-1)) ? rest.pop() : undefined);
	const [file, ...others] = rest;
	if (others.length > 0) {
		throw misuse(
			"one config and one request, please: put quotes around a request with spaces",
		);
	}
	const otherwise = options.data === undefined ? "GET" : "POST";
	const method = (before ?? otherwise).toUpperCase();
	if (!isMethod(method)) {
		throw misuse(`\`${method}\` is no method: one of ${methods.join(", ")}`);
	}
	const target = encodeTarget(match[2]);
	const body = bodyOf(options);
	return { file, method, target, headers: headersOf(options, body), body };
}

function isMethod(word: string | undefined): boolean {
	return methods.includes(word?.toUpperCase() ?? "");
}

/** Percent-encodes characters that a URL cannot hold. Encoded characters stay. */
export function encodeTarget(text: string): string {
	try {
		return text.replaceAll(
			/%(?![0-9A-Fa-f]{2})|[^\x21-\x7e]+|["#<>\\^`{|}]/g,
			encodeURIComponent,
		);
	} catch {
		throw misuse("the request holds half a character: it cannot be encoded");
	}
}

function bodyOf({ data }: RequestOptions): Uint8Array {
	if (data === undefined) return new Uint8Array();
	if (!data.startsWith("@")) return new TextEncoder().encode(data);
	const file = data.slice(1);
	try {
		return readFileSync(file === "-" ? 0 : file);
	} catch (error) {
		throw misuse(`--data: ${whyUnread(file, error as NodeJS.ErrnoException)}`);
	}
}

function whyUnread(file: string, { code }: NodeJS.ErrnoException): string {
	const name = file === "-" ? "standard input" : `\`${file}\``;
	switch (code) {
		case "ENOENT":
		case "ENOTDIR":
			return `there is no file ${name}`;
		case "EISDIR":
			return `${name} is a folder: name a file`;
		case "EACCES":
			return `this user may not read ${name}`;
		case "ERR_FS_FILE_TOO_LARGE":
			return `${name} is too large: a file has at most 2 GiB`;
		default:
			return `${name} cannot be read: ${code}`;
	}
}

function headersOf(
	{ header = [] }: RequestOptions,
	body: Uint8Array,
): string[] {
	const headers = header.flatMap((line) => {
		const [, name = "", value = ""] = /^([^:]*):\s*(.*?)\s*$/s.exec(line) ?? [];
		if (isToken(name) && isHeaderValue(value)) {
			return [name.toLowerCase(), value];
		}
		throw misuse(
			`--header takes \`name: value\` in visible ASCII, not \`${line}\``,
		);
	});
	if (body.length > 0 && headerOf(headers, "content-type") === null) {
		headers.push("content-type", "application/json");
	}
	return headers;
}

function misuse(message: string): GatewayError {
	return new GatewayError("request_invalid", message);
}
