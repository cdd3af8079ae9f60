import assert from "node:assert/strict";
import { constants, createHash, privateEncrypt, sign } from "node:crypto";
import { describe, test } from "node:test";
import { testGateway } from "../kit/gateway.ts";
import {
	askThrough,
	audience,
	base64url,
	bearer,
	claimsWith,
	createIssuerKey,
	hmacSigned,
	type IssuerKey,
	issuer,
	signed,
} from "../kit/tokens.ts";

/**
 * What Wycheproof's cases for JSON web signatures do to a good token of each algorithm, done to ours: parts that are changed, missing or
 * too many, signatures of another algorithm, of another padding, and of no key at all.
 */
const keys: readonly IssuerKey[] = [
	createIssuerKey("RS256"),
	createIssuerKey("PS256", "PS256"),
	createIssuerKey("ES256", "ES256"),
	createIssuerKey("EdDSA", "EdDSA"),
];
const stranger = createIssuerKey("stranger", "ES256");
const secret = Buffer.alloc(32, "secret");

const set = {
	keys: [
		...keys.map(({ jwk, algorithm }) => ({ ...jwk, alg: algorithm })),
		{ kty: "oct", kid: "HS256", alg: "HS256", k: secret.toString("base64url") },
	],
};

const gateway = testGateway(
	{
		auth: {
			users: { jwt: { issuer, audience, keys: "${env.KEYS}" } },
		},
		routes: { "GET /x": { auth: "users", respond: 1 } },
	},
	undefined,
	{ KEYS: JSON.stringify(set) },
);

async function statusOf(token: string): Promise<number> {
	const headers = bearer(token);
	return (await askThrough(gateway, "/x", { headers })).status;
}

const good: Readonly<Record<string, () => string>> = {
	...Object.fromEntries(keys.map((key) => [key.kid, () => signed(key)])),
	HS256: () => hmacSigned(secret, claimsWith(), { kid: "HS256" }),
};

type Parts = readonly [head: string, claims: string, signature: string];

function flipped(part: string): string {
	const bytes = Buffer.from(part, "base64url");
	bytes[0] = (bytes[0] ?? 0) ^ 1;
	return bytes.toString("base64url");
}

const changes: Readonly<Record<string, (parts: Parts) => string>> = {
	"a bit of its signature changed": ([a, b, c]) => `${a}.${b}.${flipped(c)}`,
	"no signature": ([a, b]) => `${a}.${b}.`,
	"no signature and no separator": ([a, b]) => `${a}.${b}`,
	"other claims": ([a, , c]) =>
		`${a}.${base64url(claimsWith({ sub: "eve" }))}.${c}`,
	"no claims": ([a, , c]) => `${a}..${c}`,
	"no claims and no separator": ([a, , c]) => `${a}.${c}`,
	"another head": ([a, b, c]) => {
		const head = JSON.parse(Buffer.from(a, "base64url").toString());
		return `${base64url({ ...head, more: 1 })}.${b}.${c}`;
	},
	"no head": ([, b, c]) => `.${b}.${c}`,
	"no head and no separator": ([, b, c]) => `${b}.${c}`,
	"claims alone": ([, b]) => b,
	"claims between separators alone": ([, b]) => `.${b}.`,
	"an empty part more": ([a, b, c]) => `${a}.${b}.${c}.`,
	"a part more": ([a, b, c]) => `${a}.${b}.${c}.x`,
	"`none`, and no signature": ([a, b]) => {
		const head = JSON.parse(Buffer.from(a, "base64url").toString());
		return `${base64url({ ...head, alg: "none" })}.${b}.`;
	},
	"the form of JSON": ([a, b, c]) =>
		JSON.stringify({ protected: a, payload: b, signature: c }),
	"its signature cut short": ([a, b, c]) =>
		`${a}.${b}.${Buffer.from(c, "base64url").subarray(1).toString("base64url")}`,
	"a signature of zeros": ([a, b, c]) =>
		`${a}.${b}.${Buffer.alloc(Buffer.from(c, "base64url").length).toString("base64url")}`,
	"a zero before its signature": ([a, b, c]) =>
		`${a}.${b}.${Buffer.concat([Buffer.alloc(1), Buffer.from(c, "base64url")]).toString("base64url")}`,
};

