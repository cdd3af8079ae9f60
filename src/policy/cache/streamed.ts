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
import { boundsOf, isPartOf, type Range } from "./range.ts";

/** A kept answer as the head and body that a client gets: without the body for HEAD, and 304 for a client that has it. */
export function headFrom(
	response: UpstreamResponse,
	ageMs: number,
	method: string,
	condition: Condition | null,
	range: Range | null = null,
): StreamHead {
	const { status, headers, body } = response;
	const age = String(Math.max(0, Math.floor(ageMs / 1000)));
	const dated = [
		...headersWithout(headers, (name) => name === "age"),
		"age",
		age,
	];
	if (condition !== null && hasCopy(condition, response)) {
		return {
			status: 304,
			headers: fieldsOfNotModified(dated),
			body: emptyStream(null),
		};
	}
	if (range !== null && status === 200 && isPartOf(range, headers)) {
		return partFrom(body, dated, range);
	}
	return {
		status,
		headers: dated,
		body: method === "HEAD" ? emptyStream(body.length) : wholeStream(body),
	};
}

/** RFC 9110, 15.3.7 and 15.5.17. */
function partFrom(
	body: Uint8Array,
	headers: HeaderList,
	range: Range,
): StreamHead {
	const bounds = boundsOf(range, body.length);
	if (bounds === null) {
		return {
			status: 416,
			headers: ["content-range", `bytes */${body.length}`],
			body: emptyStream(0),
		};
	}
	const [from, end] = bounds;
	const place = `bytes ${from}-${end - 1}/${body.length}`;
	return {
		status: 206,
		headers: [...headers, "content-range", place],
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
