import type { Denial } from "./identity.ts";

/**
 * Says how to ask with a bearer token (RFC 6750, 3; RFC 9728, 5.1). A client without a token hears of no error. The words for
 * others are the same whatever was wrong, except that a client whose token has ended should get another.
 */
export function bearerChallenge(
	realm: string,
	{ reason }: Pick<Denial, "reason">,
	resource: string | null,
): string {
	const parts = [`realm="${realm}"`];
	if (resource !== null) {
		parts.push(`resource_metadata="${metadataUrlOf(resource)}"`);
	}
	if (reason !== "absent") {
		parts.push('error="invalid_token"');
		const words = reason === "expired" ? "has expired" : "is not valid here";
		parts.push(`error_description="The token ${words}"`);
	}
	return `Bearer ${parts.join(", ")}`;
}

/** For a token that is good but not enough (RFC 6750, 3.1). */
export function insufficientChallenge(
	realm: string,
	resource: string | null,
): string {
	const more =
		resource === null ? "" : `, resource_metadata="${metadataUrlOf(resource)}"`;
	return `Bearer realm="${realm}"${more}, error="insufficient_scope"`;
}

const wellKnown = "/.well-known/oauth-protected-resource";

/** RFC 9728, 3.1: the path of the resource follows the well-known one. */
function metadataUrlOf(resource: string): string {
	return new URL(resource).origin + metadataPathOf(resource);
}

export function metadataPathOf(resource: string): string {
	const { pathname } = new URL(resource);
	return wellKnown + (pathname === "/" ? "" : pathname);
}
