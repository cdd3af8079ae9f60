import { type ByteStream, emptyStream } from "../../core/body/byte-stream.ts";
import { createCollector } from "../../core/body/collector.ts";
import { namesEtag } from "../../core/http/etag.ts";
import { fieldsOfNotModified } from "../../core/http/fields.ts";
import { headerOf, headersWithout } from "../../core/http/headers.ts";
import type { StreamHead, UpstreamResponse } from "../../core/http/messages.ts";

/**
 * A kept answer as the head and body that a client gets: without the body for HEAD, and 304 for a client whose
 * `If-None-Match`, `known`, names it.
 */
export function headFrom(
	{ status, headers, body }: UpstreamResponse,
	ageMs: number,
	method: string,
	known: string | null,
): StreamHead {
	const age = String(Math.max(0, Math.floor(ageMs / 1000)));
	const dated = [
		...headersWithout(headers, (name) => name === "age"),
		"age",
		age,
	];
	const etag = headerOf(headers, "etag");
	if (known !== null && etag !== null && namesEtag(known, etag)) {
		return {
			status: 304,
			headers: fieldsOfNotModified(dated),
			body: emptyStream(null),
		};
	}
	return {
		status,
		headers: dated,
		body: method === "HEAD" ? emptyStream(body.length) : wholeStream(body),
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

/**
 * The same body. After its last byte has been read, the whole is given to `keep`, if it is not longer than `bytesMax`.
 */
export function teed(
	{ headers, body }: StreamHead,
	bytesMax: number,
	keep: (bytes: Uint8Array) => void,
): ByteStream {
	// Without a length and without chunks nobody can tell the end from a connection that broke.
	const chunked = headerOf(headers, "transfer-encoding") !== null;
	if (body.length === null && !chunked) return body;
	return {
		length: body.length,
		whole() {
			const bytes = body.whole?.() ?? null;
			if (bytes) keep(bytes);
			return bytes;
		},
		async *[Symbol.asyncIterator]() {
			let collector = createCollector(bytesMax);
			let fits = true;
			for await (const piece of body) {
				if (fits && !collector.add(piece)) {
					fits = false;
					collector = createCollector(0);
				}
				yield piece;
			}
			if (fits) keep(collector.bytes());
		},
	};
}

/** Reads a body that only the cache wants. Its failure is thrown by the call itself. */
export async function drain(body: ByteStream): Promise<void> {
	try {
		for await (const _ of body);
	} catch {
		// See above.
	}
}
