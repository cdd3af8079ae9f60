import { type ByteStream, emptyStream } from "../../core/body/byte-stream.ts";
import { fieldsOfNotModified } from "../../core/http/fields.ts";
import {
	type HeaderList,
	headerOf,
	headersWithout,
} from "../../core/http/headers.ts";
import type { StreamHead, UpstreamResponse } from "../../core/http/messages.ts";
import { hasFramedBody } from "../../core/http/status.ts";
import { type Condition, hasCopy } from "./condition.ts";
import { boundsWithin, placeOf, placeText } from "./part.ts";
import { boundsOf, isPartOf, type Range } from "./range.ts";

/** A kept answer as the head and body that a client gets: without the body for HEAD, and 304 for a client that has it. */
export function headFrom(
	response: UpstreamResponse,
	ageMs: number,
	method: string,
	condition: Condition | null,
	range: Range | null = null,
): StreamHead {
	const { status, headers, body, decoded } = response;
	const dated = withAge(headers, ageMs);
	if (condition !== null && hasCopy(condition, response)) {
		return notModified(dated);
	}
	if (range !== null && status === 200 && isPartOf(range, headers)) {
		const { length: total } = body;
		const bounds = boundsOf(range, total);
		return bounds === null
			? notSatisfiable(total)
			: partFrom(body, bounds, dated, { first: bounds[0], total });
	}
	const head = { status, headers: dated };
	if (method === "HEAD") return { ...head, body: emptyStream(body.length) };
	const codings = decoded?.codings;
	return { ...head, body: wholeStream(body), ...(codings && { codings }) };
}

/** A part of the part that is kept; 304 for a client that has the answer. Null if the part has not all of it. */
export function partOfPart(
	response: UpstreamResponse,
	ageMs: number,
	condition: Condition | null,
	range: Range,
): StreamHead | null {
	const { headers, body } = response;
	const place = placeOf(headers);
	if (place === null || !isPartOf(range, headers)) return null;
	const bounds = boundsWithin(range, place);
	if (bounds === null) return null;
	const dated = withAge(headers, ageMs);
	if (condition !== null && hasCopy(condition, response)) {
		return notModified(dated);
	}
	const unplaced = headersWithout(dated, (name) => name === "content-range");
	const { first, total } = place;
	return partFrom(body, bounds, unplaced, { first: first + bounds[0], total });
}

function withAge(headers: HeaderList, ageMs: number): HeaderList {
	const age = String(Math.max(0, Math.floor(ageMs / 1000)));
	return [...headersWithout(headers, (name) => name === "age"), "age", age];
}

function notModified(headers: HeaderList): StreamHead {
	return {
		status: 304,
		headers: fieldsOfNotModified(headers),
		body: emptyStream(null),
	};
}

/** RFC 9110, 15.5.17. */
function notSatisfiable(total: number): StreamHead {
	return {
		status: 416,
		headers: ["content-range", `bytes */${total}`],
		body: emptyStream(0),
	};
}

/** RFC 9110, 15.3.7: these bytes of a body, and where they stand in the whole. */
function partFrom(
	body: Uint8Array,
	[from, end]: readonly [number, number],
	headers: HeaderList,
	{ first, total }: { readonly first: number; readonly total: number },
): StreamHead {
	const place = { first, end: first + end - from, total };
	return {
		status: 206,
		headers: [...headers, "content-range", placeText(place)],
		body: wholeStream(body.subarray(from, end)),
	};
}

function wholeStream(bytes: Uint8Array): ByteStream {
	return {
		length: bytes.length,
		whole: () => bytes,
		async *[Symbol.asyncIterator]() {
			if (bytes.length > 0) yield bytes;
		},
	};
}

/** Whether the end of a body can be told from a connection that broke. */
export function isFramed({ status, headers, body }: StreamHead): boolean {
	return (
		!hasFramedBody(status) ||
		body.length !== null ||
		headerOf(headers, "transfer-encoding") !== null
	);
}

/** Reads a body that only the cache wants. Its failure is thrown by the call itself. */
export async function drain(body: ByteStream): Promise<void> {
	try {
		for await (const _ of body);
	} catch {
		// See above.
	}
}
