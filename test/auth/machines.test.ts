import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { afterEach, beforeEach, describe, test } from "node:test";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import {
	alternativeNames,
	commonNames,
	nameMeant,
	preparePattern,
} from "../../src/auth/certificate-names.ts";
import type { NamePattern } from "../../src/config/config.ts";
import type { ClientCertificate } from "../../src/core/http/messages.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { testPair, trusting } from "../kit/transport.ts";
import { frame, handshake, opcodes } from "../kit/websocket.ts";

/** Clients that are known by their certificate: first each way to be somebody else, then what is known of one that is let in. */

const pem = (name: string) =>
	readFileSync(new URL(`certificates/${name}`, import.meta.url), "utf8");

const pair = (name: string) => ({
	...{ cert: pem(`${name}.pem`), key: pem(`${name}.key`) },
});

const env = {
	...{ CERT: testPair.cert, KEY: testPair.key, CA: pem("machines-ca.pem") },
};

const config = (mtls: string) => `
server: { tls: { cert: "\${env.CERT}", key: "\${env.KEY}", clientCa: "\${env.CA}" } }
auth:
  machines: { mtls: ${mtls} }
channels: { orders: { message: { type: object } } }
routes:
  GET /me: { auth: machines, respond: "\${auth}" }
  GET /orders: { auth: machines, listen: orders }
  POST /orders:
    auth: machines
    request: { body: { type: object } }
    steps: { told: { publish: orders, message: { from: "\${auth.sub}" } } }
    respond: "\${told}"
`;

const orders = "URI:spiffe://example/ns/shop/sa/orders";

let stack: AsyncDisposableStack;
let served: ServedGateway;

