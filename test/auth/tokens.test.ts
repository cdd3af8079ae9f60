import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Behaviour, testGateway } from "../kit/gateway.ts";
import {
	askThrough,
	base64url,
	bearer,
	type Claims,
	claimsWith,
	createIssuerKey,
	hmacSigned,
	type IssuerKey,
	issuer,
	signatureOf,
	signed,
} from "../kit/tokens.ts";

const rsa = createIssuerKey("rsa");
const ec = createIssuerKey("ec", "ES256");
const ed = createIssuerKey("ed", "EdDSA");
const pss: IssuerKey = { ...rsa, algorithm: "PS256" };
const strange = createIssuerKey("rsa");

const jwks = { keys: [rsa.jwk, ec.jwk, ed.jwk] };
const behave: Behaviour = () => ({ json: jwks });

/** A gateway whose one route says who asks. */
function gatewayWith(rules: object = {}) {
	return testGateway(
		{
			auth: {
				users: {
					jwt: {
						issuer,
						audience: ["https://api.test", "https://other.test"],
						jwks: "https://login.test/keys",
						...rules,
					},
				},
			},
			routes: { "GET /me": { auth: "users", respond: "${auth}" } },
		},
		behave,
	);
}

const shared = gatewayWith();

async function ask(token: string, gateway = shared) {
	return askThrough(gateway, "/me", { headers: bearer(token) });
}

const nowS = () => Math.floor(Date.now() / 1000);

const pem = rsa.publicKey.export({ type: "spki", format: "pem" });
const der = rsa.publicKey.export({ type: "spki", format: "der" });

/** A token whose parts are changed after it was signed. */
function changed(change: (parts: string[]) => string[]): string {
	return change(signed(rsa).split(".")).join(".");
}

function without(name: string): Claims {
	const { [name]: _, ...others } = claimsWith() as Record<string, unknown>;
	return others;
}

/** The last character of base64url with other bits that nobody reads. */
function otherBits(part: string): string {
	const alphabet =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const last = alphabet.indexOf(part.at(-1) ?? "");
	return part.slice(0, -1) + alphabet[last ^ 1];
}

const good: Readonly<Record<string, () => string>> = {
	"signed with RS256": () => signed(rsa),
	"signed with ES256": () => signed(ec),
	"signed with EdDSA": () => signed(ed),
	"of the algorithm's newer name": () =>
		signed(ed, claimsWith(), { alg: "Ed25519" }),
	"with a list as its audience": () =>
		signed(rsa, claimsWith({ aud: ["https://x.test", "https://api.test"] })),
	"for another audience that is ours": () =>
		signed(rsa, claimsWith({ aud: "https://other.test" })),
	"without a type": () => signed(rsa, claimsWith(), { typ: undefined }),
	"of the type of access tokens": () =>
		signed(rsa, claimsWith(), { typ: "application/at+JWT" }),
	"that ended within the leeway": () =>
		signed(rsa, claimsWith({ exp: nowS() - 2 })),
	"that begins within the leeway": () =>
		signed(rsa, claimsWith({ nbf: nowS() + 2 })),
	"without a key's id, if one key alone fits its algorithm": () =>
		signed(ec, claimsWith(), { kid: undefined }),
	"without a subject": () => signed(rsa, without("sub")),
	"that names where its keys are, which nobody asks": () =>
		signed(rsa, claimsWith(), {
			jku: "https://evil.test/keys",
			x5u: "https://evil.test/x5u",
		}),
};

