import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AuthChanged } from "../../src/core/events.ts";
import {
	type Behaviour,
	type Reply,
	type TestGateway,
	testGateway,
} from "../kit/gateway.ts";
import {
	askAtOnce,
	askThrough,
	bearer,
	claimsWith,
	createIssuerKey,
	type IssuerKey,
	issuer,
	signed,
} from "../kit/tokens.ts";

const first = createIssuerKey("first", "ES256");
const second = createIssuerKey("second", "ES256");
const third = createIssuerKey("third", "ES256");

const setOf = (...keys: readonly IssuerKey[]): Reply => ({
	json: { keys: keys.map(({ jwk }) => jwk) },
});

/** A gateway whose issuer answers as it is told to. */
function gatewayWith(reply: () => Reply, rules: object = {}) {
	const told: AuthChanged[] = [];
	const behave: Behaviour = ({ upstream }) =>
		upstream === "auth others" ? setOf(third) : reply();
	const audience = "https://api.test";
	const gateway = testGateway(
		{
			auth: {
				users: {
					jwt: { issuer, audience, jwks: "https://login.test/keys", ...rules },
				},
				others: {
					jwt: {
						...{ issuer: "https://others.test", audience },
						jwks: "https://others.test/keys",
					},
				},
			},
			routes: {
				"GET /me": { auth: ["users", "others"], respond: "${auth.sub}" },
				"GET /open": { respond: 1 },
			},
		},
		behave,
	);
	gateway.gateway.events.authChanged.push((change) => told.push(change));
	return { gateway, told };
}

const asked = ({ calls }: TestGateway) =>
	calls.filter(({ upstream }) => upstream === "auth users").length;

const ask = (gateway: TestGateway, key: IssuerKey, others = {}) =>
	askThrough(gateway, "/me", {
		headers: bearer(signed(key, claimsWith({ exp: endS, ...others }))),
	});

const askNow = (gateway: TestGateway, key: IssuerKey, others = {}) =>
	askAtOnce(gateway, "/me", {
		headers: bearer(signed(key, claimsWith({ exp: endS, ...others }))),
	});

/** Later than any virtual time of these tests. */
const endS = Math.floor(Date.now() / 1000) + 3 * 86_400;

const away: Reply = { status: 500, text: "no" };
const hour = 3_600_000;

describe("the keys of an issuer", () => {
	test("are fetched at start, before anybody asks", async () => {
		const { gateway } = gatewayWith(() => setOf(first));
		await gateway.clock.settle();
		await gateway.gateway.settled;
		assert.equal(asked(gateway), 1);
		assert.equal((await ask(gateway, first)).status, 200);
		assert.equal(asked(gateway), 1);
	});

	test("are fetched again in the background, and a key that is gone is good no more", async () => {
		let keys = setOf(first, second);
		const { gateway } = gatewayWith(() => keys);
		const token = bearer(signed(first, claimsWith({ exp: endS })));
		const me = async () =>
			(await askThrough(gateway, "/me", { headers: token })).status;
		assert.equal(await me(), 200);
		keys = setOf(second);
		assert.equal(await me(), 200);
		await gateway.clock.advance(600_000);
		assert.equal(asked(gateway), 2);
		assert.equal(await me(), 401);
		assert.equal((await ask(gateway, second)).status, 200);
	});

	test("hold on for an hour in which the issuer answers nothing, and nobody waits", async () => {
		let reply = setOf(first);
		const { gateway, told } = gatewayWith(() => reply);
		assert.equal((await ask(gateway, first)).status, 200);
		reply = away;
		for (let minutes = 0; minutes < 60; minutes += 10) {
			await gateway.clock.advance(600_000);
			const sent = gateway.clock.now();
			const { status, atMs } = await askNow(gateway, first);
			assert.deepEqual([status, atMs], [200, sent]);
		}
		assert.ok(asked(gateway) < 80, `${asked(gateway)} calls in an hour`);
		assert.deepEqual(
			told.map(({ auth, error }) => [auth, error?.code]),
			[["users", "upstream_status"]],
		);
		reply = setOf(first);
		await gateway.clock.advance(60_000);
		assert.deepEqual(told[1], { auth: "users", error: null });
	});

	test("hold on no longer than `keep`: then it is a 503, for tokens that were good, too", async () => {
		let reply = setOf(first);
		const { gateway } = gatewayWith(() => reply, { keep: "2h" });
		const token = bearer(signed(first, claimsWith({ exp: endS })));
		const me = () => askThrough(gateway, "/me", { headers: token });
		assert.equal((await me()).status, 200);
		reply = away;
		await gateway.clock.advance(2 * hour - 1);
		assert.equal((await me()).status, 200);
		await gateway.clock.advance(60_000);
		const { status, code } = await me();
		assert.deepEqual([status, code], [503, "auth_unavailable"]);
	});

	const garbage: Readonly<Record<string, Reply>> = {
		"an error": away,
		"a page": { text: "<html>log in</html>" },
		nothing: { text: "" },
		"a list": { json: [first.jwk] },
		"other JSON": { json: { keys: "none" } },
		"a redirect": { status: 302, headers: ["location", "https://evil.test/"] },
		"too many keys": { json: { keys: Array(101).fill(first.jwk) } },
		"no connection": { error: new Error("refused") },
	};
	for (const [name, reply] of Object.entries(garbage)) {
		test(`are the old ones if the issuer gives ${name}`, async () => {
			let now = setOf(first);
			const { gateway, told } = gatewayWith(() => now);
			assert.equal((await ask(gateway, first)).status, 200);
			now = reply;
			await gateway.clock.advance(600_000);
			assert.equal(asked(gateway) > 1, true);
			assert.equal((await ask(gateway, first)).status, 200);
			assert.equal(told.length, 1);
		});

		test(`are missed at start if the issuer gives ${name}: a token is a 503, no token a 401`, async () => {
			const { gateway } = gatewayWith(() => reply);
			const { status, code, header } = await ask(gateway, first);
			assert.deepEqual([status, code], [503, "auth_unavailable"]);
			assert.equal(header("retry-after"), "5");
			assert.equal((await askThrough(gateway, "/me")).status, 401);
			assert.equal((await askThrough(gateway, "/open")).status, 200);
		});
	}

	test("are no secrets and no keys for something else", async () => {
		const secret = Buffer.alloc(32, 1).toString("base64url");
		const { gateway } = gatewayWith(() => ({
			json: {
				keys: [
					{ kty: "oct", k: secret, alg: "HS256", kid: "s" },
					{ ...second.jwk, use: "enc" },
					{ ...third.jwk, alg: "RS256" },
					{ kty: "EC", kid: "broken" },
					7,
					first.jwk,
				],
			},
		}));
		assert.equal((await ask(gateway, first)).status, 200);
		assert.equal((await ask(gateway, second)).status, 401);
		assert.equal((await ask(gateway, third)).status, 401);
	});

	test("may be two of one id: each lets in its own tokens, and no stranger's", async () => {
		const [one, two] = [first, second].map((key) => ({ ...key, kid: "same" }));
		const [own, other] = [one, two] as [IssuerKey, IssuerKey];
		const { gateway } = gatewayWith(() => ({
			json: { keys: [own, other].map(({ jwk }) => ({ ...jwk, kid: "same" })) },
		}));
		assert.equal((await ask(gateway, own)).status, 200);
		assert.equal((await ask(gateway, other)).status, 200);
		assert.equal((await ask(gateway, { ...third, kid: "same" })).status, 401);
		const old = { exp: Math.floor(Date.now() / 1000) - 60 };
		assert.equal((await ask(gateway, other, old)).status, 401);
	});

	test("that are none at all are the issuer's word: nobody comes in", async () => {
		const { gateway } = gatewayWith(() => ({ json: { keys: [] } }));
		assert.equal((await ask(gateway, first)).status, 401);
	});

	test("come from a slow issuer: it keeps nobody waiting but new keys", async () => {
		let reply = setOf(first);
		const { gateway } = gatewayWith(() => reply);
		assert.equal((await ask(gateway, first)).status, 200);
		reply = { ...setOf(first, second), afterMs: Number.POSITIVE_INFINITY };
		await gateway.clock.advance(600_000);
		const sent = gateway.clock.now();
		const known = await askNow(gateway, first);
		assert.deepEqual([known.status, known.atMs], [200, sent]);
		const next = gateway.clock.now();
		const unknown = await ask(gateway, second);
		assert.equal(unknown.status, 503);
		assert.ok(unknown.atMs - next <= 3_000, `${unknown.atMs - next} ms`);
	});
});

