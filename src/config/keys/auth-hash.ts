import { createHash, randomBytes, scryptSync } from "node:crypto";

/** An API key as `sluice key` makes it. The first group is how its entry is found; it is no secret. */
export const apiKeyForm = /^sluice_([A-Za-z0-9]{8})_[A-Za-z0-9_-]{43}$/;

/** What is written down of an API key. */
export interface ApiKeyHash {
	readonly prefix: string;
	/** SHA-256: a key is random, so a slow hash would protect nothing more. */
	readonly digest: Buffer;
}

export function apiKeyDigestOf(key: string): Buffer {
	return createHash("sha256").update(key).digest();
}

/** A new key, and what is written down of it. */
export function createApiKey(): {
	readonly key: string;
	readonly hash: string;
} {
	const prefix = letters(8);
	const key = `sluice_${prefix}_${randomBytes(32).toString("base64url")}`;
	const digest = apiKeyDigestOf(key).toString("base64url");
	return { key, hash: `sha256:${prefix}:${digest}` };
}

/** Letters and digits, each as likely as any other. */
function letters(count: number): string {
	let text = "";
	while (text.length < count) {
		text += randomBytes(16)
			.toString("base64")
			.replace(/[^A-Za-z0-9]/g, "");
	}
	return text.slice(0, count);
}

/** Null if the text is no such hash. */
export function readApiKeyHash(text: string): ApiKeyHash | null {
	const [, prefix = "", digest = ""] =
		/^sha256:([A-Za-z0-9]{8}):([A-Za-z0-9_-]{43})$/.exec(text) ?? [];
	const bytes = Buffer.from(digest, "base64url");
	return bytes.length === 32 ? { prefix, digest: bytes } : null;
}

/** What scrypt costs (RFC 7914, 2). */
export interface ScryptCost {
	readonly N: number;
	readonly r: number;
	readonly p: number;
}

/** What is written down of a password. */
export interface PasswordHash {
	readonly cost: ScryptCost;
	readonly salt: Buffer;
	readonly digest: Buffer;
}

/** OWASP, Password Storage Cheat Sheet, 2023: 32 MiB, three times. */
const usual: ScryptCost = { N: 2 ** 15, r: 8, p: 3 };

/** In bytes. */
export function scryptMemory({ N, r }: ScryptCost): number {
	return 128 * N * r;
}

/** The hash of a password in PHC's string form. */
export function hashOfPassword(
	password: string,
	cost: ScryptCost = usual,
): string {
	const salt = randomBytes(16);
	const { N, r, p } = cost;
	const options = { N, r, p, maxmem: 2 * scryptMemory(cost) };
	const digest = scryptSync(password, salt, 32, options);
	return `$scrypt$ln=${Math.log2(N)},r=${r},p=${p}$${unpadded(salt)}$${unpadded(digest)}`;
}

function unpadded(bytes: Buffer): string {
	return bytes.toString("base64").replace(/=+$/, "");
}

/** The least and the most that a password may cost: what is cheaper protects nobody, what is dearer anybody could make the gateway pay. */
const lnMin = 14;
const lnMax = 17;

/** Null if the text is no such hash, or if its cost is out of bounds. */
export function readPasswordHash(text: string): PasswordHash | null {
	const found =
		/^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d)\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{43})$/.exec(
			text,
		);
	if (found === null) return null;
	const [ln, r, p] = [found[1], found[2], found[3]].map(Number) as [
		number,
		number,
		number,
	];
	if (ln < lnMin || ln > lnMax || r !== 8 || p < 1 || p > 4) return null;
	return {
		cost: { N: 2 ** ln, r, p },
		salt: Buffer.from(found[4] as string, "base64"),
		digest: Buffer.from(found[5] as string, "base64"),
	};
}
