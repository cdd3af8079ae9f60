import crypto from "node:crypto";
import type { IdentityValues } from "../auth/identity.ts";
import { printJson } from "../core/json.ts";

/**
 * Who asks, as a text that tells clients apart. Only who has made a job may see it. Null if that is not known: then whoever
 * has the job's id may, which nobody can guess. A token that names nobody is told from others by its claims.
 */
export function ownerOf(identity: Partial<IdentityValues> = {}): string | null {
	const { by, sub = null, claims } = identity;
	if (by === undefined) return null;
	if (sub !== null) return JSON.stringify([by, sub]);
	const digest = crypto.hash("sha256", printJson(claims), "base64url");
	return JSON.stringify([by, null, digest]);
}

/** The name under `auth` by which an owner is known. */
export function authOfOwner(owner: string): string {
	const [by] = JSON.parse(owner) as [string];
	return by;
}
