import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { afterEach, beforeEach, describe, test } from "node:test";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { createApiKey } from "../../src/config/keys/auth-hash.ts";
import { type ShownJob, serveJobs } from "../kit/jobs.ts";
import type { ServedGateway } from "../kit/serve.ts";
import { testPair, trusting } from "../kit/transport.ts";
import { frame, handshake, opcodes } from "../kit/websocket.ts";

/** A port that asks for a certificate and takes none as well: over both versions, with WebSockets, with jobs, and beside other credentials. */

const pem = (name: string) =>
	readFileSync(new URL(`certificates/${name}`, import.meta.url), "utf8");

const pair = (name: string) => ({
	...{ cert: pem(`${name}.pem`), key: pem(`${name}.key`) },
});

type Own = {
	readonly cert?: string;
	readonly key?: string;
	readonly servername?: string;
	readonly checkServerIdentity?: () => undefined;
};

const [listed, unlisted, none] = [pair("orders"), pair("billing"), {}];
const apiKey = createApiKey();
const spiffe = "spiffe://example/ns/shop/sa/orders";

const config = `
server:
  tls:
    cert: "\${env.CERT}"
    key: "\${env.KEY}"
    clientCa: "\${env.CA}"
    clientCert: optional
    sni: { "*.example.org": { cert: "\${env.CERT}", key: "\${env.KEY}" } }
auth:
  machines: { mtls: { names: "URI:${spiffe}" } }
  partners: { keys: { list: [{ name: acme, hash: "${apiKey.hash}" }] } }
channels: { orders: { message: { type: object } } }
routes:
  GET /open: { respond: 1 }
  GET /me: { auth: machines, respond: "\${auth.sub}" }
  GET /any: { auth: [machines, partners], respond: "\${auth.sub}" }
  POST /any: { auth: [machines, partners], respond: "\${auth.sub}" }
  POST /jobs: { auth: machines, job: { always: true }, respond: "\${auth.sub}" }
  GET /orders: { auth: [machines, partners], listen: orders }
  POST /orders:
    auth: [machines, partners]
    request: { body: { type: object } }
    steps: { told: { publish: orders, message: { from: "\${auth.sub}" } } }
    respond: "\${told}"
`;

let stack: AsyncDisposableStack;
let served: ServedGateway;

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	const env = { CERT: testPair.cert, KEY: testPair.key };
	served = await serveJobs(config, "", { ...env, CA: pem("machines-ca.pem") });
	stack.use(served);
});
afterEach(() => stack.disposeAsync());

interface Asked {
	readonly path: string;
	readonly method?: string;
	readonly fields?: Readonly<Record<string, string>>;
}

interface Got {
	readonly status: number;
	readonly json: unknown;
}

function connected(options: ConnectionOptions): TLSSocket {
	const { port } = new URL(served.url);
	const socket = connect({
		...trusting,
		...{ port: Number(port), host: "127.0.0.1" },
		...{ ALPNProtocols: ["http/1.1"], ...options },
	});
	stack.defer(() => void socket.destroy());
	socket.on("error", () => {});
	return socket;
}

async function over1(own: Own, { path, method = "GET", fields = {} }: Asked) {
	const socket = connected(own);
	let text = "";
	socket.on("data", (bytes) => {
		text += bytes;
	});
	const lines = Object.entries({
		...{ host: "localhost", connection: "close" },
		...(method === "POST" && { "content-length": "0" }),
		...fields,
	}).map(([name, value]) => `${name}: ${value}\r\n`);
	socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
	await new Promise((resolve) => socket.once("close", resolve));
	const [head = "", body = ""] = text.split("\r\n\r\n");
	return {
		status: Number(head.split(" ")[1] ?? Number.NaN),
		json: body === "" ? null : JSON.parse(body),
	};
}

function session(own: Own): ClientHttp2Session {
	const one = connectHttp2(served.url, { ...trusting, ...own });
	stack.defer(() => one.destroy());
	one.on("error", () => {});
	return one;
}

