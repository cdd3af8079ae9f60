import {
	createPublicKey,
	createSecretKey,
	type KeyObject,
	type webcrypto,
} from "node:crypto";
import { parseJson } from "./json.ts";

/** The algorithms of signatures (RFC 7518, 3.1; RFC 8037; RFC 9864). `none` is not among them. */
export const jwtAlgorithms = [
	...(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] as const),
	...(["ES256", "ES384", "ES512", "EdDSA", "Ed25519"] as const),
	...(["HS256", "HS384", "HS512"] as const),
] as const;

export type JwtAlgorithm = (typeof jwtAlgorithms)[number];

/** A key that tokens may be signed with, and the algorithms that it is for. No token chooses them. */
interface TokenKey {
	/** Null if it has no id: then it may be meant by any token. */
	readonly kid: string | null;
	readonly algorithms: ReadonlySet<string>;
	readonly key: KeyObject;
}

export interface KeyRules {
	/** Null: each key says it, or its kind does. */
	readonly algorithms: readonly JwtAlgorithm[] | null;
	/** Whether a key may be a secret that both sides know. Never one that is fetched. */
	readonly secrets: boolean;
}

/** A text that holds no keys. Its message never has a part of the text. */
export class KeysUnreadable extends Error {}

/** More keys of one set than this are a mistake, and each costs memory. */
const keysMax = 100;

/** More keys for one token are not tried. */
const triedMax = 4;

/** The keys of one issuer at one time. */
export class KeySet {
	readonly #keys: readonly TokenKey[];

	constructor(keys: readonly TokenKey[]) {
		this.#keys = keys;
	}

	get size(): number {
		return this.#keys.length;
	}

	/** Whether a token that names this key may be signed with one of these. */
	knows(kid: string | null): boolean {
		return this.#keys.some((one) => isNamed(one, kid));
	}

	/** The keys that may have signed such a token. */
	keysFor(kid: string | null, algorithm: string): readonly KeyObject[] {
		return this.#keys
			.filter((one) => isNamed(one, kid) && one.algorithms.has(algorithm))
			.slice(0, triedMax)
			.map(({ key }) => key);
	}
}

function isNamed(one: TokenKey, kid: string | null): boolean {
	return kid === null || one.kid === null || one.kid === kid;
}

/**
 * Reads a JWK set, one JWK, or PEM texts. Keys that are for something else, or that no rule allows, are left out. Throws
 * `KeysUnreadable`.
 */
export function readKeySet(text: string, rules: KeyRules): KeySet {
	const keys = text.includes("-----BEGIN ")
		? pemKeys(text, rules)
		: jwkKeys(text, rules);
	if (keys.length > keysMax) {
		throw new KeysUnreadable(`there are more than ${keysMax} keys`);
	}
	return new KeySet(keys);
}

function pemKeys(text: string, rules: KeyRules): TokenKey[] {
	const blocks = text.match(/-----BEGIN ([^-]+)-----[^-]+-----END \1-----/g);
	if (blocks === null) throw new KeysUnreadable("no PEM text is whole");
	return blocks.map((block) => {
		if (/-----BEGIN [^-]*PRIVATE/.test(block)) {
			throw new KeysUnreadable("a private key stands there, not a public one");
		}
		const key = keyOf(() => createPublicKey(block));
		if (key === null) throw new KeysUnreadable("a PEM text holds no key");
		return withAlgorithms(key, null, null, rules);
	});
}

function jwkKeys(text: string, rules: KeyRules): TokenKey[] {
	const jwks = listOf(jsonOf(text));
	if (jwks === null) {
		throw new KeysUnreadable("it is no JWK set: a map with `keys`");
	}
	return jwks.flatMap((jwk) => {
		const one = tokenKeyOf(jwk, rules);
		return one !== null && one.algorithms.size > 0 ? [one] : [];
	});
}

function jsonOf(text: string): unknown {
	try {
		return parseJson(text);
	} catch {
		throw new KeysUnreadable("it is neither JSON nor PEM");
	}
}

