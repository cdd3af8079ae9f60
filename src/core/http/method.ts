import { isToken } from "./headers.ts";

/** Methods that a call to an upstream may have. */
export const callMethods = [
	"GET",
	"POST",
	"PUT",
	"PATCH",
	"DELETE",
	"HEAD",
] as const;
export type CallMethod = (typeof callMethods)[number];

/** The methods that `Allow` lists for a route of `ANY`. It answers others, too. */
export const proxyMethods: readonly string[] = [...callMethods, "OPTIONS"];

/** Whether a route of `ANY` answers a method. CONNECT names no path, and TRACE would show the gateway's own fields. */
export function passesProxies(method: string): boolean {
	return isToken(method) && method !== "CONNECT" && method !== "TRACE";
}

/** IANA's registry of methods says so of these. */
const safe = new Set(
	"GET HEAD OPTIONS PROPFIND QUERY REPORT SEARCH".split(" "),
);

/** The registry says so of these, besides the safe ones. Nothing is known of a method that is not in it. */
const idempotent = new Set(
	[
		"ACL BIND COPY DELETE LINK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE",
		"PROPPATCH PUT REBIND UNBIND UNLINK UNLOCK",
	]
		.join(" ")
		.split(" "),
);

/** Whether requests of a method only read, by definition: RFC 9110, 9.2.1. TRACE passes nowhere. */
export function isSafe(method: string): boolean {
	return safe.has(method);
}

/** Whether to send a request of a method twice does the same as to send it once, by definition: RFC 9110, 9.2.2. */
export function isIdempotent(method: string): boolean {
	return safe.has(method) || idempotent.has(method);
}

/** Whether a method normally has a body. Without one it announces length 0 (RFC 9110, 8.6). */
export function announcesBody(method: string): boolean {
	return method === "POST" || method === "PUT" || method === "PATCH";
}
