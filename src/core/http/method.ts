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

/** The methods that a route of `ANY` answers. */
export const proxyMethods: readonly string[] = [...callMethods, "OPTIONS"];

/** Whether requests of a method only read, by definition: RFC 9110, 9.2.1. TRACE passes nowhere. */
export function isSafe(method: string): boolean {
	return method === "GET" || method === "HEAD" || method === "OPTIONS";
}

/** Whether to send a request of a method twice does the same as to send it once, by definition: RFC 9110, 9.2.2. */
export function isIdempotent(method: string): boolean {
	return method !== "POST" && method !== "PATCH";
}

/** Whether a method normally has a body. Without one it announces length 0 (RFC 9110, 8.6). */
export function announcesBody(method: string): boolean {
	return method === "POST" || method === "PUT" || method === "PATCH";
}
