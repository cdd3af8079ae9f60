import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { createServer as createTlsServer, type SecureVersion } from "node:tls";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { connectTo } from "../kit/transport.ts";
import { startUpstream } from "../kit/upstream.ts";
import { asking, openClient } from "../server/client.ts";
import { httpHead, openPeer } from "../upstream/peer.ts";

/** What two parties could read in two ways, on both sides, is refused, or is the last that is looked at. */

let stack: AsyncDisposableStack;

beforeEach(() => {
	stack = new AsyncDisposableStack();
});

afterEach(() => stack.disposeAsync());

/** A gateway that reads an upstream's answer whole at `/whole`, and passes it on at `/passed`. */
async function serveBefore(
	url: string,
	upstream: object = {},
): Promise<ServedGateway> {
	return stack.use(
		await serve({
			server: { maxHeaders: 20, maxHeaderBytes: "2KiB" },
			upstreams: { up: { url, ...upstream } },
			routes: {
				"GET /whole": { steps: { a: { get: "up/" } } },
				"ANY /passed": { proxy: "up/" },
				"POST /body": {
					request: { body: {} },
					respond: "${body}",
				},
				"GET /own": {
					headers: { "x-content-type-options": "mine" },
					respond: "own",
				},
			},
		}),
	);
}

/** An upstream that sends these bytes for every request. */
async function serveAnswer(bytes: string): Promise<ServedGateway> {
	const peer = await openPeer({
		onRequest: ({ socket }) => socket.write(bytes, "latin1"),
	});
	stack.use(peer);
	return serveBefore(peer.origin);
}

async function serveJson(): Promise<ServedGateway> {
	const upstream = await startUpstream((request, response) => {
		response.setHeader("content-type", "application/json");
		response.end(JSON.stringify({ target: request.target }));
	});
	return serveBefore(stack.use(upstream).url);
}

/** What a client gets for these bytes, until its connection is closed: the statuses, and what came besides. */
async function answersTo(
	{ url }: ServedGateway,
	...texts: string[]
): Promise<readonly (number | string)[]> {
	using client = await openClient(Number(new URL(url).port));
	const answers: (number | string)[] = [];
	for (const text of texts) {
		await new Promise((resolve) => client.socket.write(text, resolve));
	}
	for (;;) {
		const answer = await client.answer().catch(() => null);
		if (answer === null) break;
		answers.push(answer.status);
		if (answer.headers["connection"] === "close") answers.push("close");
	}
	const rest = await client.gone();
	return rest === "" ? answers : [...answers, rest];
}