describe("a signed token", () => {
	for (const [algorithm, token] of Object.entries(good)) {
		test(`of ${algorithm} is good, and nothing that is made of it`, async () => {
			assert.equal(await statusOf(token()), 200);
			for (const [name, change] of Object.entries(changes)) {
				const parts = token().split(".") as unknown as Parts;
				assert.equal(await statusOf(change(parts)), 401, name);
			}
		});
	}

	test("is for the one algorithm of its key", async () => {
		const [rs, ps] = keys as readonly [IssuerKey, IssuerKey];
		const others = ["RS384", "RS512", "PS256", "ES256", "HS256", "EdDSA"];
		for (const alg of others) {
			assert.equal(await statusOf(signed(rs, claimsWith(), { alg })), 401, alg);
		}
		const asOther = { ...rs, algorithm: "PS256" as const };
		assert.equal(await statusOf(signed(asOther)), 401);
		const andBack = { ...ps, algorithm: "RS256" as const };
		assert.equal(await statusOf(signed(andBack)), 401);
	});

	test("is not good by a padding that is almost that of RS256", async () => {
		const { privateKey, kid } = keys[0] as IssuerKey;
		const head = base64url({ alg: "RS256", kid });
		const input = `${head}.${base64url(claimsWith())}`;
		const info = Buffer.from("3031300d060960864801650304020105000420", "hex");
		const digest = createHash("sha256").update(input).digest();
		const length = 256;
		const padded = (inner: Buffer, type = 1, zero = 0) => {
			const fill = Buffer.alloc(length - 3 - inner.length, 0xff);
			return Buffer.concat([
				Buffer.from([0, type]),
				fill,
				Buffer.from([zero]),
				inner,
			]);
		};
		const status = (block: Buffer) => {
			const padding = constants.RSA_NO_PADDING;
			const bytes = privateEncrypt({ key: privateKey, padding }, block);
			return statusOf(`${input}.${bytes.toString("base64url")}`);
		};
		const whole = Buffer.concat([info, digest]);
		assert.equal(await status(padded(whole)), 200);
		const short = Buffer.concat([
			...[Buffer.from([0, 1, 0xff, 0xff, 0]), whole],
			Buffer.alloc(length - 5 - whole.length, 1),
		]);
		const wrong: Readonly<Record<string, Buffer>> = {
			"of another type": padded(whole, 2),
			"without its zero": padded(whole, 1, 1),
			"without the name of its hash": padded(digest),
			"with something behind the hash": short,
			"of another hash": padded(
				Buffer.concat([info, createHash("sha256").update("x").digest()]),
			),
		};
		for (const [name, block] of Object.entries(wrong)) {
			assert.equal(await status(block), 401, name);
		}
	});

	test("of ES256 has the form of the RFC, and no number out of bounds", async () => {
		const { privateKey, kid } = keys[2] as IssuerKey;
		const input = `${base64url({ alg: "ES256", kid })}.${base64url(claimsWith())}`;
		const status = (bytes: Buffer) =>
			statusOf(`${input}.${bytes.toString("base64url")}`);
		const dsaEncoding = "ieee-p1363" as const;
		const raw = sign("sha256", Buffer.from(input), {
			key: privateKey,
			dsaEncoding,
		});
		assert.equal(await status(raw), 200);
		assert.equal(
			await status(sign("sha256", Buffer.from(input), privateKey)),
			401,
		);
		const order = Buffer.from(
			"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
			"hex",
		);
		const [r, s] = [raw.subarray(0, 32), raw.subarray(32)];
		const zero = Buffer.alloc(32);
		const one = Buffer.concat([Buffer.alloc(31), Buffer.from([1])]);
		for (const [a, b] of [
			...[
				[zero, s],
				[r, zero],
				[zero, zero],
				[one, one],
			],
			...[
				[order, s],
				[r, order],
				[order, order],
				[s, r],
			],
		] as const) {
			assert.equal(await status(Buffer.concat([a, b] as Buffer[])), 401);
		}
	});

	test("of a stranger's key is not good, whatever it says of that", async () => {
		for (const kid of [...Object.keys(good), undefined]) {
			for (const jwk of [stranger.jwk, undefined]) {
				const token = signed(stranger, claimsWith(), { kid, jwk });
				assert.equal(await statusOf(token), 401);
			}
		}
	});
});
