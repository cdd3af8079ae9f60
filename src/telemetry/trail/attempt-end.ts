import type { ErrorCode } from "../../core/errors.ts";
import type { AttemptTrail } from "../../core/trail.ts";

/** Ends of calls that say nothing about their upstream, because the gateway did not need them any more. */
export const cancelledCodes: ReadonlySet<ErrorCode> = new Set([
	"call_aborted",
	"client_closed",
	"gateway_draining",
]);

/** Whether the gateway ended an attempt itself. It is then no error, and its time says nothing. */
export function isCancelled({ error }: AttemptTrail): boolean {
	return error !== null && cancelledCodes.has(error.code);
}

/** How an attempt failed, as metrics say it; empty if it did not. */
export function errorTypeOf({ error, status }: AttemptTrail): string {
	if (error !== null) return error.code;
	return status !== null && status >= 500 ? "upstream_status" : "";
}
