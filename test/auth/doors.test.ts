import assert from "node:assert/strict";
import crypto, { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { describe, mock, test } from "node:test";
import { Passwords } from "../../src/auth/passwords.ts";
import {
	createApiKey,
	hashOfPassword,
} from "../../src/config/keys/auth-hash.ts";
import { realClock } from "../../src/tasks/clock.ts";
import { openScope } from "../../src/tasks/scope.ts";
import { folderWith } from "../kit/cli.ts";
import { testGateway } from "../kit/gateway.ts";
import {
	askThrough,
	bearer,
	claimsWith,
	createIssuerKey,
	issuer,
	signed,
} from "../kit/tokens.ts";

const one = createApiKey();
const two = createApiKey();
const old = createApiKey();
const other = createApiKey();
const password = "correct horse: battery";

/** The least that a config takes: the tests compute a hundred. */
const cheap = { N: 2 ** 14, r: 8, p: 1 };

const basicOf = (pair: string) => [
	...["authorization", `Basic ${Buffer.from(pair).toString("base64")}`],
];

const doors = {
	partners: {
		keys: {
			list: [
				{ name: "acme", hash: one.hash, claims: { scope: "read write" } },
				{ name: "acme", hash: two.hash, expires: "2999-01-01" },
				{ name: "initech", hash: old.hash, expires: "2020-01-01" },
				{ name: "umbrella", hash: other.hash, claims: { sub: "u-1" } },
			],
		},
	},
	staff: {
		basic: {
			list: [
				{
					name: "ada",
					hash: hashOfPassword(password, cheap),
					claims: { admin: true },
				},
			],
		},
	},
};

const gateway = testGateway({
	auth: doors,
	upstreams: { api: { url: "http://api.test" } },
	defaults: { auth: "partners" },
	routes: {
		"GET /me": { respond: "${auth}" },
		"GET /open": { auth: false, respond: 1 },
		"GET /both": { auth: ["partners", "staff"], respond: "${auth.sub}" },
		"GET /staff": { auth: "staff", respond: "${auth}" },
		"POST /write": {
			request: { body: { type: "object" } },
			respond: "${body}",
		},
		"GET /of/{id}": {
			require: "${auth.sub === params.id}",
			respond: 1,
		},
		"GET /deep": {
			require: "${auth.claims.roles.includes('x')}",
			respond: 1,
		},
		"GET /call": {
			steps: { a: { get: "api/of/${auth.sub}" } },
			respond: "${a}",
		},
	},
});

const ask = (path: string, headers: readonly string[] = []) =>
	askThrough(gateway, path, { headers });
const keyed = ({ key }: { readonly key: string }) => ["x-api-key", key];

describe("an API key", () => {
	test("lets in, as who its entry says", async () => {
		assert.deepEqual((await ask("/me", keyed(one))).json, {
			by: "partners",
			sub: "acme",
			claims: { scope: "read write" },
			scope: ["read", "write"],
			key: "acme",
		});
	});

	test("may have another of the same name beside it", async () => {
		const answers = await Promise.all(
			[one, two].map(async (key) => (await ask("/me", keyed(key))).json),
		);
		const names = answers.map((one) => (one as { key: string }).key);
		assert.deepEqual(names, ["acme", "acme"]);
	});

	test("may stand for somebody else", async () => {
		const { sub, key } = (await ask("/me", keyed(other))).json as {
			sub: string;
			key: string;
		};
		assert.deepEqual([sub, key], ["u-1", "umbrella"]);
	});

	const { key } = one;
	const bad: Readonly<Record<string, readonly string[]>> = {
		"that is missing": [],
		"that is empty": ["x-api-key", ""],
		"that has expired": keyed(old),
		"of another secret": ["x-api-key", key.slice(0, -4) + "AAAA"],
		"of another beginning": [
			"x-api-key",
			`sluice_${other.hash.split(":")[1]}_${key.split("_").slice(2).join("_")}`,
		],
		"that is only a beginning": ["x-api-key", key.slice(0, 15)],
		"that is its own hash": ["x-api-key", one.hash],
		"that is its digest": ["x-api-key", one.hash.split(":")[2] ?? ""],
		"with more behind it": ["x-api-key", `${key}A`],
		"with a space before it": ["x-api-key", ` ${key}`],
		"in another case": ["x-api-key", key.toUpperCase()],
		"that is given twice": [...keyed(one), ...keyed(one)],
		"in another field": ["x-key", key],
		"as a bearer token": bearer(key),
		"that is nobody's": keyed(createApiKey()),
		"that is a name of an object": ["x-api-key", "__proto__"],
		"that is long": ["x-api-key", "x".repeat(20_000)],
	};
	for (const [name, headers] of Object.entries(bad)) {
		test(`${name} is refused`, async () => {
			const answer = await ask("/me", headers);
			assert.equal(answer.status, 401, answer.text);
			assert.equal(
				answer.header("www-authenticate"),
				'ApiKey realm="partners", in="header", name="x-api-key"',
			);
		});
	}

	test("stands behind `Bearer` in `authorization`", async () => {
		const list = [{ name: "a", hash: one.hash }];
		const own = testGateway({
			auth: { a: { keys: { list, header: "Authorization" } } },
			routes: { "GET /x": { auth: "a", respond: 1 } },
		});
		const status = async (headers: readonly string[]) =>
			(await askThrough(own, "/x", { headers })).status;
		assert.equal(await status(bearer(key)), 200);
		assert.equal(await status(["authorization", key]), 401);
	});

	test("stands in the query if the config says so", async () => {
		const list = [{ name: "a", hash: one.hash }];
		const own = testGateway({
			auth: { a: { keys: { list, query: "key" } } },
			routes: { "GET /x": { auth: "a", respond: 1 } },
		});
		assert.equal((await askThrough(own, `/x?key=${key}`)).status, 200);
		assert.equal((await askThrough(own, "/x?key=y")).status, 401);
	});
});

describe("a name with a password", () => {
	test("lets in, and again without computing it", async () => {
		const first = await ask("/staff", basicOf(`ada:${password}`));
		assert.deepEqual(first.json, {
			...{ by: "staff", sub: "ada", claims: { admin: true } },
			...{ scope: [], key: null },
		});
		const again = await ask("/staff", basicOf(`ada:${password}`));
		assert.equal(again.status, 200);
	});

	const bad: Readonly<Record<string, readonly string[]>> = {
		"that is wrong": basicOf("ada:wrong"),
		"that is empty": basicOf("ada:"),
		"of another name": basicOf(`eve:${password}`),
		"of a name in large letters": basicOf(`ADA:${password}`),
		"of a name with a blank behind it": basicOf(`ada :${password}`),
		"of a name with a blank before it": basicOf(` ada:${password}`),
		"of a name with a letter of another alphabet": basicOf(`аda:${password}`),
		"of a name in wide letters": basicOf(`ａｄａ:${password}`),
		"of a name with a sign that nobody sees": basicOf(`ada\u200b:${password}`),
		"of a name that an object has": basicOf(`__proto__:${password}`),
		"without a colon": basicOf("ada"),
		"without a name": basicOf(`:${password}`),
		"with a control character": basicOf(`ada:${password}\n`),
		"that is no base64": ["authorization", "Basic ???"],
		"with padding that is wrong": ["authorization", "Basic YWRhOmFkYQ="],
		"that is no UTF-8": [
			"authorization",
			`Basic ${Buffer.from([97, 58, 0xff]).toString("base64")}`,
		],
		"as a bearer token": bearer(
			Buffer.from(`ada:${password}`).toString("base64"),
		),
		"that is missing": [],
	};
	for (const [name, headers] of Object.entries(bad)) {
		test(`${name} is refused`, async () => {
			const answer = await ask("/staff", headers);
			assert.equal(answer.status, 401, answer.text);
			assert.equal(
				answer.header("www-authenticate"),
				'Basic realm="staff", charset="UTF-8"',
			);
		});
	}

	test("takes as long for a name that does not exist as for one that does, whatever each costs", async () => {
		const costs = [2 ** 10, 2 ** 11].map((N) => ({ N, r: 8, p: 1 }));
		const entries = costs.map((cost, at) => ({
			...{ name: `user${at}`, claims: {} },
			hash: { cost, salt: randomBytes(16), digest: randomBytes(32) },
		}));
		const computed = mock.method(crypto, "scrypt");
		syncBuiltinESMExports();
		try {
			const clock = realClock();
			const passwords = new Passwords(entries, clock);
			const other = new Passwords(entries, clock);
			const costOf = async (name: string, asked = passwords) => {
				const pair = { name, password: "wrong" };
				await asked.judge(pair, "127.0.0.1", openScope({ clock }));
				const options = computed.mock.calls.at(-1)?.arguments[3];
				return (options as { N: number }).N;
			};
			for (const { name, hash } of entries) {
				assert.equal(await costOf(name), hash.cost.N);
			}
			const seen = new Map<number, number>();
			for (let at = 0; at < 64; at++) {
				const N = await costOf(`nobody${at}`);
				assert.equal(await costOf(`nobody${at}`), N);
				// Another process, or this one after a restart.
				assert.equal(await costOf(`nobody${at}`, other), N);
				seen.set(N, (seen.get(N) ?? 0) + 1);
			}
			for (const { N } of costs) assert.ok((seen.get(N) ?? 0) > 10, `${N}`);
		} finally {
			mock.restoreAll();
			syncBuiltinESMExports();
		}
	});

	test("is not computed for more than some at a time: others are told to come back", async () => {
		const own = testGateway({
			auth: doors,
			overload: false,
			routes: { "GET /staff": { auth: "staff", respond: 1 } },
		});
		const all = await Promise.all(
			Array.from({ length: 80 }, async (_, at) => {
				const headers = basicOf(`ada:wrong${at}`);
				return (await askThrough(own, "/staff", { headers })).status;
			}),
		);
		const refused = all.filter((status) => status === 503);
		assert.equal(refused.length, 80 - 2 - 64);
		assert.equal(all.filter((status) => status === 401).length, 66);
	});
});

describe("a route with `auth`", () => {
	test("takes what the defaults say, and opens itself again", async () => {
		assert.equal((await ask("/me")).status, 401);
		assert.equal((await ask("/open")).status, 200);
	});

	test("lets in by any of several, and asks for all of them", async () => {
		assert.equal((await ask("/both", keyed(one))).json, "acme");
		const staff = await ask("/both", basicOf(`ada:${password}`));
		assert.equal(staff.json, "ada");
		const wrong = [...keyed(old), ...basicOf(`ada:${password}`)];
		assert.equal((await ask("/both", wrong)).json, "ada");
		const { headers } = await ask("/both");
		const asked = headers.filter(
			(_, at) => at % 2 === 1 && headers[at - 1] === "www-authenticate",
		);
		assert.equal(asked.length, 2);
	});

	test("reads no byte of the body of whoever is not let in", async () => {
		const body = { a: 1 };
		const late = { method: "POST", body, bodyAfterMs: 5_000 };
		const sent = gateway.clock.now();
		const refused = await askThrough(gateway, "/write", late);
		assert.deepEqual([refused.status, refused.atMs], [401, sent]);
		const headers = keyed(one);
		const taken = await askThrough(gateway, "/write", { ...late, headers });
		assert.deepEqual([taken.status, taken.atMs], [200, sent + 5_000]);
	});

	test("asks no upstream for whoever is not let in", async () => {
		const before = gateway.calls.length;
		assert.equal((await ask("/call")).status, 401);
		assert.equal(gateway.calls.length, before);
		assert.equal((await ask("/call", keyed(one))).status, 200);
		assert.equal(gateway.calls.at(-1)?.request.target, "/of/acme");
	});

	test("answers 403 if what it requires does not hold", async () => {
		assert.equal((await ask("/of/acme", keyed(one))).status, 200);
		const answer = await ask("/of/initech", keyed(one));
		assert.equal(answer.status, 403);
		assert.equal(answer.code, "forbidden");
		assert.equal(answer.header("www-authenticate"), null);
	});

	test("answers 401 before 403, and before it says that a value is wrong", async () => {
		assert.equal((await ask("/of/initech")).status, 401);
	});

	test("answers 403 if what it requires cannot be judged", async () => {
		assert.equal((await ask("/deep", keyed(one))).status, 403);
	});

	test("says that its answers belong to one client", async () => {
		const answer = await ask("/me", keyed(one));
		assert.equal(answer.header("cache-control"), "private");
		assert.equal(answer.header("vary"), "x-api-key");
		assert.equal((await ask("/open")).header("cache-control"), null);
	});
});

describe("a token that is good and not enough", () => {
	test("is told that it needs more scope", async () => {
		const key = createIssuerKey("a", "ES256");
		const own = testGateway(
			{
				auth: {
					users: {
						jwt: {
							...{ issuer, audience: "https://api.test" },
							jwks: "https://login.test/keys",
							resource: "https://api.test/v1",
						},
					},
				},
				routes: {
					"GET /x": {
						auth: "users",
						require: "${auth.scope.includes('write')}",
						respond: 1,
					},
				},
			},
			() => ({ json: { keys: [key.jwk] } }),
		);
		const token = (scope: string) => bearer(signed(key, claimsWith({ scope })));
		const ask = (headers: readonly string[], path = "/x") =>
			askThrough(own, path, { headers });
		assert.equal((await ask(token("read write"))).status, 200);
		const answer = await ask(token("read"));
		assert.equal(answer.status, 403);
		const metadata = "https://api.test/.well-known/oauth-protected-resource/v1";
		assert.equal(
			answer.header("www-authenticate"),
			`Bearer realm="users", resource_metadata="${metadata}", error="insufficient_scope"`,
		);
		const document = await ask([], new URL(metadata).pathname);
		assert.deepEqual(document.json, {
			resource: "https://api.test/v1",
			authorization_servers: [issuer],
			bearer_methods_supported: ["header"],
		});
		assert.match(
			String((await ask([])).header("www-authenticate")),
			/^Bearer realm="users", resource_metadata="https:[^"]*\/v1"$/,
		);
	});
});

