import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer as createHttps, type ServerOptions } from "node:https";
import { type AddressInfo, createServer, type Server } from "node:net";
import { describe, it } from "node:test";
import { createServer as createTls } from "node:tls";
import { folderWith, sluice } from "../kit/cli.ts";
import { startUpstream } from "../kit/upstream.ts";

const pem = (name: string) =>
	readFileSync(new URL(`../upstream/tls/${name}.pem`, import.meta.url), "utf8");
const cert = pem("cert");
const key = pem("key");

async function listening(server: Server, host = "127.0.0.1") {
	await new Promise<void>((resolve) => server.listen(0, host, resolve));
	return {
		port: (server.address() as AddressInfo).port,
		async [Symbol.asyncDispose]() {
			await new Promise((resolve) => server.close(resolve));
		},
	};
}

const service = (options: ServerOptions = {}, host?: string) =>
	listening(
		createHttps({ cert, key, ...options }, (_, response) => response.end()),
		host,
	);

/** Runs `check --connect` for these upstreams, each a map of YAML. */
async function connect(
	upstreams: Record<string, string>,
	env: Record<string, string> = {},
) {
	const names = Object.keys(upstreams);
	using folder = folderWith({
		"ca.pem": cert,
		"sluice.yaml": `
upstreams:
${names.map((name) => `  ${name}: { timeout: 2s, ${upstreams[name]} }`).join("\n")}
routes:
${names.map((name) => `  GET /${name}: { steps: { a: { get: ${name}/x } } }`).join("\n")}
`,
	});
	const options = { cwd: folder.path, env };
	const command = sluice(["check", "--connect"], options);
	const code = await command.ended;
	return { code, stdout: command.stdout(), stderr: command.stderr() };
}

describe("sluice check --connect", () => {
	it("asks each upstream once for a head, with what every call gets, and takes any status", async () => {
		await using users = await startUpstream((_, response) => {
			response.statusCode = 404;
			response.end();
		});
		const { code, stdout, stderr } = await connect(
			{
				users: `url: "\${env.URL}/v1", query: { key: "\${env.KEY}" }, headers: { x-key: "\${env.KEY}" }, retry: true`,
			},
			{ URL: users.url, KEY: "planted secret" },
		);
		assert.deepEqual([code, stderr], [0, ""]);
		assert.match(
			stdout,
			/^sluice.yaml is valid: 1 route, 1 upstream\nusers answers: 404 in \d+ ms\n$/,
		);
		assert.equal(users.seen.length, 1);
		const { method, target, rawHeaders } = users.seen[0] ?? assert.fail();
		assert.equal(`${method} ${target}`, "HEAD /v1?key=planted+secret");
		assert.ok(rawHeaders.includes("planted secret"));
	});

	it("says of each URL why it does not answer, and exits with 1", async () => {
		await using silent = await listening(
			createServer((socket) => socket.resume()),
		);
		await using users = await startUpstream((_, response) => response.end());
		const hidden = "canary.invalid";
		const { code, stdout, stderr } = await connect(
			{
				users: `urls: ["${users.url}", "http://127.0.0.1:1"]`,
				silent: `url: "http://127.0.0.1:${silent.port}"`,
				hidden: `url: "\${env.URL}"`,
			},
			{ URL: `http://${hidden}` },
		);
		assert.equal(code, 1);
		assert.match(stdout, /^users, URL 1 answers: 200 in \d+ ms$/m);
		const lines = stderr.trim().split("\n");
		assert.equal(
			lines[0],
			"users, URL 2 fails: upstream_unreachable: no answer: connect ECONNREFUSED 127.0.0.1:1",
		);
		assert.equal(
			lines[1],
			"silent fails: upstream_timeout: no answer within 2s",
		);
		assert.match(lines[2] ?? "", /^hidden fails: upstream_\w+: no answer/);
		assert.ok(!(stdout + stderr).includes(hidden));
	});

	it("asks nobody if the config has problems", async () => {
		await using users = await startUpstream((_, response) => response.end());
		const { code } = await connect({ users: `url: "${users.url}", no: 1` });
		assert.equal(code, 2);
		assert.equal(users.seen.length, 0);
	});

	it("tells faults of TLS in words", async () => {
		await using plain = await startUpstream((_, response) => response.end());
		await using own = await service();
		await using elsewhere = await service({}, "127.0.0.2");
		await using wanting = await service({ ca: cert, requestCert: true });
		await using http2 = await listening(
			createTls({ cert, key, ALPNProtocols: ["h2"] }),
		);
		await using alerting = await listening(
			createServer((socket) => {
				socket.on("error", () => {});
				// A fatal alert: unexpected message.
				const alert = Buffer.from([0x15, 3, 1, 0, 2, 2, 10]);
				socket.on("data", () => socket.end(alert));
			}),
		);
		const { port } = new URL(plain.url);
		const trusting = "tls: { ca: ./ca.pem }";
		const { code, stderr } = await connect({
			plain: `url: "https://127.0.0.1:${port}"`,
			untrusted: `url: "https://localhost:${own.port}"`,
			elsewhere: `url: "https://127.0.0.2:${elsewhere.port}", ${trusting}`,
			wanting: `url: "https://localhost:${wanting.port}", ${trusting}`,
			http2: `url: "https://localhost:${http2.port}", ${trusting}`,
			alerting: `url: "http://127.0.0.1:${alerting.port}"`,
		});
		assert.equal(code, 1);
		const lines = stderr.trim().split("\n");
		assert.deepEqual(
			lines.map((line) =>
				line
					.replace(/ fails: \w+: (?:no answer: )?/, ": ")
					.replace(/::1:\d+/, "::1:port"),
			),
			[
				"plain: the upstream does not speak TLS: write `http://`",
				"untrusted: none of its addresses: at 127.0.0.1 no authority that this machine trusts has signed its certificate: sign its certificate or name its CA: `tls: { ca }`, connect ECONNREFUSED ::1:port",
				"elsewhere: its certificate is for other hosts than the one of `url`",
				"wanting: it wants a client's certificate: `tls: { cert, key }`",
				"http2: none of its addresses: at 127.0.0.1 it does not speak HTTP/1.1 over TLS, connect ECONNREFUSED ::1:port",
				"alerting: it speaks TLS: write `https://`",
			],
		);
	});
});