async function askIn(
	one: ClientHttp2Session,
	{ path, method = "GET", fields = {} }: Asked,
): Promise<Got> {
	const stream = one.request({
		...{ ":path": path, ":method": method, ...fields },
	});
	stream.end();
	let status = Number.NaN;
	let body = "";
	stream.on("error", () => {});
	stream.on("response", (head) => {
		status = Number(head[":status"]);
	});
	stream.on("data", (bytes) => {
		body += bytes;
	});
	await new Promise((resolve) => stream.once("close", resolve));
	return { status, json: body === "" ? null : JSON.parse(body) };
}

const over2 = (own: Own, asked: Asked) => askIn(session(own), asked);

const versions = { "HTTP/1.1": over1, "HTTP/2": over2 };
const keyed = { "x-api-key": apiKey.key };

for (const [version, ask] of Object.entries(versions)) {
	describe(`a certificate that is optional, over ${version},`, () => {
		test("lets its client in, and nobody without", async () => {
			for (const [own, path, status] of [
				[listed, "/me", 200],
				[unlisted, "/me", 401],
				[none, "/me", 401],
				[listed, "/open", 200],
				[unlisted, "/open", 200],
				[none, "/open", 200],
			] as const) {
				assert.equal((await ask(own, { path })).status, status, path);
			}
			for (const name of ["self-signed", "impostor", "expired"]) {
				const { status } = await ask(pair(name), { path: "/open" });
				assert.equal(status, Number.NaN, name);
			}
		});

		test("is judged alike for a host that has a certificate of its own", async () => {
			const host = {
				servername: "a.example.org",
				checkServerIdentity: () => undefined,
			};
			for (const [own, status] of [
				[listed, 200],
				[unlisted, 401],
				[none, 401],
				[pair("self-signed"), Number.NaN],
				[pair("impostor"), Number.NaN],
			] as const) {
				const got = await ask({ ...own, ...host }, { path: "/me" });
				assert.equal(got.status, status);
			}
		});

		test("is one of several credentials, and the first that knows its client counts", async () => {
			for (const [own, fields, sub] of [
				[listed, {}, spiffe],
				[listed, keyed, spiffe],
				[unlisted, keyed, "acme"],
				[none, keyed, "acme"],
				[none, {}, null],
			] as const) {
				const { status, json } = await ask(own, { path: "/any", fields });
				assert.equal(status, sub === null ? 401 : 200);
				if (sub !== null) assert.equal(json, sub);
			}
		});

		test("is what browsers send by themselves: another site's page writes nothing with it, and a key's does", async () => {
			const write = (own: Own, more: object, origin: string) =>
				ask(own, {
					...{ path: "/any", method: "POST" },
					fields: { origin, ...more },
				});
			const foreign = "https://evil.test";
			const refused = await write(listed, {}, foreign);
			assert.equal(refused.status, 403);
			assert.equal((refused.json as { code: string }).code, "foreign_origin");
			assert.equal((await write(listed, keyed, foreign)).status, 403);
			assert.equal((await write(none, keyed, foreign)).status, 200);
			assert.equal((await write(unlisted, keyed, foreign)).status, 200);
		});

		test("has jobs of its own, which nobody else sees, ends or reads", async () => {
			const path = "/jobs";
			const begin = { path, method: "POST" };
			assert.equal((await ask(none, begin)).status, 401);
			assert.equal((await ask(unlisted, begin)).status, 401);
			const begun = await ask(listed, begin);
			assert.equal(begun.status, 202);
			let job = begun.json as ShownJob;
			const { url } = job;
			for (const [own, fields] of [
				[none, {}],
				[unlisted, {}],
				[none, keyed],
			] as const) {
				assert.equal((await ask(own, { path: url, fields })).status, 404);
				const end = { path: url, method: "DELETE", fields };
				assert.equal((await ask(own, end)).status, 404);
			}
			while (job.answer === null) {
				const fields = { prefer: "wait=5" };
				job = (await ask(listed, { path: url, fields })).json as ShownJob;
			}
			const { answer } = job;
			assert.equal((await ask(listed, { path: answer })).json, spiffe);
			assert.equal((await ask(none, { path: answer })).status, 404);
			assert.equal((await ask(unlisted, { path: answer })).status, 404);
			// It is the same client over the other version.
			for (const other of Object.values(versions)) {
				assert.equal((await other(listed, { path: url })).status, 200);
			}
		});

		test("is asked for by the events of a channel, whatever else comes over the connection", async () => {
			const fields = { accept: "text/event-stream" };
			for (const own of [none, unlisted]) {
				const { status } = await ask(own, { path: "/orders", fields });
				assert.equal(status, 401);
			}
		});
	});
}

