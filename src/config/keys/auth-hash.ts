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

/** Which part of a text that begins as such a hash is wrong; null if it does not begin so. Holds nothing of the text. */
export function faultOfApiKeyHash(text: string): string | null {
	if (!text.startsWith("sha256:")) return null;
	const [, prefix = "", ...rest] = text.split(":");
	if (!/^[A-Za-z0-9]{8}$/.test(prefix)) {
		return "its second part is not 8 letters and digits";
	}
	const digest = rest.join(":");
	if (digest.length === 43) return "its third part is not in base64url";
	return `its third part has ${digest.length} characters instead of 43`;
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

/** The only one that is taken: more of it costs as `ln` does. */
const rOnly = 8;
const pMax = 4;

/** Which part of a text that begins as such a hash is wrong; null if it does not begin so. Holds no salt and no digest. */
export function faultOfPasswordHash(text: string): string | null {
	if (!text.startsWith("$scrypt$")) return null;
	const [cost = "", salt = "", digest = "", ...more] = text.split("$").slice(2);
	const [ln, r, p] = (/^ln=(\d{1,9}),r=(\d{1,9}),p=(\d{1,9})$/.exec(cost) ?? [])
		.slice(1)
		.map(Number);
	if (ln === undefined || r === undefined || p === undefined) {
		return "its second part is not as `ln=15,r=8,p=3`";
	}
	if (ln < lnMin || ln > lnMax) {
		return `its \`ln\` is ${ln} and not from ${lnMin} to ${lnMax}`;
	}
	if (r !== rOnly) return `its \`r\` is ${r} and not ${rOnly}`;
	if (p < 1 || p > pMax) return `its \`p\` is ${p} and not from 1 to ${pMax}`;
	if (!/^[A-Za-z0-9+/]{11,86}$/.test(salt)) {
		return "its salt is not 11 to 86 characters of base64 without `=`";
	}
	if (!/^[A-Za-z0-9+/]{43}$/.test(digest)) {
		return "its digest is not 43 characters of base64 without `=`";
	}
	return more.length > 0
		? "something stands behind its digest"
		: "a number in it begins with 0";
}

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
	if (ln < lnMin || ln > lnMax || r !== rOnly || p < 1 || p > pMax) return null;
	return {
		cost: { N: 2 ** ln, r, p },
		salt: Buffer.from(found[4] as string, "base64"),
		digest: Buffer.from(found[5] as string, "base64"),
	};
}
