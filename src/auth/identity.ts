/** Who asks, as expressions read it: `auth.sub`. */
export interface IdentityValues {
	/** The name under `auth` of the config by which the client is known. */
	readonly by: string;
	/** Null if the credentials name nobody. */
	readonly sub: string | null;
	/** Never null, so that `auth.claims.x` of a client without claims is null. */
	readonly claims: Readonly<Record<string, unknown>>;
	readonly scope: readonly string[];
	/** The name of an API key; null for other credentials. */
	readonly key: string | null;
}

/** A client whose credentials are good. */
export interface Identity {
	readonly values: IdentityValues;
	/** When the credentials end, in milliseconds since 1970; null if they do not. */
	readonly untilMs: number | null;
}

/** Why there is no identity. Only `words` say more, and they are for the log. */
export type DenialReason =
	/** There are no credentials of this kind. */
	| "absent"
	| "invalid"
	/** All else about them is right. */
	| "expired"
	/** Nobody can tell now, because the keys are not there. */
	| "unavailable"
	/** Too many are being judged. */
	| "busy";

export class Denial {
	readonly reason: DenialReason;
	readonly words: string;

	constructor(reason: DenialReason, words: string) {
		this.reason = reason;
		this.words = words;
	}
}

export type Judgement = Identity | Denial;

/** The scope that claims give: `scope` is a text with spaces (RFC 8693, 4.2), and some issuers write `scp`, also as a list. */
export function scopeOf(
	claims: Readonly<Record<string, unknown>>,
): readonly string[] {
	const { scope = claims.scp } = claims;
	if (Array.isArray(scope)) {
		return scope.filter((one) => typeof one === "string");
	}
	return typeof scope === "string"
		? scope.split(" ").filter((one) => one !== "")
		: [];
}
