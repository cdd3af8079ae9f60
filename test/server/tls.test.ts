import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Stream, connect as connectHttp2 } from "node:http2";
import { connect as connectPlain } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { ByteStream } from "../../src/core/body/byte-stream.ts";
import type {
	GatewayRequest,
	GatewayResponse,
} from "../../src/core/http/messages.ts";
import {
	type Handle,
	listen,
	type Server,
	type ServerOptions,
} from "../../src/server/server.ts";
import { realClock, type Scope, virtualClock } from "../../src/tasks/index.ts";
import { serverDefaults } from "../kit/server-defaults.ts";
import { testTls, trusting } from "../kit/transport.ts";

let stack: AsyncDisposableStack;
let server: Server;

beforeEach(() => {
	stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

const ok: GatewayResponse = { status: 200, headers: [], body: "ok" };

async function serve(
	handle: Handle,
	options: Partial<ServerOptions> = {},
): Promise<void> {
	server = await listen({
		...serverDefaults,
		...{ host: "127.0.0.1", port: 0, tls: testTls },
		...{ clock: realClock(), handle },
		...options,
	});
	const opened = server;
	stack.defer(() => opened.close());
}

function session() {
	const opened = connectHttp2(server.url, trusting);
	opened.on("error", () => {});
	stack.defer(() => opened.destroy());
	return opened;
}

interface Got {
	readonly status: number;
	readonly headers: Record<string, unknown>;
	readonly body: string;
}

async function answerOf(stream: ClientHttp2Stream): Promise<Got> {
	const [headers] = await once(stream, "response");
	const chunks: Buffer[] = [];
	for await (const chunk of stream) chunks.push(chunk as Buffer);
	const body = Buffer.concat(chunks).toString();
	return { status: headers[":status"], headers, body };
}

async function secured(options: object = {}): Promise<TLSSocket> {
	const socket = connectTls({
		...trusting,
		...{ port: server.port, host: "127.0.0.1" },
		...options,
	});
	stack.defer(() => void socket.destroy());
	await once(socket, "secureConnect");
	return socket;
}

/** All that comes until the other side ends. */
async function allOf(socket: AsyncIterable<Buffer>): Promise<string> {
	let text = "";
	try {
		for await (const chunk of socket) text += chunk.toString("latin1");
	} catch {
		// A reset ends it, too.
	}
	return text;
}

describe("the version of HTTP", () => {
	test("is the one that the client chooses, and the request is the same", async () => {
		const seen: GatewayRequest[] = [];
		await serve(async (request) => {
			seen.push(request);
			return ok;
		});
		const over2 = session();
		const answer = await answerOf(
			over2.request({ ":path": "/a?b=1", "x-own": "1", cookie: "c=1; d=2" }),
		);
		assert.equal(answer.body, "ok");
		const socket = await secured({ ALPNProtocols: ["http/1.1"] });
		socket.write(
			"GET /a?b=1 HTTP/1.1\r\nhost: localhost\r\nx-own: 1\r\ncookie: c=1; d=2\r\nconnection: close\r\n\r\n",
		);
		assert.match(await allOf(socket), /^HTTP\/1\.1 200 OK\r\n/);
		const [one, other] = seen;
		assert.equal(one?.target, other?.target);
		assert.equal(one?.method, other?.method);
		assert.equal(one?.scheme, "https");
		assert.equal(other?.scheme, "https");
		const fieldsOf = (request: GatewayRequest | undefined) => {
			const { headers = [] } = request ?? {};
			const names = headers.filter((_, at) => at % 2 === 0);
			return names.map((name, at) => `${name}: ${headers[2 * at + 1]}`);
		};
		assert.deepEqual(fieldsOf(one), [
			`host: localhost:${server.port}`,
			"x-own: 1",
			"cookie: c=1; d=2",
		]);
		assert.deepEqual(fieldsOf(other), [
			"host: localhost",
			"x-own: 1",
			"cookie: c=1; d=2",
			"connection: close",
		]);
	});

	test("is 1.1 for a client that names none", async () => {
		await serve(async () => ok);
		const socket = await secured();
		socket.write("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
		assert.match(await allOf(socket), /^HTTP\/1\.1 200 OK\r\n/);
	});
});

describe("over HTTP/2", () => {
	test("a body is read, and a long answer comes whole", async () => {
		const body = "x".repeat(300_000);
		await serve(async (request) => ({
			...ok,
			body: await request.readBody(1_000_000),
		}));
		const stream = session().request({ ":method": "POST", ":path": "/" });
		stream.end(body);
		const answer = await answerOf(stream);
		assert.equal(answer.status, 200);
		assert.equal(answer.headers["content-length"], "300000");
		assert.equal(answer.body, body);
	});

	test("a HEAD and a 204 have no body", async () => {
		await serve(async ({ method }) => ({
			...ok,
			status: method === "HEAD" ? 200 : 204,
			body: method === "HEAD" ? "ok" : null,
		}));
		const opened = session();
		const head = await answerOf(opened.request({ ":method": "HEAD" }));
		assert.deepEqual([head.status, head.body], [200, ""]);
		assert.equal(head.headers["content-length"], "2");
		const none = await answerOf(opened.request({ ":method": "DELETE" }));
		assert.deepEqual([none.status, none.body], [204, ""]);
	});

	test("a hundred requests run at once on one connection", async () => {
		let running = 0;
		let most = 0;
		const all = Promise.withResolvers<void>();
		await serve(async () => {
			running++;
			most = Math.max(most, running);
			if (running === 100) all.resolve();
			await all.promise;
			return ok;
		});
		const opened = session();
		const answers = Array.from({ length: 100 }, () =>
			answerOf(opened.request({ ":path": "/" })),
		);
		for (const answer of await Promise.all(answers)) {
			assert.equal(answer.body, "ok");
		}
		assert.equal(most, 100);
	});

	test("each request beyond the first of its connection counts as one more connection", async () => {
		const release = Promise.withResolvers<void>();
		await serve(
			async () => {
				await release.promise;
				return ok;
			},
			{ connectionsPerClient: 3 },
		);
		const opened = session();
		const first = Array.from({ length: 3 }, () =>
			answerOf(opened.request({ ":path": "/" })),
		);
		const refused = await answerOf(opened.request({ ":path": "/" }));
		assert.equal(refused.status, 429);
		assert.equal(refused.headers["content-type"], "application/problem+json");
		release.resolve();
		for (const { status } of await Promise.all(first)) {
			assert.equal(status, 200);
		}
		assert.equal((await answerOf(opened.request({}))).status, 200);
	});

	test("a streamed answer comes piece by piece, and one that breaks off does not look whole", async () => {
		const released = Promise.withResolvers<void>();
		const pieces: ByteStream = {
			length: null,
			async *[Symbol.asyncIterator]() {
				yield Buffer.from("one");
				await released.promise;
				throw new Error("the upstream is gone");
			},
		} as ByteStream;
		await serve(async () => ({ ...ok, body: pieces }));
		const stream = session().request({ ":path": "/" });
		const [piece] = await once(stream, "data");
		assert.equal(String(piece), "one");
		const failed = once(stream, "error");
		released.resolve();
		const [error] = await failed;
		assert.match(String(error), /NGHTTP2_INTERNAL_ERROR/);
	});

	for (const [how, leave] of [
		["takes its request back", (stream) => stream.close(8)],
		["takes it back as if all were well", (stream) => stream.close(0)],
		["ends the session", (stream) => stream.session?.destroy()],
	] as [string, (stream: ClientHttp2Stream) => void][]) {
		test(`a client that ${how} has left`, async () => {
			const begun = Promise.withResolvers<Scope>();
			await serve((_request, scope) => {
				begun.resolve(scope);
				return new Promise((_, reject) => scope.onCancel(reject));
			});
			const stream = session().request({ ":path": "/" });
			stream.on("error", () => {});
			const scope = await begun.promise;
			const left = new Promise<unknown>((resolve) => scope.onCancel(resolve));
			leave(stream);
			assert.equal(((await left) as { code: string }).code, "client_closed");
		});
	}

	test("an upload that is taken back in the middle does not look whole", async () => {
		const read = Promise.withResolvers<unknown>();
		const begun = Promise.withResolvers<void>();
		await serve(async (request) => {
			begun.resolve();
			const body = request.readBody(1000);
			body.then(read.resolve, read.resolve);
			await body;
			return ok;
		});
		const stream = session().request({ ":method": "POST", ":path": "/" });
		stream.on("error", () => {});
		stream.write("half");
		await begun.promise;
		// `close` would end the body first.
		stream.destroy(new Error("gone"));
		const end = await read.promise;
		assert.equal((end as { code?: string }).code, "client_closed");
	});

	test("an answer before the end of the body ends the body, too", async () => {
		await serve(async () => ({ ...ok, status: 403 }));
		const stream = session().request({ ":method": "POST", ":path": "/" });
		stream.write("x".repeat(10));
		const closed = once(stream, "close");
		const answer = await answerOf(stream);
		assert.deepEqual([answer.status, answer.body], [403, "ok"]);
		await closed;
		assert.equal(stream.rstCode, 0);
	});

	test("a body is asked for when it is wanted", async () => {
		await serve(async (request) => ({
			...ok,
			body: await request.readBody(1000),
		}));
		const stream = session().request({
			...{ ":method": "POST", ":path": "/", expect: "100-continue" },
		});
		await once(stream, "continue");
		stream.end("body");
		assert.equal((await answerOf(stream)).body, "body");
	});

	test("interim answers come before the answer", async () => {
		await serve(async (request) => {
			request.inform?.(103, ["link", "</a>", "link", "</b>"]);
			return ok;
		});
		const stream = session().request({ ":path": "/" });
		const [hints] = await once(stream, "headers");
		assert.equal(hints[":status"], 103);
		assert.equal(hints.link, "</a>, </b>");
		assert.equal((await answerOf(stream)).body, "ok");
	});

	test("a server that drains says so, and answers what it has begun", async () => {
		const release = Promise.withResolvers<void>();
		const begun = Promise.withResolvers<void>();
		await serve(async () => {
			begun.resolve();
			await release.promise;
			return ok;
		});
		const opened = session();
		const told = once(opened, "goaway");
		const answer = answerOf(opened.request({ ":path": "/" }));
		await begun.promise;
		const drained = server.drain(5_000);
		assert.equal((await told)[0], 0);
		release.resolve();
		assert.equal((await answer).body, "ok");
		assert.equal(await drained, true);
	});

	test("a resting connection is closed after its time, whatever is pinged", async () => {
		const clock = virtualClock();
		await serve(async () => ok, { clock, idleTimeoutMs: 10_000 });
		const opened = session();
		await answerOf(opened.request({ ":path": "/" }));
		await new Promise((resolve) => opened.ping(resolve));
		const closed = once(opened, "close");
		await clock.advance(20_000);
		await closed;
		assert.ok(opened.closed);
	});
});

describe("over HTTP/1.1", () => {
	test("clients that never read take no memory for a long answer, and lose their connection in time", async () => {
		const body = Buffer.alloc(50 * 1024 ** 2, "x");
		const scopes: Scope[] = [];
		const begun = Promise.withResolvers<void>();
		await serve(
			async (_request, scope) => {
				if (scopes.push(scope) === 8) begun.resolve();
				return { ...ok, body };
			},
			{ idleTimeoutMs: 500 },
		);
		const sockets = await Promise.all(
			Array.from({ length: 8 }, () => secured({ ALPNProtocols: ["http/1.1"] })),
		);
		const before = process.memoryUsage().rss;
		for (const socket of sockets) {
			socket.on("error", () => {}).pause();
			socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
		}
		await begun.promise;
		await Promise.all(
			scopes.map((scope) => new Promise((resolve) => scope.onCancel(resolve))),
		);
		const grown = process.memoryUsage().rss - before;
		assert.ok(grown < 64 * 1024 ** 2, `${grown} bytes more`);
	});

	test("a long answer comes whole, as bytes and as text", async () => {
		const body = "ж".repeat(500_000);
		await serve(async ({ target }) => ({
			...ok,
			body: target === "/bytes" ? Buffer.from(body) : body,
		}));
		for (const target of ["/bytes", "/text"]) {
			const socket = await secured({ ALPNProtocols: ["http/1.1"] });
			socket.write(
				`GET ${target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`,
			);
			const all = Buffer.from(await allOf(socket), "latin1").toString();
			assert.match(all, /content-length: 1000000\r\n/);
			assert.equal(all.slice(all.indexOf("\r\n\r\n") + 4), body);
		}
	});
});

describe("a handshake", () => {
	/** What a client says first. */
	async function hello(): Promise<Buffer> {
		const { createServer } = await import("node:net");
		const listener = createServer().listen(0, "127.0.0.1");
		await once(listener, "listening");
		const { port } = listener.address() as { port: number };
		const accepted = once(listener, "connection");
		const client = connectTls({ port, host: "127.0.0.1" });
		client.on("error", () => {});
		const [socket] = await accepted;
		const [bytes] = (await once(socket, "data")) as [Buffer];
		client.destroy();
		socket.destroy();
		listener.close();
		return bytes;
	}

	test("that stops halfway is ended after the time of a head, and counted", async () => {
		await serve(async () => ok, { headersTimeoutMs: 300 });
		const bytes = await hello();
		const socket = connectPlain(server.port, "127.0.0.1");
		socket.write(bytes.subarray(0, bytes.length / 2));
		assert.equal(await allOf(socket), "");
		assert.deepEqual(
			[...(server.tls()?.failures ?? [])],
			[["ERR_TLS_HANDSHAKE_TIMEOUT", 1]],
		);
		// The server learns of the end a moment later than the client. Without it the test runs out of time.
		while (server.connections() > 0) {
			await new Promise((resolve) => setImmediate(resolve));
		}
	});

	test("whose client leaves halfway is counted", async () => {
		await serve(async () => ok);
		const bytes = await hello();
		const socket = connectPlain(server.port, "127.0.0.1");
		socket.on("error", () => {});
		socket.write(bytes.subarray(0, bytes.length / 2));
		while (server.connections() < 1) {
			await new Promise((resolve) => setImmediate(resolve));
		}
		socket.end();
		await once(socket.resume(), "close");
		while (server.connections() > 0) {
			await new Promise((resolve) => setImmediate(resolve));
		}
		const counts = [...(server.tls()?.failures.values() ?? [])];
		assert.deepEqual(counts, [1]);
	});

	test("on a port without TLS is answered 400, and others go on", async () => {
		await serve(async () => ok, { tls: null });
		const socket = connectPlain(server.port, "127.0.0.1");
		socket.write(await hello());
		assert.match(await allOf(socket), /^HTTP\/1\.1 400 Bad Request\r\n/);
		const other = connectPlain(server.port, "127.0.0.1");
		other.write("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
		assert.match(await allOf(other), /^HTTP\/1\.1 200 OK\r\n/);
	});
});

describe("a client without TLS", () => {
	test("is answered 400 on the port of TLS", async () => {
		await serve(async () => ok);
		const socket = connectPlain(server.port, "127.0.0.1");
		socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
		const text = await allOf(socket);
		assert.match(text, /^HTTP\/1\.1 400 Bad Request\r\n/);
		assert.match(text, /speak TLS here/);
		assert.match(text, /connection: close\r\n/);
	});

	test("is closed if it says nothing, or half a handshake, for the time of a head", async () => {
		const clock = virtualClock();
		await serve(async () => ok, { clock, headersTimeoutMs: 2_000 });
		const socket = connectPlain(server.port, "127.0.0.1");
		await once(socket, "connect");
		while (server.connections() < 1) {
			await new Promise((resolve) => setImmediate(resolve));
		}
		const closed = once(socket, "close");
		await clock.advance(2_100);
		await closed;
	});

	test("is sent to the port of TLS by the port that redirects", async () => {
		await serve(async () => ok, {
			tls: { ...testTls, redirect: await freePort() },
		});
		const ask = async (host: string) => {
			const socket = connectPlain(server.redirect ?? 0, "127.0.0.1");
			socket.write(
				`POST /a?b=c HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`,
			);
			return await allOf(socket);
		};
		const named = await ask(`api.example.com:${server.redirect}`);
		assert.match(named, /^HTTP\/1\.1 308 Permanent Redirect\r\n/);
		const to = `https://api.example.com:${server.port}/a?b=c`;
		assert.ok(named.includes(`location: ${to}\r\n`), named);
		const usual = await ask("api.example.com");
		assert.ok(usual.includes("location: https://api.example.com/a?b=c\r\n"));
	});

	test("is refused by the port that redirects as by the other one", async () => {
		await serve(async () => ok, {
			tls: { ...testTls, redirect: await freePort() },
		});
		const refused: [line: string, host: string, said: string][] = [
			["GET /a#b HTTP/1.1", "host: a", "holds a fragment"],
			["GET http://a/a#b HTTP/1.1", "host: a", "holds a fragment"],
			["GET /a HTTP/1.0", "x-a: b", "is missing"],
			["GET /a HTTP/1.1", "x-a: b", "is missing"],
			["GET /a HTTP/1.1", "host: a\r\nhost: a", "is there twice"],
			["GET /a HTTP/1.1", "host: a b", "is no host"],
		];
		for (const [line, host, said] of refused) {
			const socket = connectPlain(server.redirect ?? 0, "127.0.0.1");
			socket.write(`${line}\r\n${host}\r\nconnection: close\r\n\r\n`);
			const answer = await allOf(socket);
			assert.match(answer, /^HTTP\/1\.1 400 /, line);
			assert.match(answer, /content-type: application\/problem\+json/i, line);
			assert.ok(answer.includes(said), answer);
		}
	});
});

async function freePort(): Promise<number> {
	const { createServer } = await import("node:net");
	const holder = createServer().listen(0, "127.0.0.1");
	await once(holder, "listening");
	const { port } = holder.address() as { port: number };
	holder.close();
	await once(holder, "close");
	return port;
}
