import assert from "node:assert/strict";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { TlsConfig } from "../../src/config/config.ts";
import { checkText } from "../../src/config/load.ts";
import { faultsOfTls } from "../../src/config/tls-files.ts";
import { Secrets } from "../../src/core/secrets.ts";
import { folderWith, sluice } from "../kit/cli.ts";

const source = (name: string) =>
	new URL(`../server/certificates/${name}`, import.meta.url).pathname;

let folder: { readonly path: string } & Disposable;

beforeEach(() => {
	folder = folderWith({ "sluice.yaml": "", "text.pem": "no certificate" });
	for (const name of [
		...["chained.pem", "chained.key", "between.pem", "private.pem"],
		...["expired.pem", "expired.key", "example.pem", "example.key"],
		...["weak.pem", "weak.key", "clients-ca.pem", "root.pem"],
		...["client-only.pem", "client-only.key", "other-ca.pem"],
		...["both-uses.pem", "both-uses.key"],
	]) {
		copyFileSync(source(name), join(folder.path, name));
	}
});
afterEach(() => folder[Symbol.dispose]());

const file = (name: string) => ({ file: join(folder.path, name) });

/** One file of several. */
function joined(...names: readonly string[]): string {
	const texts = names.map((name) => readFileSync(source(name), "utf8"));
	writeFileSync(join(folder.path, "joined.pem"), texts.join(""));
	return "joined.pem";
}

const nowMs = Date.parse("2027-06-01");

/** What is wrong, a line each: where, and whether it is only a warning. */
function faults(
	cert: string,
	key: string,
	{ atMs = nowMs, ...more }: Partial<TlsConfig> & { atMs?: number } = {},
): string[] {
	const tls: TlsConfig = {
		...{ cert: file(cert), key: file(key), clientCa: null, sni: [] },
		...{ clientCert: "required", minVersion: "1.2", redirect: null, ...more },
	};
	return faultsOfTls(tls, atMs, new Secrets()).map(
		({ keys, message, warning }) =>
			`${warning ? "warning" : "error"} ${keys.join(".")}: ${message}`,
	);
}

describe("a certificate", () => {
	test("that is right has nothing said of it", () => {
		assert.deepEqual(faults("example.pem", "example.key"), []);
	});

	test("that has expired, or is not valid yet, is warned of", () => {
		assert.deepEqual(faults("expired.pem", "expired.key"), [
			"warning cert: `cert` has expired on 2021-01-01",
		]);
		const untilMs = Date.parse("2021-01-01");
		const at = (atMs: number) => faults("expired.pem", "expired.key", { atMs });
		assert.deepEqual(at(untilMs), []);
		assert.equal(at(untilMs + 1).length, 1);
		assert.deepEqual(at(Date.parse("2019-12-31")), [
			"warning cert: `cert` is not valid before 2020-01-01",
		]);
	});

	test("whose key is another's, or none, is an error", () => {
		assert.deepEqual(faults("example.pem", "expired.key"), [
			"error cert: `key` is not the private key of `cert`",
		]);
		assert.deepEqual(faults("example.pem", "example.pem"), [
			"error cert: `key` holds no private key that can be read without a passphrase",
		]);
	});

	test("that is not for servers is warned of", () => {
		assert.deepEqual(faults("client-only.pem", "client-only.key"), [
			"warning cert: `cert` is not for servers (extendedKeyUsage), so no client takes it",
		]);
		assert.deepEqual(faults("both-uses.pem", "both-uses.key"), []);
	});

	test("that OpenSSL would not serve is an error before the server starts", () => {
		assert.deepEqual(faults("weak.pem", "weak.key"), [
			"error cert: the key or the signature of `cert` is too weak (ERR_SSL_EE_KEY_TOO_SMALL)",
		]);
	});

	test("whose file is not there, is no PEM, or is huge, is an error, and the others are judged", () => {
		writeFileSync(join(folder.path, "huge.pem"), "x".repeat(256 * 1024 + 1));
		for (const name of ["missing.pem", "text.pem", "huge.pem"]) {
			assert.deepEqual(
				faults(name, "missing.key", { clientCa: file("text.pem") }),
				["cert", "key", "clientCa"].map(
					(key) =>
						`error ${key}: the file of \`${key}\` cannot be read, or holds no PEM text`,
				),
			);
		}
	});

	test("for a host of `sni` must name it", () => {
		const own = { cert: file("example.pem"), key: file("example.key") };
		const sni = ["a.example.org", "*.example.org", "shop.test"].map((name) => ({
			...{ name, ...own },
		}));
		assert.deepEqual(faults("example.pem", "example.key", { sni }), [
			"warning sni.shop.test.cert: `cert` is for *.example.org, and not for `shop.test`",
		]);
	});
});

