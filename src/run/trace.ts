import { headerOf } from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";

/** Version ff and an id of zeros are not valid. */
const wellFormedTrace =
	/^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The client's trace goes on upstream (W3C Trace Context, 3.2), if it is well-formed. */
export function traceOf({ headers }: GatewayRequest): string | null {
	const trace = headerOf(headers, "traceparent");
	return trace !== null && wellFormedTrace.test(trace) ? trace : null;
}
