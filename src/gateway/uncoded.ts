import { decodeCodings, parseCodings } from "../core/body/codings.ts";
import { GatewayError } from "../core/errors.ts";
import { allHeadersOf } from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import type { Scope } from "../tasks/scope.ts";

/**
 * A request's body without its content codings, which must be known. Fails with `request_too_large` as soon as more than
 * `bytesMax` have been decoded, and with `request_invalid` if the body is broken.
 */
export async function uncoded(
	{ headers, memory }: GatewayRequest,
	body: Uint8Array,
	bytesMax: number,
	scope: Scope,
): Promise<Uint8Array> {
	const written = allHeadersOf(headers, "content-encoding").join();
	const codings = parseCodings(written);
	if (typeof codings === "string" || codings.length === 0) return body;
	let usedUp: Error | null = null;
	const decoded = await decodeCodings(
		codings,
		body,
		{
			bytesMax,
			refuse,
			memory: {
				take(bytes) {
					usedUp = memory.takeBody(bytes);
					return usedUp === null;
				},
				give: (bytes) => memory.give(bytes),
				get usedUp() {
					return usedUp as Error;
				},
			},
		},
		scope,
	);
	// The coded body is nobody's any more.
	memory.give(body.length);
	const refusal = memory.takeBody(decoded.length);
	if (refusal !== null) throw refusal;
	return decoded;
}

/** The words of a decoder tell nothing but what is wrong with the client's own body. */
function refuse(words: string, tooLong: boolean): GatewayError {
	const message = tooLong ? words : `is ${words}`;
	return tooLong
		? new GatewayError("request_too_large", `the body ${message}`)
		: new GatewayError("request_invalid", `the body ${message}`, {
				errors: [{ at: "body", message }],
			});
}
