import { reachedBy } from "../config/called.ts";
import { credentialFields } from "../core/http/fields.ts";
import { isOfClient } from "../policy/auth/options.ts";
import { type IdentityPart, identityParts } from "./identity-parts.ts";
import type { Plan, RoutePlan } from "./plan.ts";
import { readsInPlan } from "./reads.ts";

/**
 * For whom the answers of a route are: what of a client they depend on. Caches, watches, jobs, compression and what other caches
 * are told ask here, and nowhere else. So another way to depend on a client becomes known to all of them at once.
 */
export interface ForWhom {
	/** Whether only clients that are known are answered. */
	readonly known: boolean;
	/** The parts of who asks that are read. */
	readonly parts: readonly IdentityPart[];
	/** Whether an upstream is asked as the client itself, by its own `Authorization`. */
	readonly asClient: boolean;
	/** Whether an answer is for one client alone, by its identity, its cookies or its credentials. */
	readonly one: boolean;
	/**
	 * Whether that is so, or whether a proxy passes cookies or credentials on. Then an answer may be for one client alone, and its
	 * upstream says for whom it is.
	 */
	readonly maybeOne: boolean;
	/** The client's header fields on which answers depend, in lower case and in order: those that `Vary` names. */
	readonly fields: readonly string[];
}

export function forWhom(
	route: RoutePlan,
	upstreams: Plan["upstreams"],
): ForWhom {
	const { auth, request, proxy, credentialFields: given } = route;
	const asClient = reachedBy(route, upstreams).some(({ auth }) =>
		isOfClient(auth),
	);
	// Whatever a route declares counts as read: a client that sends it otherwise may get a 400 or another answer.
	const declared = request.headers.map(({ wireName }) => wireName);
	const sent = asClient ? ["authorization"] : [];
	const fields = [...new Set([...declared, ...given, ...sent])].toSorted();
	const known = auth.length > 0;
	const one =
		known ||
		request.cookies.length > 0 ||
		fields.some((name) => credentialFields.has(name));
	const pass = proxy?.pass ?? [];
	const passes =
		pass === "all" || pass.some((name) => credentialFields.has(name));
	const parts = identityParts(readsInPlan(valuesOf(route)));
	return { known, parts, asClient, one, maybeOne: one || passes, fields };
}

/** All of a route that makes its answers, or that a run of it writes down. */
function valuesOf(route: RoutePlan): readonly unknown[] {
	const { steps, proxy, listen, respond, status, headers } = route;
	const { record, live } = route;
	return [steps, proxy, listen, respond, status, headers, record, live];
}
