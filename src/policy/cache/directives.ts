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

/** A token, and `=` with a token or a quoted text, in which commas separate nothing. */
const directive = /([^\s,;="]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/g;

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
