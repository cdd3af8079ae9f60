/** Names and values of header fields in turn, in the order they travel: `["etag", "\"1\"", "age", "3"]`. */
export type HeaderList = readonly string[];

/** One request of a client, as the server hands it to the gateway. */
export interface GatewayRequest {
	/** Unique; stands in `X-Request-Id`, in problem documents and in the log. */
	readonly id: string;
	readonly method: string;
	/** The path and query as they came, percent-encoded: `/weather?city=%D0%9C`. Always begins with `/`. */
	readonly target: string;
	readonly headers: HeaderList;
	/** The client's address. */
	readonly ip: string;
	/** Milliseconds on the gateway's clock at which the request arrived: the deadline counts from here. */
	readonly arrivedMs: number;
	/**
	 * Reads the whole body, once. Fails with `request_too_large` beyond `bytesMax`, as soon as that is known, and with
	 * `client_closed` where the client leaves in the middle.
	 */
	readBody(bytesMax: number): Promise<Uint8Array>;
}

/** The answer, ready to be written. */
export interface GatewayResponse {
	readonly status: number;
	readonly headers: HeaderList;
	/** Null where the status has no body. Never longer than what one composition may hold. */
	readonly body: string | Uint8Array | null;
}

export const callMethods = [
	"GET",
	"POST",
	"PUT",
	"PATCH",
	"DELETE",
	"HEAD",
] as const;
export type CallMethod = (typeof callMethods)[number];

/** One call of a step to an upstream, complete: nothing in it is looked up or defaulted any more. */
export interface UpstreamRequest {
	readonly method: CallMethod;
	/** Path and query, encoded, from the upstream's origin: begins with `/`. */
	readonly target: string;
	readonly headers: HeaderList;
	readonly body: string | null;
	/** Bound of one attempt, in milliseconds, from the moment it has its connection slot. */
	readonly timeoutMs: number;
	/** Called once, when the first byte is about to be written: from here a write may have happened. */
	readonly onSent: (() => void) | null;
}

/** What an upstream answered: complete, decompressed, within the upstream's `maxBody`. Any status. */
export interface UpstreamResponse {
	readonly status: number;
	readonly headers: HeaderList;
	readonly body: Uint8Array;
}

/** Whether a text may stand as a header value: visible ASCII, space and tab (RFC 9110, 5.5, without obs-text). */
export function isHeaderValue(text: string): boolean {
	return !/[^\t\x20-\x7e]/.test(text);
}

/** Whether a text is a token (RFC 9110, 5.6.2): what a header may be named. */
export function isToken(text: string): boolean {
	return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
}

/** The first value of a header field, or null; `name` in lower case. */
export function headerOf(headers: HeaderList, name: string): string | null {
	for (let at = 0; at < headers.length; at += 2) {
		if (headers[at]?.toLowerCase() === name) return headers[at + 1] ?? "";
	}
	return null;
}

/** Whether a value can be the status of a final answer. */
export function isStatus(value: unknown): value is number {
	return (
		typeof value === "number" &&
		Number.isInteger(value) &&
		value >= 200 &&
		value <= 599
	);
}

/** Whether a path segment is `.` or `..`, also percent-encoded: what servers take as a step upwards. */
export function isDots(segment: string): boolean {
	return /^(?:\.|%2e){1,2}$/i.test(segment);
}