describe("a chain of certificates", () => {
	test("that ends before the certificate of a known authority's issuer is warned of", () => {
		assert.deepEqual(faults("chained.pem", "chained.key"), [
			"warning cert: `cert` ends before the certificate of between, which has issued chained: many clients need it, so name the file of the whole chain, unless it is a root that your clients know",
		]);
		const ends = joined("chained.pem", "between.pem");
		assert.match(
			String(faults(ends, "chained.key")),
			/^warning cert: .* root,/,
		);
		const whole = joined("chained.pem", "between.pem", "root.pem");
		assert.deepEqual(faults(whole, "chained.key"), []);
	});

	test("with one that has expired is warned of, but for a root, of which clients have their own", () => {
		const whole = joined("chained.pem", "between.pem", "root.pem");
		const atMs = Date.parse("2130-01-01");
		assert.deepEqual(faults(whole, "chained.key", { atMs }), [
			"warning cert: `cert` has expired on 2126-11-06",
			"warning cert: between of `cert` has expired on 2126-11-06",
		]);
	});

	test("of an authority of one's own needs no more", () => {
		assert.deepEqual(faults("private.pem", "chained.key"), []);
	});

	test("in the wrong order is warned of", () => {
		const wrong = joined("chained.pem", "root.pem", "between.pem");
		assert.deepEqual(faults(wrong, "chained.key"), [
			"warning cert: `cert` has root behind chained, which is of between: each certificate stands before that of its issuer",
		]);
	});
});

describe("the authorities of clients", () => {
	const told = (clientCa: string, atMs?: number) =>
		faults("both-uses.pem", "both-uses.key", {
			...{ clientCa: file(clientCa), ...(atMs && { atMs }) },
		});

	test("that are right have nothing said of them", () => {
		assert.deepEqual(told(joined("clients-ca.pem", "other-ca.pem")), []);
	});

	test("that have expired are warned of, each by its name", () => {
		assert.deepEqual(told(joined("clients-ca.pem", "expired.pem")), [
			"warning clientCa: expired of `clientCa` has expired on 2021-01-01",
		]);
	});

	test("that cannot be read are warned of, and are an error if there is no other", () => {
		const text = readFileSync(source("other-ca.pem"), "utf8");
		const spoiled = text.replace(/\n[A-Za-z0-9+/]{20}/, "\n????");
		const cut = text.slice(0, 300);
		const own = readFileSync(source("clients-ca.pem"), "utf8");
		for (const second of [spoiled, cut]) {
			writeFileSync(join(folder.path, "two.pem"), own + second);
			assert.deepEqual(told("two.pem"), [
				"warning clientCa: certificate 2 of `clientCa` cannot be read, so clients of it and of those behind it are refused",
			]);
			writeFileSync(join(folder.path, "one.pem"), second);
			assert.deepEqual(told("one.pem"), [
				"error clientCa: `clientCa` holds no certificate that can be read",
			]);
		}
	});
});

test("optional certificates of clients need somebody who issues them", () => {
	const yaml = `server: { tls: { cert: a, key: b, clientCert: optional } }\nroutes: { GET /x: { respond: 1 } }\n`;
	const { problems } = checkText(yaml, "sluice.yaml", {});
	assert.deepEqual(
		problems.map(({ line, message }) => [line, message]),
		[
			[
				1,
				"no client is asked for a certificate: write `clientCa`, the authorities that issue them",
			],
		],
	);
});

test("a version before 1.2 is refused where it stands", () => {
	const yaml = `server: { tls: { cert: a, key: b, minVersion: "1.1" } }\nroutes: { GET /x: { respond: 1 } }\n`;
	const [problem] = checkText(yaml, "sluice.yaml", {}).problems;
	assert.equal(problem?.line, 1);
	assert.match(String(problem?.message), /minVersion.*1\.2/);
});

test("`sluice check` says for whom each certificate is and until when, and fails with an error alone", async () => {
	const checked = async (tls: string) => {
		writeFileSync(
			join(folder.path, "sluice.yaml"),
			`server: { tls: ${tls} }\nroutes: { GET /x: { respond: 1 } }\n`,
		);
		const command = sluice(["check"], { cwd: folder.path });
		const code = await command.ended;
		return { code, text: command.stdout() + command.stderr() };
	};
	const warned = await checked("{ cert: expired.pem, key: expired.key }");
	assert.equal(warned.code, 0, warned.text);
	assert.match(warned.text, /sluice\.yaml:1:.*has expired on 2021-01-01/);
	assert.match(warned.text, /certificate: for localhost, until 2021-01-01/);
	const failed = await checked("{ cert: weak.pem, key: weak.key }");
	assert.notEqual(failed.code, 0);
	assert.match(failed.text, /sluice\.yaml:1:.*too weak/);
});
