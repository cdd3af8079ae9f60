import {
	createHmac,
	generateKeyPairSync,
	type KeyObject,
	sign,
} from "node:crypto";
import type { Answer, AskOptions, TestGateway } from "./gateway.ts";

/** A key pair of an issuer, with its public half as a JWK. */
export interface IssuerKey {
	readonly kid: string;
	readonly algorithm: Algorithm;
	readonly privateKey: KeyObject;
	readonly publicKey: KeyObject;
	readonly jwk: Readonly<Record<string, unknown>>;
}

export type Algorithm = "RS256" | "PS256" | "ES256" | "EdDSA";

/** Keys are dear, so each file of tests makes a few. */
export function createIssuerKey(
	kid: string,
	algorithm: Algorithm = "RS256",
): IssuerKey {
	const { privateKey, publicKey } = pairFor(algorithm);
	const jwk = { ...publicKey.export({ format: "jwk" }), kid, use: "sig" };
	return { kid, algorithm, privateKey, publicKey, jwk };
}

function pairFor(algorithm: Algorithm) {
	switch (algorithm) {
		case "ES256":
			return generateKeyPairSync("ec", { namedCurve: "P-256" });
		case "EdDSA":
			return generateKeyPairSync("ed25519");
		default:
			return generateKeyPairSync("rsa", { modulusLength: 2048 });
	}
}

export type Claims = Readonly<Record<string, unknown>>;

export const issuer = "https://login.test/";
export const audience = "https://api.test";

/** Claims that are accepted, for a minute, with others over them. */
export function claimsWith(others: Claims = {}): Claims {
	const now = Math.floor(Date.now() / 1000);
	return { iss: issuer, aud: audience, sub: "ada", exp: now + 60, ...others };
}

export function base64url(value: unknown): string {
	const text = typeof value === "string" ? value : JSON.stringify(value);
	return Buffer.from(text).toString("base64url");
}

/** A token with this head and these claims, signed by the key; what the head says need not be true. */
export function signed(
	key: IssuerKey,
	claims: unknown = claimsWith(),
	head: Claims = {},
): string {
	const all = { alg: key.algorithm, kid: key.kid, typ: "JWT", ...head };
	const input = `${base64url(all)}.${base64url(claims)}`;
	return `${input}.${signatureOf(key, input)}`;
}

export function signatureOf(
	{ algorithm, privateKey }: IssuerKey,
	input: string,
): string {
	const bytes = Buffer.from(input);
	switch (algorithm) {
		case "ES256":
			return sign("sha256", bytes, {
				key: privateKey,
				dsaEncoding: "ieee-p1363",
			}).toString("base64url");
		case "EdDSA":
			return sign(null, bytes, privateKey).toString("base64url");
		case "PS256":
			return sign("sha256", bytes, {
				key: privateKey,
				padding: 6,
				saltLength: 32,
			}).toString("base64url");
		case "RS256":
			return sign("sha256", bytes, privateKey).toString("base64url");
	}
}

/** A token whose signature is an HMAC. */
export function hmacSigned(
	secret: string | Buffer,
	claims: Claims = claimsWith(),
	head: Claims = {},
): string {
	const all = { alg: "HS256", typ: "JWT", ...head };
	const input = `${base64url(all)}.${base64url(claims)}`;
	const mac = createHmac("sha256", secret).update(input).digest("base64url");
	return `${input}.${mac}`;
}

export function bearer(token: string): readonly string[] {
	return ["authorization", `Bearer ${token}`];
}

/**
 * Asks a test gateway that verifies something on the way: that is computed on a thread, for which a virtual clock does not
 * wait.
 */
export function askThrough(
	gateway: TestGateway,
	target: string,
	options?: AskOptions,
): Promise<Answer> {
	return asked(gateway, target, options, () => gateway.clock.settle());
}

/** The same while the virtual clock stands still: only what needs no time is answered. */
export function askAtOnce(
	gateway: TestGateway,
	target: string,
	options?: AskOptions,
): Promise<Answer> {
	return asked(gateway, target, options, async () => {});
}

async function asked(
	{ send }: TestGateway,
	target: string,
	options: AskOptions | undefined,
	goOn: () => Promise<void>,
): Promise<Answer> {
	const { answer } = send(target, options);
	let isDone = false;
	void answer.then(() => {
		isDone = true;
	});
	while (!isDone) {
		await goOn();
		await new Promise((resolve) => setImmediate(resolve));
	}
	return answer;
}
