import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
	closeSync,
	mkdtempSync,
	openSync,
	readFileSync,
	rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import {
	checkText,
	checkValue,
	configOrThrow,
	loadConfig,
} from "../../src/config/load.ts";
import { addKeys } from "../../src/config/secret-values.ts";
import type { GatewayError } from "../../src/core/errors.ts";
import { Secrets } from "../../src/core/secrets.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { realClock } from "../../src/tasks/clock.ts";
import { createLog } from "../../src/telemetry/log/log.ts";
import { folderWith } from "../kit/cli.ts";
import { testPair } from "../kit/transport.ts";

let folder: string;
before(() => {
	folder = mkdtempSync(join(tmpdir(), "hidden-"));
});
after(() => rmSync(folder, { recursive: true }));

let files = 0;

/** The lines that a log writes of these texts. */
async function linesOf(
	texts: readonly string[],
	secrets: Secrets,
	format: "json" | "text",
): Promise<string> {
	const file = join(folder, String(files++));
	const fd = openSync(file, "w");
	const log = createLog(realClock(), { fd, format, colour: false, secrets });
	for (const text of texts) {
		log.error({ code: "internal", message: text, at: { text } }, "failed");
	}
	await log.close();
	closeSync(fd);
	return readFileSync(file, "utf8");
}

const secret = fc.oneof(
	fc.string({ minLength: 8, maxLength: 30 }),
	fc.string({ minLength: 8, maxLength: 30, unit: "grapheme" }),
	fc.base64String({ minLength: 12, maxLength: 40 }),
);

const writings: readonly ((text: string) => string)[] = [
	(text) => text,
	(text) => JSON.stringify({ text }),
	(text) => encodeURIComponent(text),
	(text) => Buffer.from(`user:${text}`).toString("base64"),
	(text) => `\\${text}\\`,
	(text) => `"${text}"`,
	(text) => `\u001b${text}\n`,
];

describe("a log that knows secrets", () => {
	it("has none, whatever they are and wherever they stand, and its JSON is JSON", async () => {
		const places = fc.array(
			fc.tuple(fc.string(), fc.constantFrom(...writings), fc.string()),
			{ minLength: 1, maxLength: 4 },
		);
		await fc.assert(
			fc.asyncProperty(secret, places, async (hidden, around) => {
				const secrets = new Secrets();
				secrets.add(hidden);
				fc.pre(secrets.has(hidden));
				const texts = around.map(
					([first, write, last]) => first + write(hidden) + last,
				);
				const lines = await linesOf(texts, secrets, "json");
				const read = lines
					.trimEnd()
					.split("\n")
					.map((line) => JSON.parse(line));
				assert.equal(read.length, texts.length);
				for (const line of read) {
					assert.ok(!line.message.includes(hidden), line.message);
					assert.ok(!secrets.has(JSON.stringify(line)));
				}
			}),
			{ numRuns: 100 },
		);
	});

	it("has none as text", async () => {
		const secrets = new Secrets();
		secrets.add('a "quoted" secret');
		const lines = await linesOf(['is a "quoted" secret'], secrets, "text");
		assert.match(lines, /internal: is \*\*\*/);
		assert.ok(!lines.includes("quoted"));
	});

	it("writes what it is told if it knows none", async () => {
		const lines = await linesOf(["is a key-1234"], new Secrets(), "json");
		assert.match(lines, /is a key-1234/);
	});
});

