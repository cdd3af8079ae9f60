import { createHash } from "node:crypto";
import * as errors from "jose/errors";
import { jwtVerify } from "jose/jwt/verify";
import type { JwtConfig } from "../config/config.ts";
import { parseJson } from "../core/json.ts";
import type { KeySet } from "../core/key-set.ts";
import { Denial, type Identity, type Judgement, scopeOf } from "./identity.ts";

/** What is asked of a token besides its signature. */
export type TokenRules = Pick<
	JwtConfig,
	"issuer" | "audiences" | "claims" | "leewayMs" | "type"
>;

/** The parts of a token that are read before anything of it is believed. */
export interface TokenHead {
	readonly algorithm: string;
	/** Null if it names no key. */
	readonly kid: string | null;
}

type Claims = Readonly<Record<string, unknown>>;

function invalid(words: string): Denial {
	return new Denial("invalid", words);
}

/**
 * Reads the head of a signed token (RFC 7519, RFC 7515). `jku`, `jwk`, `x5u` and `x5c` would let whoever wrote the token
 * choose the key, and are never looked at.
 */
export function headOf(
	token: string,
	{ type }: TokenRules,
): TokenHead | Denial {
	const parts = token.split(".");
	if (parts.length !== 3) {
		return invalid(`a signed token has three parts, this has ${parts.length}`);
	}
	if (!parts.every(isBase64Url)) return invalid("a part is no base64url");
	const head = mapIn(parts[0] as string);
	if (head === null) return invalid("its head is no JSON");
	const { alg, kid = null, typ = "JWT", cty = null, crit, b64 } = head;
	if (typeof alg !== "string") return invalid("it names no algorithm");
	if (kid !== null && typeof kid !== "string") {
		return invalid("its `kid` is no text");
	}
	if (cty !== null) return invalid("it holds another token");
	if (crit !== undefined || b64 !== undefined) {
		return invalid("it asks for an extension (`crit`)");
	}
	if (!isOfType(typ, type)) return invalid("its `typ` is not one of a token");
	return { algorithm: alg, kid };
}

/** Without padding, and with no bits left over: so a token has one form only. */
function isBase64Url(part: string): boolean {
	return Buffer.from(part, "base64url").toString("base64url") === part;
}

function mapIn(part: string): Claims | null {
	try {
		const bytes = Buffer.from(part, "base64url");
		const value = parseJson(utf8.decode(bytes));
		const isMap =
			typeof value === "object" && value !== null && !Array.isArray(value);
		return isMap ? (value as Claims) : null;
	} catch {
		return null;
	}
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** RFC 7515, 4.1.9: a name without a slash is one under `application/`, whatever its case. */
function isOfType(typ: unknown, wanted: string | null): boolean {
	if (typeof typ !== "string") return false;
	const name = typ.toLowerCase().replace(/^application\//, "");
	const known = wanted === null ? ["jwt", "at+jwt"] : [wanted.toLowerCase()];
	return known.includes(name);
}

/** Who a token says that it is from. Nothing of it is believed yet. */
export function issuerOf(token: string): unknown {
	return mapIn(token.split(".")[1] ?? "")?.iss ?? null;
}

/** Judges a token by the keys that may have signed it. */
export async function judgeToken(
	token: string,
	{ algorithm, kid }: TokenHead,
	rules: TokenRules,
	keys: KeySet,
	now: Date,
): Promise<Judgement> {
	const candidates = keys.keysFor(kid, algorithm);
	if (candidates.length === 0) {
		return invalid("there is no key of that id and algorithm");
	}
	let denial = invalid("no key fits");
	for (const key of candidates) {
		try {
			const { payload } = await jwtVerify(token, key, {
				algorithms: [algorithm],
				issuer: rules.issuer,
				audience: [...rules.audiences],
				requiredClaims: ["exp"],
				clockTolerance: rules.leewayMs / 1000,
				currentDate: now,
			});
			return judgeClaims(token, rules, payload.exp as number);
		} catch (error) {
			denial = denialOf(error);
			if (!(error instanceof errors.JWSSignatureVerificationFailed)) break;
		}
	}
	return denial;
}

/** Its words name the claim, never a value. */
function denialOf(error: unknown): Denial {
	if (error instanceof errors.JWTExpired) {
		return new Denial("expired", "the token has expired");
	}
	if (error instanceof errors.JWTClaimValidationFailed) {
		const { claim, reason } = error;
		return invalid(
			reason === "missing"
				? `it has no \`${claim}\``
				: `its \`${claim}\` is not accepted`,
		);
	}
	return invalid(
		error instanceof errors.JWSSignatureVerificationFailed
			? "its signature is not of that key"
			: "it is no token that can be read",
	);
}

/** The signature is good, and `iss`, `aud`, `exp` and `nbf` are. */
function judgeClaims(
	token: string,
	rules: TokenRules,
	expS: number,
): Judgement {
	// Read by our own reader, which keeps the digits of long numbers.
	const claims = mapIn(token.split(".")[1] as string);
	if (claims === null) return invalid("its claims are no JSON");
	const { sub = null } = claims;
	if (sub !== null && typeof sub !== "string") {
		return invalid("its `sub` is no text");
	}
	for (const { name, values } of rules.claims) {
		if (!hasOneOf(Object.hasOwn(claims, name) ? claims[name] : null, values)) {
			return invalid(`its \`${name}\` is not one that is asked for`);
		}
	}
	return {
		values: { by: "", sub, claims, scope: scopeOf(claims), key: null },
		// An instant that no clock can wait for is none.
		untilMs: Math.min(1000 * expS + rules.leewayMs, Number.MAX_SAFE_INTEGER),
	} satisfies Identity;
}

function hasOneOf(claim: unknown, values: readonly unknown[]): boolean {
	const own = Array.isArray(claim) ? claim : [claim];
	return own.some((one) => values.includes(one));
}

/** What stands for a token where it is remembered, so that nothing holds the token itself. */
export function digestOf(token: string): string {
	return createHash("sha256").update(token).digest("base64url");
}
