export const callMethods = [
	"GET",
	"POST",
	"PUT",
	"PATCH",
	"DELETE",
	"HEAD",
] as const;
export type CallMethod = (typeof callMethods)[number];

/** Whether requests of a method are by definition: RFC 9110, 9.2.2. */
export function isIdempotent(method: string): boolean {
	return method !== "POST" && method !== "PATCH";
}

/** What a route of `ANY` answers. */
export const proxyMethods: readonly string[] = [...callMethods, "OPTIONS"];
