import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { loadConfig } from "../../src/config/load.ts";
import { printProblem } from "../../src/config/problem.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { printPlan } from "../../src/plan/print.ts";
import { folderWith } from "../kit/cli.ts";

const read = (name: string) =>
	readFileSync(new URL(`../upstream/tls/${name}.pem`, import.meta.url), "utf8");
const cert = read("cert");
const key = read("key");

/** An https service that asks its clients for a certificate and says whether it trusts it. */
async function startService() {
	const server = createServer(
		{ cert, key, ca: cert, requestCert: true, rejectUnauthorized: false },
		(request, response) => {
			const { authorized } = request.socket as unknown as {
				authorized: boolean;
			};
			response.end(JSON.stringify({ authorized }));
		},
	);
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	return {
		url: `https://localhost:${(server.address() as AddressInfo).port}`,
		async [Symbol.asyncDispose]() {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	};
}

const config = (tls: string) => `
upstreams:
  safe: { url: "\${env.URL}"${tls} }
routes:
  GET /x: { steps: { it: { get: safe/x } } }
`;

async function ask(tls: string, env: Record<string, string> = {}) {
	await using service = await startService();
	using folder = folderWith({
		"sluice.yaml": config(tls),
		"ca.pem": cert,
		"client.pem": cert,
		"client.key": key,
	});
	const all = { URL: service.url, ...env };
	const loaded = await loadConfig(join(folder.path, "sluice.yaml"), all);
	assert.deepEqual(loaded.problems, []);
	assert.ok(loaded.config);
	const gateway = createGateway(loaded.config, { env: all });
	assert.ok(!printPlan(gateway.plan).includes("-----BEGIN"));
	const answer = await gateway.handle({ method: "GET", target: "/x" });
	await gateway.close();
	return JSON.parse(String(answer.body));
}

describe("an upstream's tls", () => {
	it("is not trusted by an authority the machine does not know", async () => {
		assert.equal((await ask("")).code, "upstream_unreachable");
	});

	it("is trusted by the authority in a file beside the config", async () => {
		assert.deepEqual(await ask(", tls: { ca: ./ca.pem }"), {
			authorized: false,
		});
	});

	it("shows a client's own certificate, its key from the environment", async () => {
		const tls =
			', tls: { ca: ca.pem, cert: ./client.pem, key: "${env.CLIENT_KEY}" }';
		assert.deepEqual(await ask(tls, { CLIENT_KEY: key }), { authorized: true });
		assert.deepEqual(await ask(tls, { CLIENT_KEY: "./client.key" }), {
			authorized: true,
		});
	});

	it("is told at its place where a file is none or a half is missing", async () => {
		using folder = folderWith({
			"sluice.yaml": config(", tls: { ca: ./none.pem, cert: ./note.txt }"),
			"note.txt": "no certificate",
		});
		const file = join(folder.path, "sluice.yaml");
		const { config: loaded, problems } = await loadConfig(file, {
			URL: "https://safe.test",
		});
		assert.equal(loaded, null);
		assert.deepEqual(
			problems.map((problem) => printProblem({ ...problem, file: "f" })),
			[
				"f:3:35: `cert` and `key` belong together: write both, or none",
				"f:3:41: ./none.pem cannot be read, or holds no PEM text",
				"f:3:59: ./note.txt cannot be read, or holds no PEM text",
			],
		);
	});

	it("is a text, not a file, in a gateway made inside a program", async () => {
		const routes = { "GET /x": { steps: { it: { get: "safe/x" } } } };
		const make = (ca: string) =>
			createGateway({
				upstreams: { safe: { url: "https://safe.test", tls: { ca } } },
				routes,
			});
		assert.throws(() => make("./ca.pem"), /write the PEM text itself/);
		await make(cert).close();
	});
});

describe("certificates and keys that cannot be used", () => {
	const pem = (kind: string, text: string) =>
		`-----BEGIN ${kind}-----\n${text}\n-----END ${kind}-----\n`;
	const { privateKey, publicKey } = generateKeyPairSync("ec", {
		namedCurve: "P-256",
	});
	const other = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
	const open = publicKey.export({ type: "spki", format: "pem" }).toString();
	const locked = privateKey
		.export({
			type: "pkcs8",
			format: "pem",
			cipher: "aes-256-cbc",
			passphrase: "x",
		})
		.toString();
	for (const [what, texts, message] of [
		["`ca` that is none", { CA: pem("CERTIFICATE", "none") }, /`ca` holds no/],
		[
			"`cert` that is none",
			{ CERT: pem("CERTIFICATE", "none") },
			/`cert` holds no/,
		],
		["`cert` that is a key", { CERT: key }, /`cert` holds no/],
		[
			"`key` that is none",
			{ KEY: pem("PRIVATE KEY", "none") },
			/`key` holds no/,
		],
		["`key` that is public", { KEY: open }, /`key` holds no/],
		["`key` with a passphrase", { KEY: locked }, /without a passphrase/],
		["`key` of another", { KEY: other }, /`key` is not the private key of/],
	] as const) {
		it(`are found when the config is read: a ${what}`, async () => {
			const env = {
				URL: "https://a.test",
				CA: cert,
				CERT: cert,
				KEY: key,
				...texts,
			};
			const inline = `, tls: { ca: "\${env.CA}", cert: "\${env.CERT}", key: "\${env.KEY}" }`;
			const files = ", tls: { ca: ca.pem, cert: cert.pem, key: key.pem }";
			for (const tls of [inline, files]) {
				using folder = folderWith({
					"sluice.yaml": config(tls),
					"ca.pem": env.CA,
					"cert.pem": env.CERT,
					"key.pem": env.KEY,
				});
				const file = join(folder.path, "sluice.yaml");
				const { config: loaded, problems } = await loadConfig(file, env);
				assert.equal(loaded, null);
				assert.deepEqual(problems.length, 1);
				assert.match(problems[0]?.message ?? "", message);
				assert.match(printProblem(problems[0] ?? assert.fail()), /:3:/);
			}
		});
	}

	it("are none of these", async () => {
		using folder = folderWith({
			"sluice.yaml": config(`, tls: { ca: "\${env.CA}" }`),
		});
		const env = { URL: "https://a.test", CA: cert + cert };
		const { problems } = await loadConfig(
			join(folder.path, "sluice.yaml"),
			env,
		);
		assert.deepEqual(problems, []);
	});
});