beforeEach(() => {
	stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

async function open(mtls = `{ names: "${orders}" }`): Promise<void> {
	served = await serve(config(mtls), env);
	stack.use(served);
}

function connected(options: ConnectionOptions): TLSSocket {
	const { port } = new URL(served.url);
	const socket = connect({
		...trusting,
		...{ port: Number(port), host: "127.0.0.1", ...options },
	});
	stack.defer(() => void socket.destroy());
	socket.on("error", () => {});
	return socket;
}

/** What comes over a connection of HTTP/1.1 until it ends; empty if nothing does. */
async function answerTo(socket: TLSSocket, lines = ""): Promise<string> {
	let text = "";
	socket.on("data", (bytes) => {
		text += bytes;
	});
	socket.write(
		`GET /me HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n${lines}\r\n`,
	);
	await new Promise((resolve) => socket.once("close", resolve));
	return text;
}

type Own = { readonly cert?: string; readonly key?: string };

/** Asks over HTTP/1.1; null if the handshake fails. */
async function over1(own: Own, lines = "") {
	const socket = connected({ ...own, ALPNProtocols: ["http/1.1"] });
	const text = await answerTo(socket, lines);
	if (text === "") return null;
	const [head = "", body = ""] = text.split("\r\n\r\n");
	return { status: Number(head.split(" ")[1]), json: JSON.parse(body), head };
}

/** The same over HTTP/2. */
async function over2(own: Own, fields: Record<string, string> = {}) {
	const session = connectHttp2(served.url, { ...trusting, ...own });
	stack.defer(() => session.destroy());
	session.on("error", () => {});
	const stream = session.request({ ":path": "/me", ...fields });
	let body = "";
	let status: number | null = null;
	stream.on("error", () => {});
	stream.on("response", (head) => {
		status = Number(head[":status"]);
	});
	stream.on("data", (bytes) => {
		body += bytes;
	});
	await new Promise((resolve) => stream.once("close", resolve));
	return status === null ? null : { status, json: JSON.parse(body) };
}

const versions = { "HTTP/1.1": over1, "HTTP/2": over2 };

test("a certificate that is optional is asked for by the routes that need one", async () => {
	const optional = config(`{ names: "${orders}" }`).replace(
		'CA}" }',
		'CA}", clientCert: optional }',
	);
	served = await serve(`${optional}  GET /open: { respond: 1 }\n`, env);
	stack.use(served);
	for (const ask of Object.values(versions)) {
		assert.equal((await ask(pair("orders")))?.status, 200);
		const refused = await ask({});
		assert.equal(refused?.status, 401);
		assert.equal(refused?.json.code, "unauthorized");
		assert.equal(await ask(pair("self-signed")), null);
	}
	assert.match(
		(await over1({}))?.head ?? "",
		/\r\nwww-authenticate: Certificate realm="machines"\r\n/i,
	);
	assert.equal((await served.get("/open")).status, 200);
});

describe("a certificate does not let in", () => {
	const cases: readonly [who: string, own: Own, mtls?: string][] = [
		["a client without one", {}],
		["that has issued itself, with the right names", pair("self-signed")],
		["of another authority of the same name", pair("impostor")],
		["that has expired", pair("expired")],
	];
	for (const [version, ask] of Object.entries(versions)) {
		for (const [who, own] of cases) {
			test(`${who}: nothing of its request is read, over ${version}`, async () => {
				await open();
				assert.equal(await ask(own), null);
				assert.deepEqual(served.ended, []);
			});
		}

		test(`of the right authority whose names are not listed, over ${version}`, async () => {
			await open();
			const answer = await ask(pair("billing"));
			assert.equal(answer?.status, 401);
			assert.equal(answer?.json.code, "unauthorized");
			assert.doesNotMatch(JSON.stringify(answer), /spiffe|billing/);
		});

		test(`whose names hold a listed one inside another, over ${version}`, async () => {
			for (const names of ["DNS:orders.internal", "CN:orders", "CN:x"]) {
				await open(`{ names: "${names}" }`);
				assert.equal((await ask(pair("crafted")))?.status, 401, names);
			}
		});

		test(`whose issuer is not the one that is asked for, over ${version}`, async () => {
			await open(`{ names: "${orders}", issuer: "CN=somebody" }`);
			assert.equal((await ask(pair("orders")))?.status, 401);
		});
	}

	test("that a header field brings, whatever its name", async () => {
		await open();
		const url = encodeURIComponent(pem("orders.pem"));
		const base64 = pem("orders.pem").replace(/-----[^-]+-----|\n/g, "");
		const fields = {
			"x-client-cert": url,
			"x-forwarded-client-cert": `URI=${orders.slice(4)};Cert="${url}"`,
			"client-cert": `:${base64}:`,
			"ssl-client-verify": "SUCCESS",
			"x-ssl-client-s-dn": "O=Sluice tests, CN=orders",
		};
		const lines = Object.entries(fields).map(([name, value]) => {
			return `${name}: ${value}\r\n`;
		});
		const own = pair("billing");
		assert.equal((await over1(own, lines.join("")))?.status, 401);
		assert.equal((await over2(own, fields))?.status, 401);
	});

	test("that the client shows later, by negotiating anew", async () => {
		await open();
		const socket = connected({
			...pair("billing"),
			...{ maxVersion: "TLSv1.2", ALPNProtocols: ["http/1.1"] },
		});
		await once(socket, "secureConnect");
		const own = pair("orders");
		socket.setKeyCert({ cert: own.cert, key: own.key });
		const refused = new Promise((resolve) => {
			socket.once("close", () => resolve("closed"));
			const isBegun = socket.renegotiate({}, (error) =>
				resolve(error === null ? "done" : "refused"),
			);
			if (isBegun === false) resolve("refused");
		});
		if ((await refused) === "done") {
			assert.match(await answerTo(socket), /^HTTP\/1\.1 401 /);
		}
		assert.ok(served.ended.every(({ status }) => status === 401));
	});

	test("any more when it has expired meanwhile, and its connection goes on", async () => {
		await open();
		const socket = connected({
			...pair("orders"),
			ALPNProtocols: ["http/1.1"],
		});
		socket.write("GET /me HTTP/1.1\r\nhost: localhost\r\n\r\n");
		const [first] = (await once(socket, "data")) as [Buffer];
		assert.match(String(first), /^HTTP\/1\.1 200 /);
		const { now } = Date;
		Date.now = () => now() + 200 * 365 * 24 * 3_600_000;
		try {
			assert.match(await answerTo(socket), /^HTTP\/1\.1 401 /);
		} finally {
			Date.now = now;
		}
	});
});

describe("a session that is resumed", () => {
	for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
		test(`is the client that began it, whatever it shows now, by ${maxVersion}`, async () => {
			await open();
			const options = { maxVersion, ALPNProtocols: ["http/1.1"] };
			const first = connected({ ...pair("billing"), ...options });
			const told = once(first, "session");
			assert.match(await answerTo(first), /^HTTP\/1\.1 401 /);
			const [session] = (await told) as [Buffer];
			const second = connected({ ...pair("orders"), ...options, session });
			await once(second, "secureConnect");
			assert.ok(second.isSessionReused());
			assert.match(await answerTo(second), /^HTTP\/1\.1 401 /);
		});

		test(`lets in the client that it let in before, by ${maxVersion}`, async () => {
			await open();
			const options = { maxVersion, ALPNProtocols: ["http/1.1"] };
			const first = connected({ ...pair("orders"), ...options });
			const told = once(first, "session");
			await answerTo(first);
			const [session] = (await told) as [Buffer];
			const second = connected({ ...pair("billing"), ...options, session });
			await once(second, "secureConnect");
			assert.ok(second.isSessionReused());
			assert.match(await answerTo(second), /"sub":"spiffe:.*orders"/);
		});
	}
});

describe("a client with a listed name", () => {
	for (const [version, ask] of Object.entries(versions)) {
		test(`is known, with what its certificate says, over ${version}`, async () => {
			await open();
			const answer = await ask(pair("orders"));
			assert.equal(answer?.status, 200);
			const { claims, ...others } = answer?.json ?? {};
			assert.deepEqual(others, {
				...{ by: "machines", sub: "spiffe://example/ns/shop/sa/orders" },
				...{ scope: [], key: null },
			});
			const { serial, fingerprint, ...names } = claims;
			assert.deepEqual(names, {
				subject: "O=Sluice tests, CN=orders",
				issuer: "O=Sluice tests, CN=machines-ca",
				san: ["DNS:orders.internal", orders],
			});
			assert.match(serial, /^[\dA-F]+$/);
			assert.match(fingerprint, /^[\da-f]{64}$/);
		});
	}

	test("is itself in each message of its WebSocket", async () => {
		await open();
		const socket = connected({
			...pair("orders"),
			ALPNProtocols: ["http/1.1"],
		});
		let text = "";
		const heard = new Promise<void>((resolve) => {
			socket.on("data", (bytes) => {
				text += bytes.toString("latin1");
				if (text.includes('"from":"spiffe:')) resolve();
			});
			socket.once("close", () => resolve());
		});
		socket.write(handshake("/orders"));
		await once(socket, "data");
		socket.write(frame(opcodes.text, JSON.stringify({ id: 1, body: {} })));
		await heard;
		assert.match(text, /^HTTP\/1\.1 101 /);
		assert.match(text, /"from":"spiffe:\/\/example\/ns\/shop\/sa\/orders"/);
	});
});

describe("a name is listed", () => {
	const certificate = (names: string, subject = "CN=orders") =>
		({ names, subject }) as ClientCertificate;
	const cases: readonly [pattern: string, names: string, meant: boolean][] = [
		["DNS:orders.internal", "DNS:orders.internal", true],
		["DNS:orders.internal", "DNS:ORDERS.internal", true],
		["DNS:orders.internal", "DNS:orders.internal.evil.test", false],
		["DNS:orders.internal", "DNS:ordersxinternal", false],
		["DNS:*.internal", "DNS:orders.internal", true],
		["DNS:*.internal", "DNS:a.orders.internal", false],
		["DNS:*.internal", "DNS:.internal", false],
		["URI:spiffe://example/ns/*/sa/orders", orders.replace("URI:", ""), false],
		["URI:spiffe://example/ns/*/sa/orders", orders, true],
		["URI:spiffe://example/ns/*", orders, false],
		["URI:spiffe://EXAMPLE/a", "URI:spiffe://example/a", false],
		["email:*@example.org", "email:ada@example.org", true],
		["email:*@example.org", "email:ada@evil@example.org", false],
		["CN:ord*", "", true],
		["CN:*", "", true],
		["DNS:orders", "", false],
		["DNS:a.test", "URI:a.test", false],
		["URI:a(b|c)+", "URI:a(b|c)+", true],
		["URI:a(b|c)+", "URI:abc", false],
	];
	for (const [pattern, names, meant] of cases) {
		test(`${pattern} ${meant ? "means" : "does not mean"} ${names || "CN=orders"}`, () => {
			const [, kind, text] = /^(\w+):(.*)$/.exec(pattern) ?? [];
			const prepared = preparePattern({ kind, text } as NamePattern);
			const found = nameMeant(certificate(names), [prepared]);
			assert.equal(found !== null, meant);
		});
	}

	test("as OpenSSL writes it, with quotes where a value could be taken for two", () => {
		assert.deepEqual(
			alternativeNames(
				'URI:"spiffe://evil, DNS:orders.internal", IP Address:10.0.0.1',
			),
			[
				{ kind: "URI", text: "spiffe://evil, DNS:orders.internal" },
				{ kind: "IP Address", text: "10.0.0.1" },
			],
		);
		for (const broken of ['DNS:"a', "DNS:a,DNS:b", 'DNS:a"b', "a"]) {
			assert.deepEqual(alternativeNames(broken), [], broken);
		}
		const cn = (subject: string) =>
			commonNames(subject).map(({ text }) => text);
		assert.deepEqual(cn("O=x, CN=orders"), ["orders"]);
		assert.deepEqual(cn("O=x\\, CN\\=orders"), []);
		assert.deepEqual(cn("CN=a\\\\, CN=b + CN=c\\0A"), ["a\\", "b", "c\n"]);
	});
});
