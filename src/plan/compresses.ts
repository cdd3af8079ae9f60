import { credentialFields } from "../core/http/fields.ts";
import { forWhom } from "./for-whom.ts";
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
	const { maybeOne } = forWhom(route, upstreams);
	return route.compress ?? !(maybeOne && takesInput(route));
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