const bad: Readonly<Record<string, () => string>> = {
	"without a signature, by `none`": () =>
		`${base64url({ alg: "none", typ: "JWT" })}.${base64url(claimsWith())}.`,
	"by `None`": () =>
		`${base64url({ alg: "None", kid: "rsa" })}.${base64url(claimsWith())}.`,
	"by `none` with a signature that is good": () =>
		signed(rsa, claimsWith(), { alg: "none" }),
	"with its signature left out": () =>
		changed(([a, b]) => [`${a}`, `${b}`, ""]),
	"with the public key as a secret (PEM)": () =>
		hmacSigned(String(pem), claimsWith(), { kid: "rsa" }),
	"with the public key as a secret (DER)": () =>
		hmacSigned(der as Buffer, claimsWith(), { kid: "rsa" }),
	"with the modulus as a secret": () =>
		hmacSigned(Buffer.from(String(rsa.jwk.n), "base64url"), claimsWith(), {
			kid: "rsa",
		}),
	"with an empty secret": () => hmacSigned("", claimsWith()),
	"with a key of its own in `jwk`": () =>
		signed(strange, claimsWith(), { jwk: strange.jwk }),
	"with a key of its own in `jwk`, and no id": () =>
		signed(strange, claimsWith(), { jwk: strange.jwk, kid: undefined }),
	"with a certificate of its own in `x5c`": () =>
		signed(strange, claimsWith(), { x5c: ["MIIB"] }),
	"with a certificate of its own at `x5u`": () =>
		signed(strange, claimsWith(), { x5u: "https://login.test/x5u" }),
	"with keys of its own at `jku`": () =>
		signed(strange, claimsWith(), { jku: "https://login.test/keys" }),
	"of another's key with the same id": () => signed(strange),
	"of a key that is there, under another's id": () =>
		signed(ec, claimsWith(), { kid: "rsa" }),
	"with PS256, which its key is not said to be for": () => signed(pss),
	"that says RS256 of a key for ES256": () =>
		signed({ ...rsa, kid: "ec" }, claimsWith()),
	"that asks for an extension": () =>
		signed(rsa, claimsWith(), { crit: ["exp"], exp: nowS() + 60 }),
	"that asks for an unencoded payload": () =>
		signed(rsa, claimsWith(), { crit: ["b64"], b64: false }),
	"with an empty `crit`": () => signed(rsa, claimsWith(), { crit: [] }),
	"of another type": () => signed(rsa, claimsWith(), { typ: "logout+jwt" }),
	"whose type is no text": () => signed(rsa, claimsWith(), { typ: 1 }),
	"whose key's id is no text": () => signed(rsa, claimsWith(), { kid: 1 }),
	"without an algorithm": () => signed(rsa, claimsWith(), { alg: undefined }),
	"whose algorithm is a list": () =>
		signed(rsa, claimsWith(), { alg: ["RS256"] }),
	"that has expired": () => signed(rsa, claimsWith({ exp: nowS() - 60 })),
	"that has expired, by a text": () =>
		signed(rsa, claimsWith({ exp: String(nowS() + 60) })),
	"that is not good yet": () => signed(rsa, claimsWith({ nbf: nowS() + 60 })),
	"without an end": () => signed(rsa, without("exp")),
	"of another issuer": () =>
		signed(rsa, claimsWith({ iss: "https://evil.test/" })),
	"of an issuer without the slash": () =>
		signed(rsa, claimsWith({ iss: "https://login.test" })),
	"of an issuer that is a list": () =>
		signed(rsa, claimsWith({ iss: [issuer] })),
	"without an issuer": () => signed(rsa, without("iss")),
	"for another audience": () =>
		signed(rsa, claimsWith({ aud: "https://evil.test" })),
	"for an audience that ours is the beginning of": () =>
		signed(rsa, claimsWith({ aud: "https://api.test.evil" })),
	"for a list of other audiences": () =>
		signed(rsa, claimsWith({ aud: ["https://a.test", "https://b.test"] })),
	"without an audience": () => signed(rsa, without("aud")),
	"whose subject is a number": () => signed(rsa, claimsWith({ sub: 7 })),
	"with padding": () => changed(([a, b, c]) => [`${a}`, `${b}`, `${c}=`]),
	"with padding in its head": () =>
		changed(([a, b, c]) => [`${a}==`, `${b}`, `${c}`]),
	"with bits that nobody reads changed": () =>
		changed(([a, b, c]) => [`${a}`, `${b}`, otherBits(`${c}`)]),
	"with a space in it": () => changed(([a, b, c]) => [`${a}`, `${b} `, `${c}`]),
	"in plain base64": () => changed((parts) => parts.map((one) => `${one}+/`)),
	"with other claims": () =>
		changed(([a, , c]) => [
			`${a}`,
			base64url(claimsWith({ sub: "eve" })),
			`${c}`,
		]),
	"with another head": () =>
		changed(([, b, c]) => [
			base64url({ alg: "RS256", kid: "rsa" }),
			`${b}`,
			`${c}`,
		]),
	"of two parts": () => changed(([a, b]) => [`${a}`, `${b}`]),
	"of four parts": () => changed((parts) => [...parts, "x"]),
	"that is encrypted, as it seems": () =>
		changed((parts) => [...parts, "x", "y"]),
	"that holds another token": () => signed(rsa, signed(rsa), { cty: "JWT" }),
	"whose claims are a list": () => signed(rsa, [claimsWith()]),
	"whose claims are a text": () => signed(rsa, "ada"),
	"whose claims are no JSON": () => signed(rsa, "{not json"),
	"whose claims nest too deeply": () =>
		signed(rsa, claimsWith({ deep: nested(100) })),
	"whose head is no JSON": () => {
		const input = `${base64url("nothing")}.${base64url(claimsWith())}`;
		return `${input}.${signatureOf(rsa, input)}`;
	},
	"that is huge": () => signed(rsa, claimsWith({ more: "x".repeat(20_000) })),
	"that is nothing": () => "x",
	"that is dots alone": () => "..",
};