function listOf(value: unknown): readonly unknown[] | null {
	if (typeof value !== "object" || value === null) return null;
	const { keys, kty } = value as { keys?: unknown; kty?: unknown };
	if (Array.isArray(keys)) return keys;
	return typeof kty === "string" ? [value] : null;
}

/** RFC 7517, 4. Null if it is no key to verify with. */
function tokenKeyOf(jwk: unknown, rules: KeyRules): TokenKey | null {
	if (typeof jwk !== "object" || jwk === null) return null;
	const { kid, alg, use, key_ops, kty } = jwk as Record<string, unknown>;
	if (use !== undefined && use !== "sig") return null;
	if (Array.isArray(key_ops) && !key_ops.includes("verify")) return null;
	const isSecret = kty === "oct";
	if (isSecret && !rules.secrets) return null;
	const key = keyOf(() => (isSecret ? secretOf(jwk) : publicOf(jwk)));
	if (key === null) return null;
	const name = typeof kid === "string" ? kid : null;
	return withAlgorithms(key, name, alg === undefined ? null : alg, rules);
}

function keyOf(make: () => KeyObject): KeyObject | null {
	try {
		return make();
	} catch {
		return null;
	}
}

function publicOf(jwk: object): KeyObject {
	return createPublicKey({ key: jwk as webcrypto.JsonWebKey, format: "jwk" });
}

function secretOf({ k }: { readonly k?: unknown }): KeyObject {
	return createSecretKey(Buffer.from(String(k), "base64url"));
}

function withAlgorithms(
	key: KeyObject,
	kid: string | null,
	own: unknown,
	{ algorithms }: KeyRules,
): TokenKey {
	const possible = algorithmsOf(key);
	const said =
		own === null
			? (algorithms ?? usualOf(possible))
			: possible.filter((one) => one === own || isSame(one, own));
	const allowed = possible.filter(
		(one) => said.includes(one) && (algorithms?.includes(one) ?? true),
	);
	return { kid, key, algorithms: new Set(allowed) };
}

/** RFC 9864: `EdDSA` of a key for Ed25519 is `Ed25519`. */
function isSame(one: string, own: unknown): boolean {
	return own === "EdDSA" || own === "Ed25519"
		? one === "EdDSA" || one === "Ed25519"
		: false;
}

/** An RSA key that does not say it is for RS256 alone, and a secret for nothing. */
function usualOf(possible: readonly JwtAlgorithm[]): readonly JwtAlgorithm[] {
	if (possible.includes("RS256")) return ["RS256"];
	return possible.filter((one) => !one.startsWith("HS"));
}

const rsaAlgorithms = ["RS256", "RS384", "RS512"] as const;
const pssAlgorithms = ["PS256", "PS384", "PS512"] as const;

/** The algorithms that a key of this kind and size can be for (RFC 7518, 3). */
function algorithmsOf(key: KeyObject): readonly JwtAlgorithm[] {
	if (key.type === "secret") {
		const bytes = key.symmetricKeySize ?? 0;
		const fit = { HS256: 32, HS384: 48, HS512: 64 } as const;
		return (["HS256", "HS384", "HS512"] as const).filter(
			(one) => bytes >= fit[one],
		);
	}
	const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
	switch (key.asymmetricKeyType) {
		case "rsa":
			return modulusLength >= 2048 ? [...rsaAlgorithms, ...pssAlgorithms] : [];
		case "rsa-pss":
			return modulusLength >= 2048 ? pssAlgorithms : [];
		case "ed25519":
			return ["EdDSA", "Ed25519"];
		case "ec":
			return curves.get(namedCurve ?? "") ?? [];
		default:
			return [];
	}
}

const curves = new Map<string, readonly JwtAlgorithm[]>([
	["prime256v1", ["ES256"]],
	["secp384r1", ["ES384"]],
	["secp521r1", ["ES512"]],
]);
