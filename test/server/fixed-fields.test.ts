import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { listen } from "../../src/server/server.ts";
import { realClock } from "../../src/tasks/index.ts";
import { type GetOptions, type HttpAnswer, serve } from "../kit/serve.ts";
import { serverDefaults } from "../kit/server-defaults.ts";
import { connectTo, testTls, trusting } from "../kit/transport.ts";
import { startUpstream } from "../kit/upstream.ts";
import { handshake } from "../kit/websocket.ts";

const routes = `
server: { maxBody: 10B, cors: { origins: ["https://page.test"] } }
headers:
  Strict-Transport-Security: max-age=31536000; includeSubDomains
  x-frame-options: DENY
  x-region: "\${env.REGION}-1"
upstreams:
  files: { url: "\${env.FILES_URL}" }
channels: { news: {} }
routes:
  GET /x: { respond: 1 }
  GET /empty: { respond: null, status: 204 }
  GET /own: { respond: 1, headers: { X-Frame-Options: SAMEORIGIN } }
  GET /broken: { steps: { a: { get: files/text } } }
  POST /body: { request: { body: { type: object } }, respond: 1 }
  GET /parts: { respond: { a: 1 } }
  GET /news: { listen: news }
  GET /files/{name}: { proxy: "files/\${params.name}" }
  GET /named/{name}: { proxy: { to: "files/\${params.name}", pass: [x-frame-options] } }
  GET /set/{name}: { proxy: { to: "files/\${params.name}", answer: { headers: { x-frame-options: FROM } } } }
`;

const fixed = {
	"strict-transport-security": "max-age=31536000; includeSubDomains",
	"x-frame-options": "DENY",
	"x-region": "eu-1",
};

function ofFixed(headers: HttpAnswer["headers"]) {
	return Object.fromEntries(
		Object.keys(fixed).map((name) => [name, headers[name]]),
	);
}

async function opened() {
	const upstream = await startUpstream((_request, response) => {
		response.writeHead(200, {
			"content-type": "text/plain",
			"x-frame-options": "ALLOWALL",
			"strict-transport-security": "max-age=0",
		});
		response.end("text");
	});
	const served = await serve(routes, {
		...{ REGION: "eu", FILES_URL: upstream.url },
	});
	return {
		...served,
		async [Symbol.asyncDispose]() {
			await served[Symbol.asyncDispose]();
			await upstream[Symbol.asyncDispose]();
		},
	};
}

describe("the header fields of every answer", () => {
	const origin = { origin: "https://page.test" };
	const preflight = { ...origin, "access-control-request-method": "GET" };
	const cases: readonly [
		what: string,
		status: number,
		path: string,
		options?: GetOptions,
	][] = [
		["a composed answer", 200, "/x"],
		["an answer without a body", 204, "/empty"],
		["an answer to HEAD", 200, "/x", { method: "HEAD" }],
		[
			"an answer in parts",
			200,
			"/parts",
			{ headers: { accept: "application/x-ndjson" } },
		],
		["a problem of the gateway", 404, "/unknown"],
		["a problem of a run", 502, "/broken"],
		["a method that the route has not", 405, "/x", { method: "DELETE" }],
		[
			"a body that is too long",
			413,
			"/body",
			{
				...{ method: "POST", body: JSON.stringify({ a: "longer than 10" }) },
				headers: { "content-type": "application/json" },
			},
		],
		[
			"a head that could be read in two ways",
			400,
			"/x",
			{ headers: { content_length: "1" } },
		],
		["a preflight", 204, "/x", { method: "OPTIONS", headers: preflight }],
		["an answer for another page", 200, "/x", { headers: origin }],
		["the health check", 200, "/-/health"],
		["a proxied answer, in place of the upstream's own", 200, "/files/a"],
	];
	for (const [what, status, path, options] of cases) {
		test(`stand in ${what}`, async () => {
			await using served = await opened();
			const answer = await served.get(path, options);
			assert.equal(answer.status, status, answer.text);
			assert.deepEqual(ofFixed(answer.headers), fixed);
		});
	}

	test("give way to what a route's own answer says", async () => {
		await using served = await opened();
		for (const [path, own] of [
			["/own", "SAMEORIGIN"],
			["/named/a", "ALLOWALL"],
			["/set/a", "FROM"],
		] as const) {
			const { headers } = await served.get(path);
			const expected = { ...fixed, "x-frame-options": own };
			assert.deepEqual(ofFixed(headers), expected, path);
		}
	});

	test("stand in the answer to bytes that are no request", async () => {
		await using served = await opened();
		const { port } = new URL(served.url);
		const socket = connectTo(Number(port));
		socket.on("error", () => {});
		socket.write("GARBAGE\r\n\r\n");
		const [bytes] = (await once(socket, "data")) as [Buffer];
		assert.match(
			String(bytes),
			/^HTTP\/1\.1 400 [^]*\r\nx-frame-options: DENY\r\n/,
		);
		socket.destroy();
	});

	test("stand in the handshake of a WebSocket", async () => {
		await using served = await opened();
		const { port } = new URL(served.url);
		const socket = connectTo(Number(port));
		socket.on("error", () => {});
		socket.write(handshake("/news"));
		const [bytes] = (await once(socket, "data")) as [Buffer];
		assert.match(
			String(bytes),
			/^HTTP\/1\.1 101 [^]*\r\nx-frame-options: DENY\r\n/i,
		);
		socket.destroy();
	});

	test("stand in what HTTP/2 and the port that redirects answer, and there none speaks of TLS", async () => {
		const server = await listen({
			...{ ...serverDefaults, host: "127.0.0.1", port: 0, clock: realClock() },
			headers: Object.entries(fixed).flat(),
			tls: { ...testTls, redirect: await freePort() },
			handle: async () => ({ status: 200, headers: [], body: "ok" }),
		});
		try {
			const session = connectHttp2(server.url, trusting);
			const stream = session.request({ ":path": "/" });
			const [over2] = await once(stream, "response");
			assert.deepEqual(ofFixed(over2), fixed);
			session.destroy();
			const moved = await textFrom(
				server.redirect ?? 0,
				"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
			);
			assert.match(moved, /^HTTP\/1\.1 308 [^]*\r\nx-frame-options: DENY\r\n/);
			assert.doesNotMatch(moved, /strict-transport/i);
			const plain = await textFrom(server.port, "GET / HTTP/1.1\r\n\r\n");
			assert.match(plain, /^HTTP\/1\.1 400 [^]*\r\nx-frame-options: DENY\r\n/);
		} finally {
			await server.close();
		}
	});
});

async function textFrom(port: number, bytes: string): Promise<string> {
	const socket = connect(port, "127.0.0.1");
	socket.on("error", () => {});
	let text = "";
	socket.on("data", (chunk) => {
		text += chunk;
	});
	socket.write(bytes);
	await once(socket, "close");
	return text;
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
	const server = await listen({
		...{ ...serverDefaults, tls: null, host: "127.0.0.1", port: 0 },
		clock: realClock(),
		handle: async () => ({ status: 200, headers: [], body: "ok" }),
	});
	const { port } = server;
	await server.close();
	return port;
}