describe("what is said of a config", () => {
	const env = { SOME_API_KEY: "key-1234-of-a-service", PORT: "8080" };

	it("has no secret that its author's own code has put into it", () => {
		const config = {
			upstreams: { a: { url: env.SOME_API_KEY, timeout: env.SOME_API_KEY } },
			routes: { "GET /x": { respond: 1, deadline: env.SOME_API_KEY } },
		};
		const { problems, secrets } = checkValue(config, "config", env);
		assert.ok(problems.length >= 2);
		const said = problems.map(({ message }) => message).join("\n");
		assert.ok(said.includes("***") && !said.includes(env.SOME_API_KEY), said);
		assert.equal(secrets.hide(`is ${env.SOME_API_KEY}`), "is ***");
		assert.throws(
			() => configOrThrow(checkValue(config, "config", env)),
			(error: GatewayError) => !error.message.includes(env.SOME_API_KEY),
		);
	});

	it("counts as secret what variables give to keys for secrets, and not what they give to settings", () => {
		const all = {
			HOST: "host-1.example.internal",
			REGION: "eu-west-1-a",
			HEADER: "Value-1-of-header",
			QUERY: "value-1-of-query",
			PART: "part%7E1-of-a-path-that-is-long",
			SHORT: "v1-path",
			USER: "user-1-of-many",
			PASS: "pass-1-word",
			NAMED: "in-a-name-1",
			WAIT: "30000ms",
		};
		const config = {
			upstreams: {
				a: {
					url: "https://${env.HOST}/${env.SHORT}/${env.PART}",
					headers: { "x-key": "Key ${env.HEADER}", "x-name": "${env.NAMED}" },
					query: { key: "${env.QUERY}" },
					timeout: "${env.WAIT}",
					auth: { basic: { user: "${env.USER}", password: "${env.PASS}" } },
				},
			},
			routes: {
				"GET /in-a-name-1/x": { steps: { a: { get: "a/x" } }, respond: "${a}" },
			},
		};
		const { problems, secrets } = checkValue(config, "config", all);
		assert.deepEqual(problems, []);
		const found = Object.entries(all)
			.filter(([, value]) => secrets.has(value))
			.map(([name]) => name);
		assert.deepEqual(found, ["HEADER", "QUERY", "PART", "PASS"]);
		const pair = Buffer.from(`${all.USER}:${all.PASS}`).toString("base64");
		assert.equal(secrets.hide(`Basic ${pair}.`), "Basic ***.");
		assert.ok(secrets.has(decodeURIComponent(all.PART)));
	});

	it("counts as secret what variables are called so, with the keys in them", () => {
		const [, line = ""] = testPair.key.split("\n");
		const account = JSON.stringify({ type: "account", key: testPair.key });
		const all = {
			GOOGLE_CREDENTIALS: account,
			SHOP_API_KEY: "value-1-api",
			shop_password: "value-2-word",
			KEYBOARD: "value-3-none",
			TOKENS_MAX: "value-4-none",
			SIGNING_SECRET: testPair.key,
			MY_ACCESS_TOKEN: testPair.cert,
			OTEL_EXPORTER_OTLP_HEADERS: "a=value-5-here,b=Basic value-6-here",
		};
		const { secrets } = checkValue({}, "config", all);
		const text = `value-1-api value-2-word value-3-none value-4-none value-5-here value-6-here ${line}`;
		const shown = "*** *** value-3-none value-4-none *** *** ***";
		assert.equal(secrets.hide(text), shown);
		assert.equal(secrets.hide(account), "***");
		assert.ok(!secrets.has(testPair.cert));
	});

	it("counts as secret what keys for secrets hold, whatever their variables are called", () => {
		const bytes = randomBytes(24).toString("base64");
		const config = {
			admin: { token: "${env.DOOR}" },
			store: "${env.PLACE}",
			jobs: { secret: "${env.HOOK}" },
			routes: { "POST /x": { job: true, respond: 1 } },
		};
		const { problems, secrets } = checkValue(config, "config", {
			DOOR: "value-1-of-the-door",
			PLACE: "redis://user:value%2D2!word@127.0.0.1:6379",
			HOOK: `whsec_${bytes}`,
		});
		assert.deepEqual(
			problems.filter(({ warning }) => !warning),
			[],
		);
		const text = `value-1-of-the-door value%2D2!word value-2!word ${bytes} 127.0.0.1:6379`;
		assert.equal(secrets.hide(text), "*** *** *** *** 127.0.0.1:6379");
	});

	it("counts as secret what files hold that stand for variables, whatever reads it", () => {
		using files = folderWith({
			url: "https://host-1.example.internal",
			hosts: "host-2.example.internal",
		});
		const config = {
			server: { hosts: "${env.HOSTS}" },
			upstreams: { a: { url: "${env.URL}" } },
			routes: { "GET /x": { steps: { a: { get: "a/x" } }, respond: "${a}" } },
		};
		const { problems, secrets } = checkValue(config, "config", {
			HOSTS_FILE: join(files.path, "hosts"),
			URL_FILE: join(files.path, "url"),
		});
		assert.deepEqual(problems, []);
		const text = "https://host-1.example.internal and host-2.example.internal";
		assert.equal(secrets.hide(text), "*** and ***");
	});

	it("counts as secret the private keys in files, and no certificate", async () => {
		const k = randomBytes(32).toString("base64url");
		const [, line = ""] = testPair.key.split("\n");
		const tls = "tls: { cert: ./cert.pem, key: ./key.pem }";
		const sni = "sni: { b.example: { cert: ./cert.pem, key: ./key.pem } }";
		const users =
			"users: { jwt: { issuer: i, audience: a, keys: ./keys.json, algorithms: [HS256] } }";
		for (const [config, secret] of [
			[`server: { ${tls} }`, line],
			[`server: { tls: { cert: ./cert.pem, key: ./key.pem, ${sni} } }`, line],
			[`upstreams: { a: { url: "https://a.example", ${tls} } }`, line],
			[`auth: { ${users} }\ndefaults: { auth: users }`, k],
		] as const) {
			using files = folderWith({
				"sluice.yaml": `${config}\nroutes: { GET /x: { respond: 1 } }`,
				...{ "cert.pem": testPair.cert, "key.pem": testPair.key },
				"keys.json": JSON.stringify({ kty: "oct", alg: "HS256", k }),
			});
			const file = join(files.path, "sluice.yaml");
			const { problems, secrets } = await loadConfig(file, {});
			const faults = problems.filter(({ warning }) => !warning);
			assert.deepEqual(faults, []);
			assert.equal(secrets.hide(`${secret} is there`), "*** is there", config);
			assert.ok(!secrets.has(testPair.cert));
		}
	});

	it("counts as secret every word that variables give to a header, and none that stands there", () => {
		const config = {
			upstreams: {
				a: {
					url: "https://a.example",
					headers: {
						cookie: "sid=${env.C.slice(1)}; theme=dark-mode-1",
						"x-key": "${env.PAIR}",
					},
				},
			},
			routes: { "GET /x": { steps: { a: { get: "a/x" } }, respond: "${a}" } },
		};
		const { problems, secrets } = checkValue(config, "config", {
			C: "xsession-98765",
			PAIR: "key-1-first, name=key-2-second",
		});
		assert.deepEqual(problems, []);
		assert.equal(
			secrets.hide("session-98765 dark-mode-1 key-1-first key-2-second"),
			"*** dark-mode-1 *** ***",
		);
	});

	it("counts as secret what a client of a token endpoint is sent as, and what its URL holds", () => {
		const config = {
			upstreams: {
				a: {
					url: "https://a.example",
					auth: {
						oauth2: {
							token: "https://b.example/${env.PART}/t?key=${env.KEY}",
							client: "client-1",
							secret: "${env.WORDS}",
						},
					},
				},
			},
			routes: { "GET /x": { steps: { a: { get: "a/x" } }, respond: "${a}" } },
		};
		const { problems, secrets } = checkValue(config, "config", {
			PART: "a-long-part-of-a-path",
			KEY: "key-1-of-url",
			WORDS: "s3cret words~(123)",
		});
		assert.deepEqual(problems, []);
		const sent = Buffer.from("client-1:s3cret+words%7E%28123%29");
		assert.equal(
			secrets.hide(
				`a-long-part-of-a-path key-1-of-url ${sent.toString("base64")}`,
			),
			"*** *** ***",
		);
	});

	it("counts as secret what more names of variables say, and what is in them percent-encoded", () => {
		const all = {
			...{ DB_PASS: "value-1-db", REDIS_PWD: "value-2-re" },
			...{ AUTH_KEY: "value-3-au", STRIPE_KEY: "value-4-st" },
			...{ PWD: "/home/ada-1", MY_PUBLIC_KEY: "value-5-pu" },
			...{ COMPASS: "value-6-co", MONKEY: "value-7-mo" },
			OTEL_EXPORTER_OTLP_HEADERS:
				"authorization=Basic%20dXNlcjp3b3Jk%3D,x-api=k%2B12345678",
		};
		const shown = "value-5-pu value-6-co value-7-mo /home/ada-1";
		const text = `value-1-db value-2-re value-3-au value-4-st dXNlcjp3b3Jk= k+12345678 ${shown}`;
		const stars = "*** *** *** *** *** ***";
		const { secrets } = checkValue({}, "config", all);
		assert.equal(secrets.hide(text), `${stars} ${shown}`);
		// Such a config is shown where it is wrong, too.
		const unread = checkText("a: [", "sluice.yaml", all);
		assert.equal(unread.config, null);
		assert.equal(unread.secrets.hide(text), `${stars} ${shown}`);
	});

	it("counts as secret keys in every spelling that is read", () => {
		const bytes = Buffer.concat([
			Buffer.from("fbffbe", "hex"),
			randomBytes(29),
		]);
		const spellings = [
			...[bytes.toString("base64"), bytes.toString("base64url")],
			bytes.toString("base64").replace("=", ""),
		];
		for (const k of spellings) {
			for (const text of [
				JSON.stringify({ kty: "oct", k }),
				JSON.stringify({ kty: "oct", k }).replaceAll("/", "\\/"),
			]) {
				const secrets = new Secrets();
				addKeys(text, secrets);
				for (const one of spellings) {
					assert.equal(secrets.hide(one).replace("=", ""), "***", text);
				}
			}
		}
		const line = randomBytes(48).toString("base64");
		const secrets = new Secrets();
		addKeys(
			`-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n${line}\n-----END PGP PRIVATE KEY BLOCK-----`,
			secrets,
		);
		assert.equal(secrets.hide(line), "***");
	});
});

describe("gateways of one config", () => {
	it("know their tokens each for itself", async () => {
		const config = configOrThrow(
			checkValue({ routes: { "GET /x": { respond: 1 } } }, "config", {
				API_KEY: "the-key-1",
			}),
		);
		const [one, other] = [createGateway(config), createGateway(config)];
		one.secrets.addToken("token-number-1", {
			...{ nowMs: 0, untilMs: 1e9, ofClient: false },
		});
		assert.equal(one.secrets.hide("the-key-1 token-number-1"), "*** ***");
		assert.equal(other.secrets.hide("the-key-1"), "***");
		assert.ok(!other.secrets.has("token-number-1"));
		assert.ok(!config.secrets.has("token-number-1"));
		await Promise.all([one.close(), other.close()]);
	});
});
