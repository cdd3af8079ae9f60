import { GatewayError } from "../core/errors.ts";

/** Jobs cannot be read or written now. `why` is for operators. */
export function unavailable(why: string): GatewayError {
	return new GatewayError(
		"jobs_unavailable",
		`jobs cannot be had now: ${why}`,
		{ retryAfterMs: 1_000 },
	);
}