function nested(depth: number): unknown {
	return depth === 0 ? 1 : [nested(depth - 1)];
}

describe("a token", () => {
	for (const [name, token] of Object.entries(good)) {
		test(`${name} lets in`, async () => {
			const answer = await ask(token());
			assert.equal(answer.status, 200, answer.text);
			assert.equal((answer.json as { by: string }).by, "users");
		});
	}

	for (const [name, token] of Object.entries(bad)) {
		test(`${name} is refused`, async () => {
			const answer = await ask(token());
			assert.equal(answer.status, 401, answer.text);
			assert.equal(answer.code, "unauthorized");
			assert.match(
				String(answer.header("www-authenticate")),
				/^Bearer realm="users", error="invalid_token", error_description="The token (?:is not valid here|has expired)"$/,
			);
		});
	}

	test("that has expired and is right in all else is told so", async () => {
		const told = async (token: string) =>
			(await ask(token)).header("www-authenticate");
		const old = { exp: nowS() - 60 };
		assert.match(String(await told(signed(rsa, claimsWith(old)))), /expired/);
		assert.doesNotMatch(
			String(await told(signed(strange, claimsWith(old)))),
			/expired/,
		);
	});

	test("asks nobody but its issuer for keys, and that once", () => {
		const targets = shared.calls.map(({ request }) => request.target);
		assert.deepEqual(targets, ["/keys"]);
	});

	test("gives its claims to expressions, with all digits", async () => {
		const claims = claimsWith({
			scope: "orders:read  orders:write",
			tenant: { id: 1 },
			__proto__: null,
		});
		const text = JSON.stringify(claims).replace(
			'"id":1',
			'"id":12345678901234567890',
		);
		const { text: body } = await ask(signed(rsa, text));
		assert.match(body, /"id":12345678901234567890/);
		assert.match(body, /"scope":\["orders:read","orders:write"\]/);
		assert.match(body, /"key":null/);
	});

	test("may have its scope in `scp`, as a list", async () => {
		const { json } = await ask(signed(rsa, claimsWith({ scp: ["a", 1, "b"] })));
		assert.deepEqual((json as { scope: unknown }).scope, ["a", "b"]);
	});

	test("that is missing is asked for without an error", async () => {
		for (const headers of [
			[],
			["authorization", "Basic YTpi"],
			["authorization", "Bearer"],
		]) {
			const answer = await askThrough(shared, "/me", { headers });
			assert.equal(answer.status, 401);
			const told = answer.header("www-authenticate");
			assert.equal(told, 'Bearer realm="users"');
		}
	});

	test("that is given twice is refused, though both are good", async () => {
		const headers = [...bearer(signed(rsa)), ...bearer(signed(rsa))];
		const { status } = await askThrough(shared, "/me", { headers });
		assert.equal(status, 401);
	});

	test("is taken for the scheme in any case", async () => {
		const headers = ["authorization", `bEARER  ${signed(rsa)}`];
		const { status } = await askThrough(shared, "/me", { headers });
		assert.equal(status, 200);
	});

	test("needs an algorithm that the config has, whatever its key is for", async () => {
		const gateway = gatewayWith({ algorithms: ["PS256", "ES256"] });
		assert.equal((await ask(signed(pss), gateway)).status, 200);
		assert.equal((await ask(signed(ec), gateway)).status, 200);
		assert.equal((await ask(signed(rsa), gateway)).status, 401);
		assert.equal((await ask(signed(ed), gateway)).status, 401);
	});

	test("needs the type that the config says", async () => {
		const gateway = gatewayWith({ type: "at+jwt" });
		const typed = (typ?: string) => signed(rsa, claimsWith(), { typ });
		assert.equal((await ask(typed("at+jwt"), gateway)).status, 200);
		assert.equal((await ask(typed("JWT"), gateway)).status, 401);
		assert.equal((await ask(typed(undefined), gateway)).status, 401);
	});

	test("needs the claims that the config says", async () => {
		const claims = { tenant: ["acme", "initech"], admin: true };
		const gateway = gatewayWith({ claims });
		const status = async (own: Claims) =>
			(await ask(signed(rsa, claimsWith(own)), gateway)).status;
		assert.equal(await status({ tenant: "acme", admin: true }), 200);
		assert.equal(await status({ tenant: ["x", "initech"], admin: true }), 200);
		assert.equal(await status({ tenant: "acme" }), 401);
		assert.equal(await status({ tenant: "acme", admin: "true" }), 401);
		assert.equal(await status({ tenant: "umbrella", admin: true }), 401);
	});
});

