import { GatewayError } from "../../core/errors.ts";

/** No byte of an answer came. */
function unreachable(upstream: string, message: string): GatewayError {
	return new GatewayError("upstream_unreachable", message, { upstream });
}

/** Bytes of an answer came, but they are no proper answer. */
export function invalid(upstream: string, message: string): GatewayError {
	return new GatewayError("upstream_invalid", message, { upstream });
}

/** A call that was running, or that came, when the connections were closed. */
export function closed(upstream: string): GatewayError {
	const message = "the upstream's connections were closed";
	return new GatewayError("gateway_draining", message, { upstream });
}

/**
 * Names a failure of undici's. `answered`: whether the first byte of an answer had come. The foreign error itself
 * is not kept as the cause: some hold the bytes that were received, or a whole certificate.
 */
export function translate(
	upstream: string,
	error: Error,
	answered: boolean,
): GatewayError {
	const code = codeOf(error);
	const words = wordsOf(error);
	switch (code) {
		case "UND_ERR_DESTROYED":
		case "UND_ERR_CLOSED":
			return closed(upstream);
		case "UND_ERR_INVALID_ARG":
		case "UND_ERR_NOT_SUPPORTED":
			return new GatewayError("internal", `not a request: ${words}`, {
				upstream,
			});
	}
	// Bytes that are not HTTP may fail before they count as the beginning of an answer.
	return brokenOff(upstream, words, answered || code.startsWith("HPE_"));
}

/** The connection was lost before the end of an answer, or before its beginning. */
export function brokenOff(
	upstream: string,
	words: string,
	answered: boolean,
): GatewayError {
	return answered
		? invalid(upstream, `the answer broke off: ${words}`)
		: unreachable(upstream, `no answer: ${words}`);
}

/** The message of a foreign error. If none of several addresses could be connected to, it has only a code. */
export function wordsOf(error: Error): string {
	return error.message || codeOf(error);
}

/**
 * Whether a kept connection could not be used any more: the other side had closed it, or it held bytes that nobody had
 * asked for. Then no answer to the request had begun.
 */
export function isStale(error: Error): boolean {
	const code = codeOf(error);
	return staleCodes.has(code) || code.startsWith("HPE_");
}

const staleCodes = new Set([
	"UND_ERR_SOCKET",
	"UND_ERR_INFO",
	"ECONNRESET",
	"EPIPE",
]);

function codeOf(error: Error): string {
	return "code" in error && typeof error.code === "string" ? error.code : "";
}
