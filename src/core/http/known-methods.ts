import { GatewayError } from "../errors.ts";
import { METHODS } from "./node-http.ts";

const known: ReadonlySet<string> = new Set(METHODS);

/**
 * Whether Node's parser of HTTP/1.1 reads requests of a method. No other is taken on any way, so that a method is never a
 * word that a client made up.
 */
export function isKnownMethod(method: string): boolean {
	return known.has(method);
}

/** The refusal of a request whose method nobody knows (RFC 9110, 9.1). */
export function unknownMethod(): GatewayError {
	const message = "has a method that this server does not know";
	return new GatewayError("request_invalid", `request: ${message}`, {
		status: 501,
		errors: [{ at: "request", message }],
	});
}