describe("an answer over TLS whose end is the end of its connection", () => {
	const [cert, key] = ["cert", "key"].map((name) =>
		readFileSync(new URL(`../upstream/tls/${name}.pem`, import.meta.url)),
	) as [Buffer, Buffer];
	const whole = JSON.stringify("x".repeat(40_000));

	/**
	 * Somebody on the way: passes on an answer without its last bytes, and then ends the connection. The notice of TLS 1.3
	 * is a record of 24 bytes.
	 */
	async function startCutter(
		cutBytes: number,
		{ version = "TLSv1.3" as SecureVersion, body = whole } = {},
	): Promise<string> {
		let answering = false;
		const server = createTlsServer({ cert, key, maxVersion: version });
		server.on("secureConnection", (socket) => {
			socket.on("error", () => {});
			socket.once("data", () => {
				answering = true;
				const type = "content-type: application/json";
				socket.end(httpHead(200, type, "connection: close") + body);
			});
		});
		const { port } = await listening(server);
		const cutter = createServer((client) => {
			const upstream = connect(port, "127.0.0.1");
			stack.defer(() => void client.destroy());
			stack.defer(() => void upstream.destroy());
			let held: Buffer = Buffer.alloc(0);
			client.on("error", () => {});
			client.on("data", (chunk: Buffer) => upstream.write(chunk));
			upstream.on("error", () => {});
			upstream.on("data", (chunk: Buffer) => {
				if (answering) held = Buffer.concat([held, chunk]);
				else client.write(chunk);
			});
			upstream.on("end", () => {
				client.end(held.subarray(0, held.length - cutBytes));
			});
		});
		const taken = await listening(cutter);
		return `https://127.0.0.1:${taken.port}`;
	}

	async function listening(
		server: ReturnType<typeof createServer>,
	): Promise<AddressInfo> {
		server.listen(0, "127.0.0.1");
		await once(server, "listening");
		stack.defer(() => void server.close());
		return server.address() as AddressInfo;
	}

	const ask = async (
		cutBytes: number,
		path: string,
		version?: SecureVersion,
	) => {
		const url = await startCutter(cutBytes, { ...(version && { version }) });
		const gateway = await serveBefore(url, { tls: { ca: `${cert}` } });
		const answer = await gateway.get(path).then(
			({ status, text }) => (text === whole ? status : `${status} ${text}`),
			() => "broken off",
		);
		return { answer, error: gateway.ended.at(-1)?.error };
	};

	for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
		it(`is whole with TLS's notice: ${version}`, async () => {
			for (const path of ["/whole", "/passed"]) {
				const { answer, error } = await ask(0, path, version);
				assert.deepEqual([answer, error], [200, null]);
			}
		});

		for (const cutBytes of [1, 24, 40, 20_000]) {
			it(`is not whole without it: ${cutBytes} bytes of ${version} are missing`, async () => {
				const { answer, error } = await ask(cutBytes, "/whole", version);
				assert.match(`${answer}`, /^502 .*upstream_invalid/);
				assert.match(`${error?.message}`, /broke off: TLS was closed/);
				const passed = await ask(cutBytes, "/passed", version);
				assert.equal(passed.answer, "broken off");
			});
		}
	}

	it("is whole with it for a client that reads slowly", async () => {
		const body = "x".repeat(3_000_000);
		const url = await startCutter(0, { body });
		// All that encrypts is in this process.
		const settings = { tls: { ca: `${cert}` }, timeout: "30s" };
		const gateway = await serveBefore(url, settings);
		const { port } = new URL(gateway.url);
		const client = connectTo(Number(port), "127.0.0.1");
		client.write(asking("GET /passed", ["connection: close"]));
		let text = "";
		for await (const chunk of client) {
			text += chunk;
			await new Promise(setImmediate);
		}
		assert.ok(text.length > body.length);
		assert.ok(text.endsWith("\r\n0\r\n\r\n"), text.slice(-40));
	});
});

describe("what comes behind a request with `Upgrade`", () => {
	const get = (fields: readonly string[] = []) => asking("GET /whole", fields);
	const upgrade = ["connection: Upgrade", "upgrade: h2c"];
	const last = asking("GET /whole", ["connection: close"]);

	it("is not looked at, and shifts no answer", async () => {
		const gateway = await serveJson();
		for (const [behind, ...later] of [
			[get(), last],
			[get() + get(), last],
			[get(upgrade)],
			["\0nonsense\r\n\r\n", "\0more of it\r\n\r\n"],
			["", "\0nonsense\r\n\r\n"],
			["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", last],
		]) {
			assert.deepEqual(
				await answersTo(gateway, get(upgrade) + behind, ...later),
				[200, "close"],
			);
		}
		assert.deepEqual(
			await answersTo(gateway, get() + get(upgrade) + get(), last),
			[200, 200, "close"],
		);
	});

	it("is not looked at if the request has a body, or asks for nothing else", async () => {
		const gateway = await serveJson();
		const json = ["content-type: application/json", "content-length: 2"];
		const post = asking("POST /body", [...json, ...upgrade], "{}");
		assert.deepEqual(await answersTo(gateway, post + get()), [200, "close"]);
		const alone = asking("GET /whole", ["upgrade: websocket"]);
		assert.deepEqual(await answersTo(gateway, alone + get()), [200, "close"]);
	});

	it("is not looked at behind CONNECT and the preface of HTTP/2", async () => {
		const gateway = await serveJson();
		const connecting = "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n";
		const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
		for (const [text, status] of [
			[connecting, 405],
			[preface, 505],
		] as const) {
			assert.deepEqual(await answersTo(gateway, text + get(), last), [
				status,
				"close",
			]);
		}
	});
});

