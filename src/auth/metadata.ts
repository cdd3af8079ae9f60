import type { AuthPlan } from "../plan/plan.ts";
import { metadataPathOf } from "./challenge.ts";

/** The documents that tell clients where they get tokens for this gateway (RFC 9728), by path. */
export function resourceMetadata(
	auths: readonly AuthPlan[],
): ReadonlyMap<string, string> {
	const issuers = new Map<string, Set<string>>();
	for (const auth of auths) {
		if (auth.kind !== "jwt" || auth.resource === null) continue;
		const known = issuers.get(auth.resource) ?? new Set();
		issuers.set(auth.resource, known.add(auth.issuer));
	}
	return new Map(
		[...issuers].map(([resource, all]) => [
			metadataPathOf(resource),
			JSON.stringify({
				resource,
				authorization_servers: [...all],
				bearer_methods_supported: ["header"],
			}),
		]),
	);
}
