import { credentialFields } from "../core/http/fields.ts";
import { asksAsClient } from "./called.ts";
import type { Plan, RoutePlan } from "./plan.ts";

/**
 * Whether answers of a route are compressed for clients that can read them. The length of what is compressed tells how much of it is
 * alike. So if an answer holds a user's secret beside what somebody else has put into the request, who sees the lengths can
 * guess the secret sign by sign (BREACH). Such routes compress only if they say so.
 */
export function compresses(
	route: RoutePlan,
	upstreams: Plan["upstreams"],
): boolean {
	const personal = isPersonal(route) || asksAsClient(route, upstreams);
	return route.compress ?? !(personal && takesInput(route));
}

/** Whether an answer may depend on who asks, also if a browser says it by itself. */
function isPersonal({ auth, request, proxy }: RoutePlan): boolean {
	const passes = proxy?.pass ?? [];
	return (
		auth.length > 0 ||
		request.cookies.length > 0 ||
		request.headers.some(({ wireName }) => credentialFields.has(wireName)) ||
		passes === "all" ||
		passes.some((name) => credentialFields.has(name))
	);
}

/** Whether a page of somebody else's can choose a part of the request that its answer may repeat. A proxied one passes all on. */
function takesInput({ path, request, proxy }: RoutePlan): boolean {
	const { query, headers, body, form, text, bytes } = request;
	return (
		proxy !== null ||
		path.some((part) => typeof part !== "string") ||
		query.length > 0 ||
		headers.some(({ wireName }) => !credentialFields.has(wireName)) ||
		[body, form, text, bytes].some((one) => one !== null)
	);
}
