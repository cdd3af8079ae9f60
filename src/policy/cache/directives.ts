import { allHeadersOf, type HeaderList } from "../../core/http/headers.ts";

/**
 * Directives of `Cache-Control` (RFC 9111, 5.2) by name in lower case. A directive without an argument has an empty
 * text. A directive that comes twice with different values has null.
 */
export type Directives = ReadonlyMap<string, string | null>;

/** Reads all fields of that name. Texts that are no directives are skipped. */
export function directivesOf(headers: HeaderList): Directives {
	const directives = new Map<string, string | null>();
	for (const field of allHeadersOf(headers, "cache-control")) {
		for (const [, name = "", quoted, token] of field.matchAll(directive)) {
			const key = name.toLowerCase();
			const argument = quoted?.replaceAll(/\\(.)/g, "$1") ?? token ?? "";
			const before = directives.get(key);
			const agrees = before === undefined || before === argument;
			directives.set(key, agrees ? argument : null);
		}
	}
	return directives;
}

/** A token, and `=` with a token or a quoted text, in which commas separate nothing. No space stands beside `=`. */
const directive = /([^\s,;="]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/g;

/**
 * Reads `CDN-Cache-Control`, which is for caches before an origin server (RFC 9213). Null if it is not there, or not
 * exactly a dictionary of RFC 9651: then `Cache-Control` and `Expires` hold.
 */
export function targetedDirectivesOf(headers: HeaderList): Directives | null {
	const text = allHeadersOf(headers, "cdn-cache-control").join(",").trim();
	if (text === "" || !dictionary.test(text)) return null;
	const directives = new Map<string, string | null>();
	for (const [, name = "", value = ""] of text.matchAll(member)) {
		// `?0` is false. A text is no number of seconds here, although it looks like one.
		if (value === "?0") directives.delete(name);
		else directives.set(name, value.startsWith('"') ? null : value);
	}
	return directives;
}

const item = String.raw`(?:"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"|-?\d{1,15}(?:\.\d{1,3})?|[A-Za-z*][\w!#$%&'*+.^${"`"}|~:/-]*|\?[01])`;
const parameter = String.raw`(?: *;[ ]*[a-z*][a-z\d_.*-]*(?:=${item})?)`;
const entry = String.raw`[a-z*][a-z\d_.*-]*(?:=${item})?${parameter}*`;
const dictionary = new RegExp(`^${entry}(?:[ \\t]*,[ \\t]*${entry})*$`);
const member = new RegExp(
	String.raw`([a-z*][a-z\d_.*-]*)(?:=(${item}))?${parameter}*(?:[ \t]*,[ \t]*|$)`,
	"g",
);

/** RFC 9111, 1.2.2: anything longer counts as this, some 68 years. */
const secondsMax = 2 ** 31;

/**
 * The seconds of a directive, or null without the directive. Anything but one number of seconds counts as 0, which is
 * stale (RFC 9111, 4.2.1).
 */
export function secondsOf(directives: Directives, name: string): number | null {
	const argument = directives.get(name);
	return argument === undefined ? null : parseSeconds(argument ?? "");
}

/** Whole seconds, or 0 if the text is anything else. */
export function parseSeconds(text: string): number {
	return /^\d+$/.test(text) ? Math.min(Number(text), secondsMax) : 0;
}