describe("a token of a key that is not known", () => {
	test("makes its issuer be asked at once, and is good if the key is there", async () => {
		let keys = setOf(first);
		const { gateway } = gatewayWith(() => keys);
		assert.equal((await ask(gateway, first)).status, 200);
		keys = setOf(first, second);
		assert.equal((await ask(gateway, second)).status, 200);
		assert.equal(asked(gateway), 2);
	});

	test("makes its issuer be asked once in ten seconds, whatever comes", async () => {
		const { gateway } = gatewayWith(() => ({ ...setOf(first), afterMs: 5 }));
		assert.equal((await ask(gateway, first)).status, 200);
		const before = asked(gateway);
		const flood = async () => {
			const unknown = (at: number) => ({ ...first, kid: `made-up-${at}` });
			const all = await Promise.all(
				Array.from({ length: 50 }, (_, at) => ask(gateway, unknown(at))),
			);
			assert.ok(all.every(({ status }) => status === 401));
			return asked(gateway) - before;
		};
		assert.equal(await flood(), 1);
		assert.equal(await flood(), 1);
		await gateway.clock.advance(9_000);
		assert.equal(await flood(), 1);
		await gateway.clock.advance(1_000);
		assert.equal(await flood(), 2);
	});

	test("of another issuer never makes this one be asked", async () => {
		const { gateway } = gatewayWith(() => setOf(first));
		assert.equal((await ask(gateway, first)).status, 200);
		const others = { iss: "https://others.test" };
		assert.equal((await ask(gateway, third, others)).status, 200);
		const unknown = { ...third, kid: "made-up" };
		assert.equal((await ask(gateway, unknown, others)).status, 401);
		assert.equal((await ask(gateway, unknown, { iss: "x" })).status, 401);
		assert.equal(asked(gateway), 1);
	});
});

describe("one issuer's trouble", () => {
	test("is never another's", async () => {
		const { gateway } = gatewayWith(() => ({
			afterMs: Number.POSITIVE_INFINITY,
		}));
		await gateway.clock.advance(1);
		const sent = gateway.clock.now();
		const others = { iss: "https://others.test" };
		const { status, atMs } = await askNow(gateway, third, others);
		assert.deepEqual([status, atMs], [200, sent]);
		assert.equal((await ask(gateway, first)).status, 503);
	});
});
