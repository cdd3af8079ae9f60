import type { GatewayError } from "../../core/errors.ts";
import type { StreamHead } from "../../core/http/messages.ts";
import type { Keeper, Kept, Key } from "./keeper.ts";

/** Why a request goes on to the upstream (RFC 9211, 2.2). */
export type ForwardReason =
	| "bypass"
	| "method"
	| "uri-miss"
	| "vary-miss"
	| "partial"
	| "request"
	| "stale";

/** The reason for a request of which this answer is kept; null for none. */
export function forwardReason(
	keeper: Keeper,
	key: Key,
	kept: Kept | null,
	now: number,
): ForwardReason {
	if (kept !== null) return now < kept.freshUntilMs ? "request" : "stale";
	if (keeper.find("part", key) !== null) return "partial";
	return keeper.knows("sent", key) ? "vary-miss" : "uri-miss";
}

/** The seconds that a kept answer is still fresh; negative if it is stale. */
export function ttlText({ freshUntilMs }: Kept, now: number): string {
	return `ttl=${Math.floor((freshUntilMs - now) / 1000)}`;
}

/** Why the upstream's own answer is not given: its status, or the code of its failure. */
export function failureText({ code, facts }: GatewayError): string {
	return facts.upstreamStatus === undefined
		? `detail=${code}`
		: `fwd-status=${facts.upstreamStatus}`;
}

/** An answer that says what the cache has done, behind those of caches before (RFC 9211, 2). */
export function withStatus(head: StreamHead, said: string): StreamHead {
	const headers = [...head.headers, "cache-status", `sluice; ${said}`];
	return { ...head, headers };
}
