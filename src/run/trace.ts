import { headerOf } from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";

/** Neither version ff nor an id of zeros is one. */
const wellFormedTrace =
	/^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The client's trace goes on upstream (W3C Trace Context, 3.2); what is not well-formed does not. */
export function traceOf({ headers }: GatewayRequest): string | null {
	const trace = headerOf(headers, "traceparent");
	return trace !== null && wellFormedTrace.test(trace) ? trace : null;
}
