import { randomBytes } from "node:crypto";
import { GatewayError } from "../core/errors.ts";
import {
	allHeadersOf,
	type HeaderList,
	headerOf,
	isHeaderValue,
} from "../core/http/headers.ts";

/**
 * The value of `Via` for the calls of a request with these header fields (RFC 9110, 7.6.3). Throws `loop_detected` if
 * the request has passed this gateway before.
 */
export type Via = (headers: HeaderList) => string;

/**
 * A gateway's name in `Via` is random, because two gateways in a row are no loop. It tells nothing of the machine.
 */
export function createVia(): Via {
	const name = `sluice-${randomBytes(6).toString("hex")}`;
	const own = `1.1 ${name}`;
	return (headers) => {
		if (headerOf(headers, "via") === null) return own;
		const before = allHeadersOf(headers, "via").join(", ");
		if (before.includes(name)) {
			const message =
				"the request came from this gateway: an upstream leads back";
			throw new GatewayError("loop_detected", message);
		}
		return isHeaderValue(before) && before.trim() !== ""
			? `${before}, ${own}`
			: own;
	};
}
