/** Names and values of header fields in turn, in the order they travel: `["etag", "\"1\"", "age", "3"]`. */
export type HeaderList = readonly string[];

/** The first value of a header field, or null; `name` in lower case. */
export function headerOf(headers: HeaderList, name: string): string | null {
	for (let at = 0; at < headers.length; at += 2) {
		const given = headers[at] ?? "";
		// Most names are told by their length alone.
		if (given.length !== name.length) continue;
		if (given.toLowerCase() === name) return headers[at + 1] ?? "";
	}
	return null;
}

/** Whether a text may stand as a header value: visible ASCII, space and tab (RFC 9110, 5.5, without obs-text). */
export function isHeaderValue(text: string): boolean {
	return !/[^\t\x20-\x7e]/.test(text);
}

/** Whether a text is a token (RFC 9110, 5.6.2): what a header may be named. */
export function isToken(text: string): boolean {
	return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
}
