import type { ByteStream } from "../core/body/byte-stream.ts";
import { streamOf } from "../core/body/byte-stream.ts";
import { GatewayError } from "../core/errors.ts";
import { headerOf } from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";

/** A body up to here is mostly in the packets of its head. As much of a longer one is held between the two sides anyway. */
const shortBytesMax = 64 * 1024;

/**
 * The body that a proxied route passes on; null if there is none. It comes while it is passed on. A short one that is
 * here a turn of the loop later has arrived: it is sent in one piece, and its request counts as a call from the start.
 * Throws `request_too_large` at once if the announced length exceeds the bound.
 */
export function uploadOf(
	request: GatewayRequest,
	bodyBytesMax: number,
): ByteStream | null | Promise<ByteStream | null> {
	const { headers } = request;
	const length = headerOf(headers, "content-length");
	// A body in chunks has no other length (RFC 9112, 6.3).
	if (length === null || headerOf(headers, "transfer-encoding") !== null) {
		const body = request.streamBody();
		return body && bounded(body, bodyBytesMax);
	}
	if (Number(length) > bodyBytesMax) throw tooLarge(bodyBytesMax);
	// The upstream decides whether it wants the body, before the client sends it.
	const held = headerOf(headers, "expect") !== null;
	if (Number(length) === 0) return null;
	const body = request.streamBody();
	if (held || body === null || Number(length) > shortBytesMax) return body;
	return new Promise((resolve, reject) => {
		setImmediate(() => {
			try {
				resolve(arrivedOf(body, request));
			} catch (error) {
				reject(error);
			}
		});
	});
}

/** The same body, in one piece if all of it is here. Throws `overloaded` if there is no memory for it. */
function arrivedOf(body: ByteStream, { memory }: GatewayRequest): ByteStream {
	const bytes = body.whole?.() ?? null;
	if (bytes === null) return body;
	memory.take(bytes.length);
	return streamOf(bytes) ?? body;
}

/** The same body. Reading it fails beyond the bound. */
function bounded(body: ByteStream, bytesMax: number): ByteStream {
	if (body.arrived && (body.length ?? 0) <= bytesMax) return body;
	return {
		length: body.length,
		...(body.held && { held: true }),
		async *[Symbol.asyncIterator]() {
			let bytes = 0;
			for await (const piece of body) {
				bytes += piece.length;
				if (bytes > bytesMax) throw tooLarge(bytesMax);
				yield piece;
			}
		},
	};
}

function tooLarge(bytesMax: number): GatewayError {
	const message = `the body is longer than ${bytesMax} bytes`;
	return new GatewayError("request_too_large", message);
}