describe("a request", () => {
	const json = "content-type: application/json";
	const chunks = "2\r\n{}\r\n0\r\n";

	for (const [name, fields] of [
		["two types of content", [json, "Content-Type: text/plain"]],
		["two equal types of content", [json, json]],
		["two credentials", ["authorization: a", "authorization: b"]],
		["two ranges", ["range: bytes=0-1", "range: bytes=2-3"]],
	] as const) {
		it(`with ${name} is refused`, async () => {
			const { url } = await serveJson();
			for (const path of ["POST /body", "POST /passed"]) {
				using client = await openClient(Number(new URL(url).port));
				client.send(asking(path, ["content-length: 2", ...fields], "{}"));
				const { status, headers, body } = await client.answer();
				assert.equal(status, 400);
				assert.equal(headers["connection"], "close");
				assert.match(body, /is there twice/);
			}
		});
	}

	it("with a length of 2^53 or more is refused", async () => {
		const { url } = await serveJson();
		for (const length of [`${2 ** 53}`, "18446744073709551615"]) {
			for (const path of ["POST /body", "POST /passed"]) {
				using client = await openClient(Number(new URL(url).port));
				client.send(asking(path, [json, `content-length: ${length}`], "{}"));
				const { status, body } = await client.answer();
				assert.equal(status, 400);
				assert.match(body, /headers\.content-length/);
			}
		}
	});

	/** A request of 20 header fields and trailers in all, if `trailers` is 16. */
	const withTrailers = (path: string, trailers: string) =>
		asking(
			path,
			[json, "transfer-encoding: chunked", "connection: close"],
			`${chunks}${trailers}\r\n`,
		);

	for (const path of ["POST /body", "POST /passed"]) {
		it(`counts its trailers among its fields: ${path}`, async () => {
			const gateway = await serveJson();
			for (const [count, status] of [
				[15, 200],
				[16, 200],
				[17, 431],
				[300, 431],
			] as const) {
				const request = withTrailers(path, "x: y\r\n".repeat(count));
				assert.deepEqual(
					await answersTo(gateway, request),
					[status, "close"],
					`${count}`,
				);
			}
		});

		it(`counts the bytes of its trailers among those of its fields: ${path}`, async () => {
			const gateway = await serveJson();
			for (const [length, status] of [
				[1000, 200],
				[1980, 431],
			] as const) {
				const request = withTrailers(path, `x: ${"y".repeat(length)}\r\n`);
				assert.deepEqual(
					await answersTo(gateway, request),
					[status, "close"],
					`${length}`,
				);
			}
		});
	}
});

describe("an upstream's answer", () => {
	const ok = httpHead(
		200,
		"content-type: application/json",
		"content-length: 2",
	);
	const chunked = httpHead(
		200,
		"content-type: application/json",
		"transfer-encoding: chunked",
	);
	const interim = (...fields: string[]) => `${httpHead(103, ...fields)}${ok}{}`;

	for (const [name, bytes] of Object.entries({
		"after an interim one with a length": interim("content-length: 5"),
		"after an interim one with chunks": interim("transfer-encoding: chunked"),
		"after 33 interim ones": `${httpHead(102).repeat(33)}${ok}{}`,
		"with two types of content": `${httpHead(200, "content-type: application/json", "content-type: text/html", "content-length: 2")}{}`,
		"with two locations": `${httpHead(302, "location: /a", "location: /b", "content-length: 0")}`,
		"with a length of 2^53": `${httpHead(200, `content-length: ${2 ** 53}`)}{}`,
		"with 300 trailers": `${chunked}2\r\n{}\r\n0\r\n${"x: y\r\n".repeat(300)}\r\n`,
	})) {
		it(`${name} is none`, async () => {
			const gateway = await serveAnswer(bytes);
			const { status, text } = await gateway.get("/whole");
			assert.equal(status, 502, text);
			assert.match(text, /upstream_invalid/);
			// The head of an answer with trailers is out before they come.
			const passed = await gateway.get("/passed").catch(() => null);
			assert.equal(passed?.status ?? 502, 502);
		});
	}

	it("after an interim one without them is taken", async () => {
		const gateway = await serveAnswer(interim("link: </a>; rel=preload"));
		assert.equal((await gateway.get("/whole")).text, "{}");
	});
});

describe("`X-Content-Type-Options`", () => {
	it("stands in what is made here, and the author's own one wins", async () => {
		const gateway = await serveJson();
		const field = async (path: string) =>
			(await gateway.get(path)).headers["x-content-type-options"];
		assert.equal(await field("/whole"), "nosniff");
		assert.equal(await field("/nowhere"), "nosniff");
		assert.equal(await field("/health"), "nosniff");
		assert.equal(await field("/own"), "mine");
		// It is the upstream's answer, and the upstream's to say.
		assert.equal(await field("/passed"), undefined);
		using client = await openClient(Number(new URL(gateway.url).port));
		client.send("nonsense\r\n\r\n");
		const { status, headers } = await client.answer();
		assert.equal(status, 400);
		assert.equal(headers["x-content-type-options"], "nosniff");
	});
});
