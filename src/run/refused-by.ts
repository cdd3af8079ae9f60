import { GatewayError } from "../core/errors.ts";
import type { UpstreamResponse } from "../core/http/messages.ts";
import { retryAfterMsOf } from "../core/http/retry-after.ts";
import { hintOf } from "./answer-words.ts";

/** The client hears how long the upstream asks to wait: to come sooner would be in vain for it, too. */
export function refusedBy(
	upstream: string,
	response: UpstreamResponse,
): GatewayError {
	const { status, headers } = response;
	const waitMs = retryAfterMsOf(headers);
	return new GatewayError(
		"upstream_status",
		`${upstream} answered ${status}${hintOf(response)}`,
		{
			upstream,
			upstreamStatus: status,
			...(waitMs !== null && { retryAfterMs: waitMs }),
		},
	);
}