describe("a token in another place", () => {
	const at = (from: object) => gatewayWith({ from });

	test("is read from a cookie alone", async () => {
		const gateway = at({ cookie: "session" });
		const cookie = ["cookie", `a=1; session=${signed(rsa)}`];
		const ask = (headers: readonly string[]) =>
			askThrough(gateway, "/me", { headers });
		assert.equal((await ask(cookie)).status, 200);
		assert.equal((await ask(bearer(signed(rsa)))).status, 401);
	});

	test("is refused beside another in a cookie of the same name, whichever is first", async () => {
		const gateway = at({ cookie: "session" });
		const [own, other] = [signed(rsa), signed(ec, claimsWith({ sub: "eve" }))];
		const status = async (...lines: readonly string[]) => {
			const headers = lines.flatMap((line) => ["cookie", line]);
			return (await askThrough(gateway, "/me", { headers })).status;
		};
		assert.equal(await status(`session=${own}; session=${other}`), 401);
		assert.equal(await status(`session=${other}; session=${own}`), 401);
		assert.equal(await status(`session=${own}`, `session=${other}`), 401);
		assert.equal(await status(`session=${own}; session=`), 401);
		assert.equal(await status(`session=${own}; a=b; session=${own}`), 200);
		assert.equal(await status(`sessions=${other}; session=${own}`), 200);
		assert.equal(await status(`Session=${other}; session=${own}`), 200);
	});

	test("is in no cookie whose name only looks like that", async () => {
		const gateway = at({ cookie: "__Host-session" });
		const token = signed(rsa);
		const status = async (name: string) => {
			const headers = ["cookie", `${name}=${token}`];
			return (await askThrough(gateway, "/me", { headers })).status;
		};
		assert.equal(await status("__Host-session"), 200);
		assert.equal(await status(" __Host-session\t"), 200);
		for (const blank of ["\u00a0", "\u0085", "\ufeff", "\u2000", "\f", "\v"]) {
			assert.equal(await status(`${blank}__Host-session`), 401);
			assert.equal(await status(`__Host-session${blank}`), 401);
		}
		assert.equal(await status("__host-session"), 401);
	});

	test("is read from a header field without a scheme", async () => {
		const gateway = at({ header: "X-Token" });
		const headers = ["x-token", signed(rsa)];
		assert.equal((await askThrough(gateway, "/me", { headers })).status, 200);
	});

	test("is read from the query, if it stands there once", async () => {
		const gateway = at({ query: "access_token" });
		const token = signed(rsa);
		const one = await askThrough(gateway, `/me?access_token=${token}`);
		assert.equal(one.status, 200);
		const two = `/me?access_token=${token}&access_token=${token}`;
		assert.equal((await askThrough(gateway, two)).status, 401);
	});

	test("is not looked for in the query unless the config says so", async () => {
		const path = `/me?access_token=${signed(rsa)}`;
		assert.equal((await askThrough(shared, path)).status, 401);
	});
});
