import { errorTable, type GatewayError } from "../errors.ts";
import type { GatewayResponse } from "./messages.ts";

/** A field that keeps browsers from taking the body for another type than it says, such as a script or a page. */
export const unsniffed = ["x-content-type-options", "nosniff"] as const;

/**
 * The answer to a client for an error: a problem document (RFC 9457) of the table's words and the request's id. It says
 * nothing about the error's message, cause or upstream. It only lists the client's own faults.
 */
export function problemResponse(
	error: GatewayError,
	requestId: string,
): GatewayResponse & { readonly body: string } {
	const { code, status, facts } = error;
	const document = {
		type: `urn:sluice:error:${code}`,
		title: errorTable[code].title,
		status,
		code,
		instance: requestId,
		...(facts.errors ? { errors: facts.errors } : {}),
	};
	const headers = [
		"content-type",
		"application/problem+json",
		"cache-control",
		"no-store",
		...unsniffed,
	];
	for (const challenge of facts.challenges ?? []) {
		headers.push("www-authenticate", challenge);
	}
	if (facts.allow) headers.push("allow", facts.allow.join(", "));
	// RFC 9110, 12.5.1 and 12.5.3.
	if (facts.accept) headers.push("accept", facts.accept);
	if (facts.acceptEncoding) {
		headers.push("accept-encoding", facts.acceptEncoding);
	}
	// RFC 9110, 15.5.22.
	if (facts.upgrade) headers.push("upgrade", facts.upgrade);
	if (facts.retryAfterMs !== undefined) {
		headers.push("retry-after", secondsOf(facts.retryAfterMs));
	}
	return { status, headers, body: JSON.stringify(document) };
}

/** Rounded up, because a client that comes too early comes in vain. Never 0, which many take for "at once". */
function secondsOf(ms: number): string {
	return String(Math.max(1, Math.ceil(ms / 1000)));
}
