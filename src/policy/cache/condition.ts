import { parseHttpDate } from "../../core/http/date.ts";
import { namesEtag } from "../../core/http/etag.ts";
import {
	allHeadersOf,
	type HeaderList,
	headerOf,
	headersWithout,
	onlyHeaderOf,
} from "../../core/http/headers.ts";
import type { Judged } from "./rules.ts";

/** What a client says of its own copy of an answer. */
export interface Condition {
	/** The list of its tags, as in `If-None-Match`; null without one. */
	readonly etags: string | null;
	/** The instant of its copy, in milliseconds since 1970. NaN if `If-Modified-Since` is not there or does not count. */
	readonly sinceMs: number;
}

/** RFC 9110, 13.1.3: beside tags, a date does not count. Null if the client has no copy. */
export function conditionOf(headers: HeaderList): Condition | null {
	const lists = allHeadersOf(headers, "if-none-match");
	if (lists.length > 0) {
		return { etags: lists.join(", "), sinceMs: Number.NaN };
	}
	if (headerOf(headers, "if-modified-since") === null) return null;
	const text = onlyHeaderOf(headers, "if-modified-since") ?? "";
	return { etags: null, sinceMs: parseHttpDate(text) };
}

/** The fields of a request without those by which it asks for an answer only if that has changed. */
export function withoutCondition(headers: HeaderList): string[] {
	return headersWithout(
		headers,
		(name) => name === "if-none-match" || name === "if-modified-since",
	);
}

/** Whether the client has this answer already (RFC 9111, 4.3.2). A condition holds for no failure (RFC 9110, 13.2.1). */
export function hasCopy(
	{ etags, sinceMs }: Condition,
	{ status, headers }: Judged,
): boolean {
	if (status < 200 || status > 299) return false;
	if (etags !== null) {
		const etag = headerOf(headers, "etag");
		return etag === null ? etags.trim() === "*" : namesEtag(etags, etag);
	}
	const changed =
		onlyHeaderOf(headers, "last-modified") ?? onlyHeaderOf(headers, "date");
	return changed !== null && parseHttpDate(changed) <= sinceMs;
}
