import findMyWay from "find-my-way";
import { GatewayError } from "../core/errors.ts";
import { isKnownMethod, unknownMethod } from "../core/http/known-methods.ts";
import { passesProxies, proxyMethods } from "../core/http/method.ts";
import type { RoutePlan } from "../plan/plan.ts";

export interface Match<T> {
	readonly target: T;
	/** Path parameters, decoded. */
	readonly params: Readonly<Record<string, string>>;
}

/**
 * Finds the route of a request, or throws `route_not_found`, `method_not_allowed`, or `request_invalid`, with 501 for a method that nobody knows. A target has no
 * fragment (RFC 9112, 3.2): a reader that cut it off would see another path.
 */
export type Route<T> = (method: string, target: string) => Match<T>;

/** The longest path parameter that matches a route. */
const paramLengthMax = 8192;

/**
 * A radix tree of the routes. The more specific route wins, in whichever order they are written. HEAD finds GET's
 * routes. `ANY` is every method but CONNECT and TRACE. A route of a method is more specific than one of `ANY` at the same path.
 */
export function createRouter<T extends { readonly plan: RoutePlan }>(
	routes: readonly T[],
): Route<T> {
	const tree = findMyWay({ maxParamLength: paramLengthMax });
	// The routes of `ANY` once more, for all methods that no other route has.
	const others = findMyWay({ maxParamLength: paramLengthMax });
	const taken = new Set<string>();
	const methods = new Set<string>();
	const add = (route: T, method: string) => {
		const pattern = patternOf(route.plan);
		const shape = `${method} ${shapeOf(route.plan)}`;
		if (taken.has(shape)) return;
		taken.add(shape);
		methods.add(method);
		tree.on(method as findMyWay.HTTPMethod, pattern, () => {}, route);
	};
	const isAny = ({ plan }: T) => plan.method === "ANY";
	for (const route of routes.filter((one) => !isAny(one))) {
		add(route, route.plan.method);
		if (route.plan.method === "GET") add(route, "HEAD");
	}
	for (const route of routes.filter(isAny)) {
		for (const method of proxyMethods) add(route, method);
		others.on("GET", patternOf(route.plan), () => {}, route);
	}
	const find = (method: string, target: string) => {
		const found = methods.has(method)
			? tree.find(method as findMyWay.HTTPMethod, target)
			: passesProxies(method)
				? others.find("GET", target)
				: null;
		return found && !hasEmptyParam(found.params) ? found : null;
	};
	const takesRaw = routes.some(({ plan }) => plan.proxy?.paths === "raw");
	/** The tree knows no bytes that are not UTF-8. To find a route, each is taken for the text that stands for it. */
	const findRaw = (method: string, target: string) => {
		if (isDecodable(target)) return null;
		const [path = ""] = target.split("?", 1);
		const found = find(method, path.replaceAll(/%(?=[89a-f][\da-f])/gi, "%25"));
		const isRaw = (found?.store as T | undefined)?.plan.proxy?.paths === "raw";
		return isRaw ? found : null;
	};
	return (method, target) => {
		// A server has refused such a method. One who embeds the gateway may not have.
		if (!methods.has(method) && !isKnownMethod(method)) throw unknownMethod();
		if (target.includes("#")) {
			throw invalid("target", "holds a fragment: write `#` as `%23`");
		}
		const found =
			find(method, target) ?? (takesRaw ? findRaw(method, target) : null);
		if (found) {
			return { target: found.store as T, params: definite(found.params) };
		}
		const allow = [...methods].filter((other) => find(other, target));
		if (allow.length === 0) {
			if (!isDecodable(target)) {
				throw invalid("path", "is not percent-encoded UTF-8");
			}
			throw new GatewayError("route_not_found", "no route has this path");
		}
		throw new GatewayError("method_not_allowed", "the path has other methods", {
			allow: allow.toSorted(),
		});
	};
}

function invalid(at: string, message: string): GatewayError {
	const errors = [{ at, message }];
	return new GatewayError("request_invalid", `the ${at} ${message}`, {
		errors,
	});
}

/** `:` and `*` have a meaning in the tree. `*` cannot stand in a route's path, and `::` is a colon. */
function patternOf({ path, rest }: RoutePlan): string {
	const segments = path.map((part) =>
		typeof part === "string"
			? part.replaceAll(":", "::")
			: `:${part.param}${part.end}`,
	);
	if (rest !== null) segments.push("*");
	return `/${segments.join("/")}`;
}

/** Two patterns of one shape take the same paths. */
function shapeOf({ path, rest }: RoutePlan): string {
	const parts = path.map((part) =>
		typeof part === "string" ? part : `{}${part.end}`,
	);
	return [...parts, ...(rest === null ? [] : ["{*}"])].join("/");
}

/** `{id}` must be a segment that is not empty: `/users/` does not ask for a user without a name. */
function hasEmptyParam(params: Record<string, string | undefined>): boolean {
	return Object.entries(params).some(
		([name, value]) => name !== "*" && value === "",
	);
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
