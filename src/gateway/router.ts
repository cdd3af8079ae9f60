import findMyWay from "find-my-way";
import { GatewayError } from "../core/errors.ts";
import type { RoutePlan } from "../plan/plan.ts";

export interface Match<T> {
	readonly target: T;
	/** Path parameters, decoded. */
	readonly params: Readonly<Record<string, string>>;
}

/** Finds the route of a request, or throws `route_not_found`, `method_not_allowed`, or `request_invalid`. */
export type Route<T> = (method: string, target: string) => Match<T>;

/** The longest path parameter that is taken; beyond it nothing matches. */
const paramLengthMax = 8192;

/** A radix tree of the routes: the more specific one wins, whatever the order written. HEAD finds GET's routes. */
export function createRouter<T extends { readonly plan: RoutePlan }>(
	routes: readonly T[],
): Route<T> {
	const tree = findMyWay({ maxParamLength: paramLengthMax });
	for (const route of routes) {
		const { method, path } = route.plan;
		tree.on(method as findMyWay.HTTPMethod, patternOf(path), () => {}, route);
	}
	const methods = [...new Set(routes.map(({ plan }) => plan.method))];
	const find = (method: string, target: string) =>
		tree.find(method as findMyWay.HTTPMethod, target);
	return (method, target) => {
		const found = find(method === "HEAD" ? "GET" : method, target);
		if (found) {
			return { target: found.store as T, params: definite(found.params) };
		}
		const allow = methods.filter((other) => find(other, target));
		if (allow.length === 0) {
			if (!isDecodable(target)) {
				throw new GatewayError(
					"request_invalid",
					"the path is not percent-encoded UTF-8",
					{
						errors: [{ at: "path", message: "is not percent-encoded UTF-8" }],
					},
				);
			}
			throw new GatewayError("route_not_found", "no route has this path");
		}
		if (allow.includes("GET")) allow.push("HEAD");
		throw new GatewayError("method_not_allowed", "the path has other methods", {
			allow: allow.toSorted(),
		});
	};
}

/** `:` and `*` mean something to the tree; `*` cannot stand in a route's path, `::` is a colon. */
function patternOf(path: RoutePlan["path"]): string {
	const segments = path.map((part) =>
		typeof part === "string" ? part.replaceAll(":", "::") : `:${part.param}`,
	);
	return `/${segments.join("/")}`;
}

function definite(
	params: Record<string, string | undefined>,
): Record<string, string> {
	const found: Record<string, string> = {};
	for (const name in params) found[name] = params[name] ?? "";
	return found;
}

function isDecodable(target: string): boolean {
	try {
		decodeURIComponent(target.split("?", 1)[0] ?? "");
		return true;
	} catch {
		return false;
	}
}
