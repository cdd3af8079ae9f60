import type { IncomingMessage } from "node:http";
import { GatewayError } from "../core/errors.ts";

/** Why a request is refused before anybody looks at what it asks for; null where it is not. */
export function refusalOf(
	message: IncomingMessage,
	{ headerFieldsMax }: { readonly headerFieldsMax: number },
): GatewayError | null {
	const { rawHeaders } = message;
	if (rawHeaders.length > 2 * headerFieldsMax) {
		return refused(431, `more than ${headerFieldsMax} header fields`);
	}
	const hosts = countHosts(rawHeaders);
	// RFC 9112, 3.2: exactly one. HTTP/1.0 had none.
	if (hosts > 1 || (hosts === 0 && message.httpVersion === "1.1")) {
		return refused(400, `${hosts} Host header fields`);
	}
	if (!isTarget(message.url ?? "")) return refused(400, "not a target");
	return null;
}

function countHosts(rawHeaders: readonly string[]): number {
	let hosts = 0;
	for (let at = 0; at < rawHeaders.length; at += 2) {
		const name = rawHeaders[at] ?? "";
		if (name.length === 4 && name.toLowerCase() === "host") hosts++;
	}
	return hosts;
}

function isTarget(url: string): boolean {
	return url.startsWith("/") || absolute.test(url);
}

const absolute = /^https?:\/\/[^/?]+/i;

/** Path and query of a target that may name the server too (RFC 9112, 3.2.2: it must be understood). */
export function originForm(url: string): string {
	if (url.startsWith("/")) return url;
	const rest = url.replace(absolute, "");
	return rest.startsWith("/") ? rest : `/${rest}`;
}

/** What to answer where the bytes that came are no request; null where there is nobody to answer to. */
export function parserFault(
	error: Error & { readonly code?: string },
): GatewayError | null {
	const code = String(error.code);
	switch (code) {
		case "HPE_HEADER_OVERFLOW":
			return refused(431, "the header fields are too long");
		case "ERR_HTTP_REQUEST_TIMEOUT":
			return refused(408, "the request took too long to come");
		// The client has ended in the middle of its request.
		case "HPE_INVALID_EOF_STATE":
			return null;
	}
	return code.startsWith("HPE_") ? refused(400, error.message) : null;
}

/** A refusal with a status that no code of its own stands for. */
export function refused(status: number, message: string): GatewayError {
	return new GatewayError("request_invalid", message, { status });
}