test("many streams of one connection are one client, with a certificate and without", async () => {
	for (const [own, status] of [
		[listed, 200],
		[none, 401],
		[unlisted, 401],
	] as const) {
		const one = session(own);
		const paths = ["/me", "/open", "/me", "/open", "/me"];
		const all = await Promise.all(paths.map((path) => askIn(one, { path })));
		assert.deepEqual(
			all.map((got) => got.status),
			[status, 200, status, 200, status],
		);
		// A key that one stream brings is not the next one's.
		const fields = keyed;
		const { json } = await askIn(one, { path: "/any", fields });
		assert.equal(json, own === listed ? spiffe : "acme");
		assert.equal((await askIn(one, { path: "/any" })).status, status);
	}
});

describe("a session that began without a certificate", () => {
	for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
		test(`stays without one when it is resumed, by ${maxVersion}`, async () => {
			const status = async (socket: TLSSocket) => {
				let text = "";
				socket.on("data", (bytes) => {
					text += bytes;
				});
				socket.write(
					"GET /me HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
				);
				await once(socket, "close");
				return text.slice(9, 12);
			};
			const first = connected({ maxVersion });
			const told = once(first, "session");
			assert.equal(await status(first), "401");
			const [ticket] = (await told) as [Buffer];
			const options = { ...listed, maxVersion, session: ticket };
			const second = connected(options);
			await once(second, "secureConnect");
			assert.ok(second.isSessionReused());
			assert.equal(await status(second), "401");
		});
	}
});

describe("a WebSocket where a certificate is optional", () => {
	/** What comes over it until the text is there, or until it ends. */
	async function opened(own: Own, more: readonly string[], text: string) {
		const socket = connected(own);
		let heard = "";
		const done = new Promise<void>((resolve) => {
			socket.on("data", (bytes) => {
				heard += bytes.toString("latin1");
				if (heard.includes(text)) resolve();
			});
			socket.once("close", () => resolve());
		});
		socket.write(handshake("/orders", more));
		await once(socket, "data");
		socket.write(frame(opcodes.text, JSON.stringify({ id: 1, body: {} })));
		await done;
		return heard;
	}

	test("is its client's, in each message", async () => {
		const from = `"from":"${spiffe}"`;
		const heard = await opened(listed, [], from);
		assert.match(heard, /^HTTP\/1\.1 101 /);
		assert.ok(heard.includes(from), heard);
	});

	test("may be opened by another credential without one, and is then that client's", async () => {
		const line = [`x-api-key: ${apiKey.key}`];
		for (const own of [none, unlisted]) {
			const heard = await opened(own, line, '"from":"acme"');
			assert.match(heard, /^HTTP\/1\.1 101 /);
			assert.ok(heard.includes('"from":"acme"'), heard);
		}
	});

	test("is refused without any, and from another site's page with one", async () => {
		assert.match(await opened(none, [], "}"), /^HTTP\/1\.1 401 /);
		assert.match(await opened(unlisted, [], "}"), /^HTTP\/1\.1 401 /);
		const foreign = ["origin: https://evil.test"];
		assert.match(await opened(listed, foreign, "}"), /^HTTP\/1\.1 403 /);
	});
});
