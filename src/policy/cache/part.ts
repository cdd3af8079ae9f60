import type { ByteStream } from "../../core/body/byte-stream.ts";
import {
	type HeaderList,
	headersWithout,
	onlyHeaderOf,
} from "../../core/http/headers.ts";
import type { StreamHead, UpstreamResponse } from "../../core/http/messages.ts";
import { boundsOf, isStrongDate, type Range } from "./range.ts";
import { freshened } from "./validate.ts";

/** Where a part stands in its whole: from byte `first` to before byte `end`, of `total`. */
export interface Place {
	readonly first: number;
	readonly end: number;
	readonly total: number;
}

/** RFC 9110, 14.4. Null if it is not told, or of how many bytes, or if it contradicts itself. */
export function placeOf(headers: HeaderList): Place | null {
	const text = onlyHeaderOf(headers, "content-range") ?? "";
	const numbers = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/i.exec(text);
	if (numbers === null) return null;
	const [first = 0, last = 0, total = 0] = numbers.slice(1).map(Number);
	return first <= last && last < total ? { first, end: last + 1, total } : null;
}

export function placeText({ first, end, total }: Place): string {
	return `bytes ${first}-${end - 1}/${total}`;
}

/** Where a range begins and has ended in the bytes of a part; null if the part does not have all of it. */
export function boundsWithin(
	range: Range,
	{ first, end, total }: Place,
): readonly [number, number] | null {
	const bounds = boundsOf(range, total);
	if (bounds === null || bounds[0] < first || bounds[1] > end) return null;
	return [bounds[0] - first, bounds[1] - first];
}

/** The validator by which parts can be told to be of the same whole (RFC 9110, 13.1.5); null without a strong one. */
function strongValidatorOf(headers: HeaderList): string | null {
	const etag = onlyHeaderOf(headers, "etag");
	if (etag !== null) return etag.startsWith('"') ? etag : null;
	const modified = onlyHeaderOf(headers, "last-modified");
	return modified !== null && isStrongDate(modified, headers) ? modified : null;
}

function isOfSameWhole(some: HeaderList, others: HeaderList): boolean {
	const validator = strongValidatorOf(some);
	return validator !== null && validator === strongValidatorOf(others);
}

/** Two parts as one, with the fields of the newer (RFC 9111, 3.4). Null if they do not touch, or may be of two wholes. */
export function joinParts(
	old: UpstreamResponse,
	newer: UpstreamResponse,
	bytesMax: number,
): UpstreamResponse | null {
	const [before, after] = [placeOf(old.headers), placeOf(newer.headers)];
	if (before === null || after === null || before.total !== after.total) {
		return null;
	}
	const touch = before.first <= after.end && after.first <= before.end;
	if (!touch || !isOfSameWhole(old.headers, newer.headers)) return null;
	const first = Math.min(before.first, after.first);
	const end = Math.max(before.end, after.end);
	if (end - first > bytesMax) return null;
	const body = Buffer.allocUnsafeSlow(end - first);
	body.set(old.body, before.first - first);
	body.set(newer.body, after.first - first);
	const { headers } = freshened(old, newer.headers);
	return {
		status: 206,
		headers: placed(headers, { ...after, first, end }),
		body,
	};
}

/** Of a part that is the whole: the whole. Else null. */
export function wholeOf({
	headers,
	body,
}: UpstreamResponse): UpstreamResponse | null {
	const place = placeOf(headers);
	if (place === null || place.first > 0 || place.end < place.total) return null;
	return { status: 200, headers: unplaced(headers), body };
}

function placed(headers: HeaderList, place: Place): string[] {
	return [...unplaced(headers), "content-range", placeText(place)];
}

function unplaced(headers: HeaderList): string[] {
	return headersWithout(
		headers,
		(name) => name === "content-range" || name === "content-length",
	);
}

/** The rest of an answer of which a part is kept. */
export interface Rest {
	readonly part: UpstreamResponse;
	/** The fields that ask for it, if the part is still of the same whole. */
	readonly asked: readonly string[];
	/** The whole, made of an answer that has the rest; null if the answer has anything else. */
	complete(head: StreamHead): StreamHead | null;
}

/** Null if the rest is not in one piece, or if no validator tells that it belongs to the part. */
export function restOf(part: UpstreamResponse): Rest | null {
	const place = placeOf(part.headers);
	const validator = strongValidatorOf(part.headers);
	if (place === null || validator === null) return null;
	const { first, end, total } = place;
	if (first > 0 && end < total) return null;
	const rest =
		first > 0
			? { first: 0, end: first, total }
			: { first: end, end: total, total };
	const range = first > 0 ? `0-${first - 1}` : `${end}-`;
	return {
		part,
		asked: ["range", `bytes=${range}`, "if-range", validator],
		complete({ status, headers, body }) {
			if (status !== 206 || !isOfSameWhole(part.headers, headers)) return null;
			const came = placeOf(headers);
			if (came === null || placeText(came) !== placeText(rest)) return null;
			if (body.length !== rest.end - rest.first) return null;
			const fields = freshened(part, headers).headers;
			return {
				status: 200,
				headers: unplaced(fields),
				body:
					first > 0
						? around(null, body, part.body, total)
						: around(part.body, body, null, total),
			};
		},
	};
}

/** A body that still comes, with bytes that are here before or behind it. */
function around(
	before: Uint8Array | null,
	body: ByteStream,
	after: Uint8Array | null,
	length: number,
): ByteStream {
	return {
		length,
		[Symbol.asyncIterator]() {
			const pieces = body[Symbol.asyncIterator]();
			let [first, last] = [before, after];
			return {
				async next() {
					const ahead = first;
					first = null;
					if (ahead !== null) return { done: false, value: ahead };
					const piece = await pieces.next();
					const behind = last;
					if (!piece.done || behind === null) return piece;
					last = null;
					return { done: false, value: behind };
				},
				// Not a generator: one that has not begun would not leave the body.
				return: async () =>
					pieces.return?.() ?? { done: true, value: undefined },
			};
		},
	};
}