describe("limits", () => {
	const limited = (rateLimit: unknown) =>
		testGateway({
			auth: doors,
			routes: { "GET /x": { auth: "partners", rateLimit, respond: 1 } },
		});

	test("by identity count each client by itself, whatever its address and its key", async () => {
		const own = limited({ limit: 2, per: "1m", by: "${auth.sub}" });
		const status = async (key: { readonly key: string }) =>
			(await askThrough(own, "/x", { headers: keyed(key) })).status;
		assert.deepEqual(
			[await status(one), await status(two), await status(one)],
			[200, 200, 429],
		);
		assert.equal(await status(other), 200);
	});

	test("by identity do not count whoever is not let in", async () => {
		const own = limited({ limit: 1, per: "1m", by: "${auth.sub}" });
		for (let left = 3; left > 0; left--) {
			assert.equal((await askThrough(own, "/x")).status, 401);
		}
		const { status } = await askThrough(own, "/x", { headers: keyed(one) });
		assert.equal(status, 200);
	});

	test("by address come before the credentials, so that guesses are counted", async () => {
		const own = limited([
			{ limit: 2, per: "1m" },
			{ limit: 5, per: "1m", by: "${auth.sub}" },
		]);
		const guess = ["x-api-key", "sluice_guess"];
		const status = async (headers: readonly string[]) =>
			(await askThrough(own, "/x", { headers })).status;
		assert.deepEqual(
			[await status(guess), await status(guess), await status(keyed(one))],
			[401, 401, 429],
		);
	});
});

