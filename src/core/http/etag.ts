import crypto from "node:crypto";
import { allHeadersOf, type HeaderList } from "./headers.ts";

/** A strong tag: equal for equal bodies. A text's is that of its UTF-8. */
export function etagOf(body: string | Uint8Array): string {
	return `"${crypto.hash("sha1", body, "base64url")}"`;
}

/** Whether the client has the answer with this tag already, as `If-None-Match` says (RFC 9110, 13.1.2). */
export function knowsEtag(headers: HeaderList, etag: string): boolean {
	return allHeadersOf(headers, "if-none-match").some((list) =>
		namesEtag(list, etag),
	);
}

/** Whether a list of tags, or `*`, names this one, weakly compared. */
export function namesEtag(list: string, etag: string): boolean {
	if (list.trim() === "*") return true;
	const own = opaque(etag);
	for (const [tag] of list.matchAll(/"[^"]*"/g)) if (tag === own) return true;
	return false;
}

/** Whether the tag of an upstream's 304 is that of the kept answer (RFC 9111, 4.3.4). */
export function confirmsEtag(said: string, kept: string): boolean {
	return isWeak(said) ? opaque(said) === opaque(kept) : said === kept;
}

function isWeak(etag: string): boolean {
	return etag.startsWith("W/");
}

/** The opaque part of a tag, with its quotes (RFC 9110, 8.8.3). */
function opaque(etag: string): string {
	return isWeak(etag) ? etag.slice(2) : etag;
}
