import type { UpstreamRequest } from "../core/http/messages.ts";

/** Fields that say nothing of what is asked: the trace's (W3C Trace Context), and one connection's (RFC 9110, 7.6.1). */
const notAsked: ReadonlySet<string> = new Set([
	"connection",
	"keep-alive",
	"proxy-authorization",
	"proxy-connection",
	"te",
	"trailer",
	"traceparent",
	"tracestate",
	"transfer-encoding",
	"upgrade",
]);

/** The header fields by which two requests may differ, names in lower case, in the order they are sent. */
export function askedHeaders({
	headers,
}: Pick<UpstreamRequest, "headers">): string[] {
	const asked: string[] = [];
	for (let at = 0; at < headers.length; at += 2) {
		const name = (headers[at] ?? "").toLowerCase();
		if (!notAsked.has(name)) asked.push(name, headers[at + 1] ?? "");
	}
	return asked;
}

/**
 * A text that two requests share only where the same is sent for both, and for the same time. Written as JSON, so that
 * no value can pass for the beginning of the next.
 */
export function sameRequestKey(request: UpstreamRequest): string {
	const { method, target, body, timeoutMs } = request;
	return JSON.stringify([
		method,
		target,
		body,
		timeoutMs,
		askedHeaders(request),
	]);
}
