import { GatewayError } from "../core/errors.ts";
import { refused } from "./refuse.ts";

export function tooLate(): GatewayError {
	return refused(408, "request", "took too long to come");
}

export function sendsSlowly(): GatewayError {
	return refused(408, "body", "came too slowly");
}

/** Null if any rate would do. */
export function takesSlowly(leastBytesPerSecond: number | null): GatewayError {
	const least =
		leastBytesPerSecond === null
			? "nothing"
			: `less than ${leastBytesPerSecond} bytes per second`;
	const message = `the client took ${least} of its answer`;
	return cutOff(message);
}

/** A fault for which HTTP/2 ends the connection with all requests on it (RFC 9113, 5.4.1). */
export function breaksRules(): GatewayError {
	return cutOff("the client broke the rules of HTTP/2 on its connection");
}

/** It has pinged, taken requests back, or broken them, more often than is borne. */
export function troubles(): GatewayError {
	return cutOff("the client did too often what costs it nothing");
}

function cutOff(message: string): GatewayError {
	return new GatewayError("client_closed", message, { cutOff: true });
}
