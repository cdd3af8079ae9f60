import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { testPair, trusting } from "../kit/transport.ts";
import { gone, startWorkers } from "../kit/workers.ts";

const pem = (name: string) =>
	readFileSync(new URL(`certificates/${name}`, import.meta.url), "utf8");

const pair = (name: string) => ({
	...{ cert: pem(`${name}.pem`), key: pem(`${name}.key`) },
});

const env = {
	...{ CERT: testPair.cert, KEY: testPair.key, CA: pem("machines-ca.pem") },
};

const orders = "URI:spiffe://example/ns/shop/sa/orders";

async function answerTo(socket: TLSSocket): Promise<string> {
	let text = "";
	socket.on("data", (bytes) => {
		text += bytes;
	});
	socket.write(
		"GET /me HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
	);
	await once(socket, "close");
	return text;
}

test("a session that another worker resumes is the client that began it", async () => {
	await using workers = await startWorkers(
		{
			"sluice.yaml": `
admin: { port: 0 }
server:
  port: 0
  hosts: ["*"]
  tls: { cert: "\${env.CERT}", key: "\${env.KEY}", clientCa: "\${env.CA}" }
auth:
  machines: { mtls: { names: ["${orders}", "DNS:billing.internal"] } }
routes:
  GET /me:
    auth: machines
    steps: { pid: { run: "f.js#pid" } }
    respond: { pid: "\${pid}", sub: "\${auth.sub}" }
`,
		},
		{ env },
	);
	const connected = (name: string, session?: Buffer) =>
		connect({
			...{ ...trusting, ...pair(name), ...(session && { session }) },
			...{ port: Number(new URL(workers.url).port), host: "127.0.0.1" },
			ALPNProtocols: ["http/1.1"],
		});
	const first = connected("orders");
	const told = once(first, "session");
	const pidIn = (text: string) => Number(/"pid":(\d+)/.exec(text)?.[1]);
	const begun = pidIn(await answerTo(first));
	const [session] = (await told) as [Buffer];
	// Then the connection comes to the other one.
	process.kill(begun, "SIGKILL");
	await gone(begun);
	const next = connected("billing", session);
	await once(next, "secureConnect");
	assert.ok(next.isSessionReused());
	const text = await answerTo(next);
	assert.match(text, /"sub":"spiffe:.*orders"/);
	assert.notEqual(pidIn(text), begun);
});