describe("a file of keys", () => {
	const entry = (name: string, { hash }: { readonly hash: string }) =>
		`- { name: ${name}, hash: "${hash}" }\n`;

	test("is read again when it changes, and goes on as it was while it is wrong or gone", async () => {
		using folder = folderWith({ "keys.yaml": entry("acme", one) });
		const file = join(folder.path, "keys.yaml");
		const own = testGateway({
			auth: { partners: { keys: { file } } },
			routes: { "GET /x": { auth: "partners", respond: "${auth.key}" } },
		});
		const told: (string | null)[] = [];
		let tell = () => {};
		own.gateway.events.authChanged.push(({ error }) => {
			told.push(error?.message ?? null);
			tell();
		});
		const status = async (key: { readonly key: string }) =>
			(await askThrough(own, "/x", { headers: keyed(key) })).status;
		const look = async (until: () => Promise<boolean>) => {
			while (!(await until())) {
				await own.clock.advance(5_000);
				await new Promise((resolve) => setImmediate(resolve));
			}
		};
		assert.deepEqual([await status(one), await status(two)], [200, 401]);
		writeFileSync(file, entry("acme", two));
		await look(async () => (await status(two)) === 200);
		assert.equal(await status(one), 401);
		writeFileSync(file, "- { name: acme }\n");
		await look(async () => told.length === 1);
		assert.match(String(told[0]), /keys\.yaml: line 1: .*`hash` is missing/);
		assert.equal(await status(two), 200);
		writeFileSync(file, entry("acme", one) + entry("more", two));
		await look(async () => told.length === 2);
		assert.equal(told[1], null);
		assert.deepEqual([await status(one), await status(two)], [200, 200]);
		await own.gateway.close();
		assert.equal(typeof tell, "function");
	});

	test("that is not there keeps a gateway from being made", () => {
		assert.throws(
			() =>
				testGateway({
					auth: { a: { keys: { file: "/nowhere/keys.yaml" } } },
					routes: { "GET /x": { auth: "a", respond: 1 } },
				}),
			{ code: "config_invalid", message: /there is no such file/ },
		);
	});
});
