import { notAsked } from "../core/http/fields.ts";
import { eachHeader } from "../core/http/headers.ts";
import type { UpstreamRequest } from "../core/http/messages.ts";

/**
 * The header fields by which two requests may differ, with names in lower case, in the order in which they are sent.
 */
export function askedHeaders({
	headers,
}: Pick<UpstreamRequest, "headers">): string[] {
	const asked: string[] = [];
	eachHeader(headers, (given, value) => {
		const name = given.toLowerCase();
		if (!notAsked.has(name)) asked.push(name, value);
	});
	return asked;
}

/**
 * A text that two requests share only if both send the same, with the same timeout. It is JSON, so that no value can
 * run into the next.
 */
export function sameRequestKey(request: UpstreamRequest): string {
	const { method, target, body, binary = false, timeoutMs } = request;
	return JSON.stringify([
		method,
		target,
		body,
		binary,
		timeoutMs,
		askedHeaders(request),
	]);
}
