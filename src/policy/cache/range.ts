import { parseHttpDate } from "../../core/http/date.ts";
import {
	type HeaderList,
	headersWithout,
	onlyHeaderOf,
} from "../../core/http/headers.ts";

/** A part that a client asks for: the bytes from `first` to `last`, or the last `last` bytes without `first`. */
export interface Range {
	readonly first: number | null;
	readonly last: number | null;
	/** The validator of the answer that the client has other parts of, as in `If-Range`; null without one. */
	readonly of: string | null;
}

/**
 * What the fields of a request with `Range` ask for. Null for several parts, another unit, or no proper range: whoever is
 * asked may answer that with the whole (RFC 9110, 14.2).
 */
export function rangeOf(headers: HeaderList): Range | null {
	const text = onlyHeaderOf(headers, "range") ?? "";
	const [, first = "", last = ""] =
		/^bytes=(\d{0,15})-(\d{0,15})$/i.exec(text.trim()) ?? [];
	if (first === "" && last === "") return null;
	const range = {
		first: first === "" ? null : Number(first),
		last: last === "" ? null : Number(last),
		of: onlyHeaderOf(headers, "if-range"),
	};
	const backwards =
		range.first !== null && range.last !== null && range.last < range.first;
	return backwards ? null : range;
}

/** The fields of a request for the whole of an answer. */
export function withoutRange(headers: HeaderList): string[] {
	return headersWithout(
		headers,
		(name) => name === "range" || name === "if-range",
	);
}

/** Where a part of a body begins, and where it has ended; null if the body has no such bytes (RFC 9110, 14.1.2). */
export function boundsOf(
	{ first, last }: Range,
	length: number,
): readonly [number, number] | null {
	const from = first ?? Math.max(0, length - (last ?? 0));
	const end = first === null || last === null ? length : last + 1;
	return from < length ? [from, Math.min(end, length)] : null;
}

/** Whether it is a part of this answer (RFC 9110, 13.1.5). Only a strong validator tells that the bytes are the same. */
export function isPartOf({ of }: Range, headers: HeaderList): boolean {
	if (of === null) return true;
	if (of.startsWith('"')) return of === onlyHeaderOf(headers, "etag");
	return (
		of === onlyHeaderOf(headers, "last-modified") && isStrongDate(of, headers)
	);
}

/**
 * RFC 9110, 8.8.2.2: whether an answer that changed at this date has not changed since. It may have changed twice in the
 * second in which it was sent.
 */
export function isStrongDate(modified: string, headers: HeaderList): boolean {
	const date = parseHttpDate(onlyHeaderOf(headers, "date") ?? "");
	return date - parseHttpDate(modified) >= 1000;
}
