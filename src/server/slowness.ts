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
	return new GatewayError("client_closed", message);
}
