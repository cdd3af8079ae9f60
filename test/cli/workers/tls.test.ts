import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { request as httpsRequest } from "node:https";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { connect } from "node:tls";
import { ask } from "../../kit/serve.ts";
import { testPair, trusting } from "../../kit/transport.ts";
import { until } from "../../kit/until.ts";
import { type RunningWorkers, startWorkers } from "../../kit/workers.ts";

const pem = (name: string) =>
	readFileSync(
		new URL(`../../server/certificates/${name}`, import.meta.url),
		"utf8",
	);
const renewed = { cert: pem("renewed.pem"), key: pem("renewed.key") };
const ca = [testPair.cert, renewed.cert];

const config = (redirect: number) => `
admin: { port: 0 }
server:
  port: 0
  tls: { cert: cert.pem, key: key.pem, redirect: ${redirect} }
overload: false
routes:
  GET /pid: { steps: { pid: { run: "f.js#pid" } }, respond: "\${pid}" }
`;

async function freePort(): Promise<number> {
	const server = createServer();
	await once(server.listen(0, "127.0.0.1"), "listening");
	const { port } = server.address() as AddressInfo;
	await new Promise((resolve) => server.close(resolve));
	return port;
}

describe("`sluice serve --workers 2` with `tls`", () => {
	let workers: RunningWorkers;
	let redirect: number;
	let port: number;

	before(async () => {
		redirect = await freePort();
		workers = await startWorkers({
			"sluice.yaml": config(redirect),
			"cert.pem": testPair.cert,
			"key.pem": testPair.key,
		});
		port = Number(new URL(workers.url).port);
	});
	after(() => workers?.[Symbol.asyncDispose]());

	/** Which process has answered on a connection of its own, and the last session that it gave. */
	async function asked(before?: Buffer) {
		const options = { host: "127.0.0.1", port, ...trusting, ca };
		const socket = connect({ ...options, ...(before && { session: before }) });
		let session: Buffer | null = null;
		let reused = false;
		socket.once("secureConnect", () => {
			reused = socket.isSessionReused();
		});
		socket.on("session", (given: Buffer) => {
			session = given;
		});
		socket.write(
			"GET /pid HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
		);
		const answer = await text(socket);
		return {
			pid: Number(answer.split("\r\n\r\n")[1]),
			session: session as Buffer | null,
			reused,
		};
	}

	/** By HTTP/1.1 on a connection of its own. */
	async function answeredOnce(): Promise<number> {
		const asking = httpsRequest({
			...{ ...trusting, ca, port, host: "127.0.0.1", path: "/pid" },
			agent: false,
		}).end();
		const [response] = await once(asking, "response");
		assert.equal(response.statusCode, 200);
		return Number(await text(response));
	}

	it("lets a session that one worker has begun go on in the other", async () => {
		const first = await asked();
		assert.ok(workers.pids().includes(first.pid));
		assert.ok(first.session !== null && !first.reused);
		const others = new Set<number>();
		for (let at = 0; at < 100 && others.size < 2; at++) {
			const again = await asked(first.session);
			assert.ok(again.reused);
			others.add(again.pid);
		}
		assert.deepEqual([...others].sort(), workers.pids().sort());
	});

	it("says which port redirects", () => {
		const { command } = workers;
		const line = `\nredirecting from port ${redirect}\n`;
		assert.ok(command.stdout().includes(line), command.stdout());
		assert.equal(workers.lines("started")[0]?.redirect, redirect);
	});

	it("sends clients of http to the port of https, whichever worker has them", async () => {
		for (let at = 0; at < 16; at++) {
			const { status, headers } = await ask(
				`http://127.0.0.1:${redirect}/pid?a=1`,
			);
			assert.equal(status, 308);
			assert.equal(headers.location, `https://127.0.0.1:${port}/pid?a=1`);
		}
	});

	it("takes new certificates under load in each worker, and fails no request", async () => {
		let changed = false;
		const pids = new Set<number>();
		const kept = connectHttp2(workers.url, { ...trusting, ca });
		try {
			const over2 = async () => {
				while (!changed) {
					const stream = kept.request({ ":path": "/pid" });
					const [{ ":status": status }] = await once(stream, "response");
					assert.equal(status, 200);
					await text(stream);
				}
			};
			const over1 = async () => {
				while (!changed) pids.add(await answeredOnce());
			};
			const clients = Promise.all([over1(), over1(), over2()]);
			for (const [name, bytes] of Object.entries(renewed)) {
				const file = join(workers.folder, `${name}.pem`);
				writeFileSync(`${file}.new`, bytes);
				renameSync(`${file}.new`, file);
			}
			const read = () => workers.lines("certificates were read again");
			await Promise.race([until(() => read().length === 2), clients]);
			changed = true;
			await clients;
			assert.equal(new Set(read().map(({ worker }) => worker)).size, 2);
			assert.deepEqual([...pids].sort(), workers.pids().sort());
			for (let at = 0; at < 8; at++) {
				const socket = connect({ host: "127.0.0.1", port, ...trusting, ca });
				await once(socket, "secureConnect");
				const { raw } = socket.getPeerCertificate();
				socket.destroy();
				assert.ok(raw.equals(new X509Certificate(renewed.cert).raw));
			}
			const count = await workers.metric(
				"sluice_tls_certificate_reloads_total",
			);
			assert.equal(count, 2);
			assert.equal(
				await workers.metric("sluice_tls_handshake_failures_total"),
				0,
			);
		} finally {
			changed = true;
			kept.destroy();
		}
	});
});
