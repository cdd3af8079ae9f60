import { GatewayError } from "../../core/errors.ts";
import { tlsFault } from "./tls-faults.ts";

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
 * The connection was lost before the end of an answer, or before its beginning. The words of a foreign error are kept, and
 * not the error as a cause: some hold a whole certificate.
 */
export function brokenOff(
	upstream: string,
	words: string,
	answered: boolean,
): GatewayError {
	if (!answered) return unreachable(upstream, `no answer: ${words}`);
	const message = `the answer broke off: ${words}`;
	return new GatewayError("upstream_invalid", message, {
		upstream,
		brokenOff: true,
	});
}

/**
 * A foreign error in words: its message, which names the address. If that came from the environment, it is not shown. If
 * none of several addresses could be connected to, these are the words for each.
 */
export function wordsOf(error: Error, from: string | undefined): string {
	if (!(error instanceof AggregateError)) return wordsOfOne(error, from);
	const faults: readonly AddressError[] = error.errors;
	// A fault of TLS comes first: somebody was there, so the other addresses matter less.
	const words = faults
		.toSorted((a, b) => Number(isOfTls(b)) - Number(isOfTls(a)))
		.map((one) => {
			const fault = wordsOfOne(one, from);
			return isOfTls(one) && !from ? `at ${one.address} ${fault}` : fault;
		});
	return `none of its addresses: ${[...new Set(words)].join(", ")}`;
}

/** An error of connecting, with the address that was tried. Its message names it, except for faults of TLS. */
interface AddressError extends NodeJS.ErrnoException {
	readonly address: string;
}

function isOfTls({ code = "" }: AddressError): boolean {
	return tlsFault(code) !== null;
}

function wordsOfOne(error: Error, from: string | undefined): string {
	const { code = "", syscall = "" } = error as NodeJS.ErrnoException;
	const fault = tlsFault(code);
	if (fault !== null) return fault;
	// An error of our own has no code.
	if (!from || code === "") return error.message || code;
	return `${`${syscall} ${code}`.trim()} at what ${from} holds`;
}
