import { calledBy } from "../config/called.ts";
import { forWhom } from "./for-whom.ts";
import type { IdentityPart } from "./identity-parts.ts";
import type { Plan, RoutePlan } from "./plan.ts";
import { readsInPlan } from "./reads.ts";

/** What tells one watch of a live route from another: clients for whom all of it is the same share a run. */
export interface WatchedBy {
	/** The declared values, as they are read: `params.id`, `headers.accept_language`. */
	readonly values: readonly string[];
	/** The parts of who asks that count, because the route reads them. */
	readonly auth: readonly IdentityPart[];
	/** Whether the client's address counts, because the route reads it. */
	readonly ip: boolean;
	/** Whether the path counts, because the route reads it. The same values may be written in several ways. */
	readonly path: boolean;
	/** Whether the client's address, host and scheme count, because an upstream is told them (`forwarded`). */
	readonly way: boolean;
	/** Whether the client's `Authorization` counts, because an upstream is asked as the client itself. */
	readonly credentials: boolean;
}

/** Whatever a route declares counts, read or not: it is part of what a client asks. */
export function watchedBy(
	route: RoutePlan,
	upstreams: Plan["upstreams"],
): WatchedBy {
	const { request, path, steps, respond, status, headers, record } = route;
	const { live } = route;
	const named = (what: string, fields: readonly { readonly name: string }[]) =>
		fields.map(({ name }) => `${what}.${name}`);
	const params = path.flatMap((part) =>
		typeof part === "string" ? [] : [{ name: part.param }],
	);
	const { parts, asClient } = forWhom(route, upstreams);
	const all = [steps, respond, status, headers, record, live];
	const reads = readsInPlan(all);
	const readsOfRequest = (member: string) =>
		reads.some(
			({ name, path: [first] }) =>
				name === "request" && (first === member || first === undefined),
		);
	return {
		values: [
			...named("params", params),
			...named("query", request.query),
			...named("headers", request.headers),
			...named("cookies", request.cookies),
		],
		auth: parts,
		ip: readsOfRequest("ip"),
		path: readsOfRequest("path"),
		way: calledBy(steps, upstreams).some(({ forwarded }) => forwarded),
		credentials: asClient,
	};
}
