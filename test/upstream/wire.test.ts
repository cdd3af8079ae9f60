import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { inspect } from "node:util";
import {
	brotliCompressSync,
	deflateRawSync,
	deflateSync,
	gzipSync,
	zstdCompressSync,
} from "node:zlib";
import { type ErrorCode, GatewayError } from "../../src/core/errors.ts";
import type {
	StreamHead,
	UpstreamRequest,
} from "../../src/core/http/messages.ts";
import { openScope, realClock, type Scope } from "../../src/tasks/index.ts";
import { openWire as open } from "../../src/upstream/wire/open-wire.ts";
import type { Wire, WireSettings } from "../../src/upstream/wire/wire.ts";
import { type Promising, promisingWire, requestOf } from "../kit/policy.ts";
import {
	gone,
	httpHead,
	openPeer,
	type Peer,
	type PeerOptions,
} from "./peer.ts";

const bodyBytesMax = 1000;

let stack: AsyncDisposableStack;
let scope: Scope;
let peer: Peer;
let wire: Promising<Wire>;

function asked(changes: Partial<UpstreamRequest> = {}): UpstreamRequest {
	return requestOf({
		target: "/path?q=secret-query",
		headers: ["x-key", "secret-header"],
		...changes,
	});
}

function openWire(settings: Partial<WireSettings> = {}): Promising<Wire> {
	const opened = open(
		{
			name: "weather",
			origin: peer.origin,
			bodyBytesMax,
			tls: null,
			...settings,
		},
		scope.clock,
	);
	stack.defer(() => opened.close());
	return promisingWire(opened);
}

async function usePeer(options: PeerOptions): Promise<void> {
	peer = stack.use(await openPeer(options));
	wire = openWire();
}

/** Every request of the wire's answered with these bytes; `after` may then close the connection as it likes. */
function answering(bytes: string, after: (socket: Socket) => void = () => {}) {
	return usePeer({
		onRequest: ({ socket }) =>
			socket.write(bytes, "latin1", () => after(socket)),
	});
}

function fails(code: ErrorCode, message: RegExp) {
	return (error: unknown) => {
		assert.ok(error instanceof GatewayError, inspect(error));
		assert.equal(error.code, code, error.message);
		assert.match(error.message, message);
		assert.equal(error.facts.upstream, "weather");
		assert.doesNotMatch(inspect(error, { depth: 9 }), /secret/);
		return true;
	};
}

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	scope = openScope({ clock: realClock() });
	peer = stack.use(await openPeer());
	wire = openWire();
});

afterEach(async () => {
	assert.equal(scope.listeners, 0, "a listener was left");
	await stack.disposeAsync();
});

describe("a request", () => {
	test("is sent as it is, with the host and nothing else", async () => {
		const call = wire.call(
			asked({ headers: ["X-Key", "1", "a", "", "x-key", "2"] }),
			scope,
		);
		const received = await peer.request();
		received.answer("");
		await call;
		assert.deepEqual(received.head, [
			"GET /path?q=secret-query HTTP/1.1",
			`host: ${new URL(peer.origin).host}`,
			"connection: keep-alive",
			"X-Key: 1",
			"a: ",
			"x-key: 2",
		]);
	});

	test("carries its body as UTF-8 with the length in bytes", async () => {
		const call = wire.call(
			asked({ method: "POST", body: '{"city":"Москва"}' }),
			scope,
		);
		const received = await peer.request();
		received.answer("");
		await call;
		assert.equal(received.body, '{"city":"Москва"}');
		assert.ok(received.head.includes("content-length: 23"));
	});

	test("that may have a body and has none announces a length of 0", async () => {
		const call = wire.call(asked({ method: "POST" }), scope);
		const received = await peer.request();
		received.answer("");
		await call;
		assert.ok(received.head.includes("content-length: 0"));
	});

	test("that has no meaning for a body announces no length", async () => {
		for (const method of ["GET", "HEAD", "DELETE"] as const) {
			const call = wire.call(asked({ method }), scope);
			const received = await peer.request();
			received.answer("");
			await call;
			assert.doesNotMatch(received.head.join(), /content-length/i);
		}
	});

	test("tells that it is sent once, before its answer can come", async () => {
		const told: string[] = [];
		const call = wire.call(asked({ onSent: () => told.push("sent") }), scope);
		const received = await peer.request();
		assert.deepEqual(told, ["sent"]);
		received.answer("");
		await call;
		assert.deepEqual(told, ["sent"]);
	});

	test("never tells that it is sent where there is no connection", async () => {
		await peer[Symbol.asyncDispose]();
		const told: string[] = [];
		const onSent = () => told.push("sent");
		await assert.rejects(wire.call(asked({ onSent }), scope));
		assert.deepEqual(told, []);
	});

	test("with a header that cannot be sent fails as a bug, and the next one is sent", async () => {
		const call = wire.call(asked({ headers: ["expect", "secret"] }), scope);
		await assert.rejects(call, fails("internal", /expect/));
		const next = wire.call(asked(), scope);
		(await peer.request()).answer("next");
		assert.equal((await next).status, 200);
	});
});

describe("an answer", () => {
	test("comes with status, headers in lower case and body", async () => {
		await answering(
			`HTTP/1.1 404 No\r\nSet-Cookie: a\r\nX-Odd: \xe9\r\nSet-Cookie: b\r\ncontent-length: 2\r\n\r\nno`,
		);
		const { status, headers, body } = await wire.call(asked(), scope);
		assert.equal(status, 404);
		assert.deepEqual(headers, [
			"set-cookie",
			"a",
			"set-cookie",
			"b",
			"x-odd",
			"\xe9",
			"content-length",
			"2",
		]);
		assert.equal(Buffer.from(body).toString(), "no");
	});

	test("loses the white space around a header's value, which is none of it", async () => {
		await answering(httpHead(204, "x-v: \t a b \t ", "x-none:  "));
		const { headers } = await wire.call(asked(), scope);
		assert.deepEqual(headers, ["x-v", "a b", "x-none", ""]);
	});

	test("with headers named like parts of an object is only data", async () => {
		await answering(
			httpHead(204, "__proto__: a", "__proto__: b", "constructor: c"),
		);
		const { headers } = await wire.call(asked(), scope);
		assert.deepEqual(headers, [
			"__proto__",
			"a",
			"__proto__",
			"b",
			"constructor",
			"c",
		]);
	});

	test("that redirects is an answer", async () => {
		await answering(httpHead(302, "location: /elsewhere", "content-length: 0"));
		const { status, headers } = await wire.call(asked(), scope);
		assert.equal(status, 302);
		assert.deepEqual(headers.slice(0, 2), ["location", "/elsewhere"]);
	});

	test("may be preceded by informational ones", async () => {
		await answering(
			httpHead(103, "content-encoding: of-another") +
				httpHead(200, "content-length: 2") +
				"ok",
		);
		const { status, headers } = await wire.call(asked(), scope);
		assert.equal(status, 200);
		assert.deepEqual(headers, ["content-length", "2"]);
	});

	test("has no body for HEAD, 204 and 304, whatever it announces", async () => {
		for (const [method, status] of [
			["HEAD", 200],
			["GET", 204],
			["GET", 304],
		] as const) {
			await answering(
				httpHead(status, "content-length: 5000", "content-encoding: gzip"),
			);
			const answer = await wire.call(asked({ method }), scope);
			assert.equal(answer.status, status);
			assert.equal(answer.body.length, 0);
		}
	});

	test("with 205 is read to the end of the body it announces, and leaves its connection", async () => {
		await usePeer({
			onRequest: ({ socket }) =>
				void socket.write(`${httpHead(205, "content-length: 2")}ok`),
		});
		for (let calls = 0; calls < 3; calls++) {
			const { status, body } = await wire.call(asked(), scope);
			assert.equal(status, 205);
			assert.equal(Buffer.from(body).toString(), "ok");
		}
		assert.equal(peer.connections, 1);
	});

	test("without a length ends with its connection", async () => {
		await answering(
			httpHead(200, "connection: close") + "until the end",
			(socket) => socket.end(),
		);
		const { body } = await wire.call(asked(), scope);
		assert.equal(Buffer.from(body).toString(), "until the end");
	});

	test("leaves its connection to the next call", async () => {
		await usePeer({ onRequest: ({ answer }) => answer("ok") });
		for (let calls = 0; calls < 5; calls++) await wire.call(asked(), scope);
		assert.equal(peer.connections, 1);
	});

	test("that closes its connection makes the next call open another", async () => {
		await usePeer({
			onRequest: ({ answer }) => answer("ok", "connection: close"),
		});
		for (let calls = 0; calls < 3; calls++) await wire.call(asked(), scope);
		assert.equal(peer.connections, 3);
	});

	test("does not suffer from a connection the upstream closed at rest", async () => {
		await usePeer({ onRequest: ({ answer }) => answer("ok") });
		await wire.call(asked(), scope);
		const first = await peer.connection();
		first.end();
		await gone(first);
		await wire.call(asked(), scope);
		assert.equal(peer.connections, 2);
	});
});

describe("the bound on bodies", () => {
	const framings = {
		"announced by length": (body: string) =>
			httpHead(200, `content-length: ${body.length}`) + body,
		"sent in chunks": (body: string) =>
			`${httpHead(200, "transfer-encoding: chunked") + body.replace(/.{1,7}/g, (part) => `${part.length.toString(16)}\r\n${part}\r\n`)}0\r\n\r\n`,
		"sent until the end": (body: string) => httpHead(200) + body,
	};
	for (const [name, frame] of Object.entries(framings)) {
		test(`holds for a body ${name}`, async () => {
			for (const length of [bodyBytesMax - 1, bodyBytesMax]) {
				await answering(frame("x".repeat(length)), (socket) => socket.end());
				const { body } = await wire.call(asked(), scope);
				assert.equal(Buffer.from(body).toString(), "x".repeat(length));
			}
			await answering(frame("x".repeat(bodyBytesMax + 1)), (socket) =>
				socket.end(),
			);
			await assert.rejects(
				wire.call(asked(), scope),
				fails("upstream_invalid", /1000/),
			);
		});
	}

	test("refuses an announced length before the body comes, and closes the connection", async () => {
		const call = wire.call(asked(), scope);
		const { socket } = await peer.request();
		socket.write(httpHead(200, `content-length: ${bodyBytesMax + 1}`));
		await assert.rejects(
			call,
			fails("upstream_invalid", /announces 1001 bytes/),
		);
		await gone(socket);
	});

	test("ends a body that never ends", async () => {
		const call = wire.call(asked(), scope);
		const { socket } = await peer.request();
		socket.write(httpHead(200, "transfer-encoding: chunked"));
		const more = () =>
			socket.write(
				"64\r\n" + "x".repeat(100) + "\r\n",
				() => socket.destroyed || more(),
			);
		more();
		await assert.rejects(call, fails("upstream_invalid", /1000/));
		await gone(socket);
	});

	test("holds at the last byte of an answer that closes its connection", async () => {
		await answering(
			httpHead(200, "connection: close", "transfer-encoding: chunked") +
				`3e9\r\n${"x".repeat(1001)}\r\n0\r\n\r\n`,
		);
		await assert.rejects(
			wire.call(asked(), scope),
			fails("upstream_invalid", /1000/),
		);
	});
});

describe("a coded body", () => {
	function answersCoded(coding: string, body: Uint8Array) {
		return usePeer({
			onRequest: ({ answer }) =>
				answer(body, `content-encoding: ${coding}`, "x-kept: 1"),
		});
	}
	const codings = {
		gzip: gzipSync,
		"X-GZIP": gzipSync,
		br: brotliCompressSync,
		zstd: zstdCompressSync,
		deflate: deflateSync,
		"Deflate ": deflateRawSync,
		"gzip, zstd": (body: string) => zstdCompressSync(gzipSync(body)),
	};
	for (const [coding, encode] of Object.entries(codings)) {
		test(`in ${coding} is decoded, and its headers no longer say so`, async () => {
			await answersCoded(coding, encode("облачно"));
			const { headers, body } = await wire.call(asked(), scope);
			assert.equal(Buffer.from(body).toString(), "облачно");
			assert.deepEqual(headers, ["x-kept", "1"]);
		});

		test(`in ${coding} is bounded as decoded`, async () => {
			for (const length of [bodyBytesMax - 1, bodyBytesMax]) {
				await answersCoded(coding, encode("x".repeat(length)));
				assert.equal((await wire.call(asked(), scope)).body.length, length);
			}
			await answersCoded(coding, encode("x".repeat(bodyBytesMax + 1)));
			await assert.rejects(
				wire.call(asked(), scope),
				fails("upstream_invalid", /decodes to more than 1000/),
			);
		});

		test(`in ${coding} that is broken or cut short is no answer`, async () => {
			const whole = encode("облачно, облачно, ясно");
			await answersCoded(coding, whole.subarray(0, -3));
			await assert.rejects(
				wire.call(asked(), scope),
				fails("upstream_invalid", /not (gzip|br|zstd|deflate)/),
			);
			await answersCoded(coding, Buffer.from("neither of the two"));
			await assert.rejects(
				wire.call(asked(), scope),
				fails("upstream_invalid", /not (gzip|br|zstd|deflate)/),
			);
		});
	}

	test("of nothing at all is an empty body", async () => {
		await answersCoded("gzip", Buffer.alloc(0));
		assert.equal((await wire.call(asked(), scope)).body.length, 0);
	});

	test("named identity is taken as it is", async () => {
		await answersCoded("identity", Buffer.from("plain"));
		const { body } = await wire.call(asked(), scope);
		assert.equal(Buffer.from(body).toString(), "plain");
	});

	test("in any other coding is no answer", async () => {
		for (const coding of ["compress", "gzip, secret"]) {
			await answersCoded(coding, gzipSync("x"));
			await assert.rejects(
				wire.call(asked(), scope),
				fails("upstream_invalid", /content-encoding (`compress` )?is not/),
			);
		}
	});
});

describe("an upstream that cannot be reached", () => {
	test("refuses the connection", async () => {
		await peer[Symbol.asyncDispose]();
		await assert.rejects(
			wire.call(asked(), scope),
			fails("upstream_unreachable", /ECONNREFUSED/),
		);
	});

	test("has no address", async () => {
		wire = openWire({ origin: "http://no..name" });
		await assert.rejects(
			wire.call(asked(), scope),
			fails("upstream_unreachable", /ENOTFOUND|EAI_AGAIN/),
		);
	});

	test("closes the connection before it answers", async () => {
		await usePeer({ onRequest: ({ socket }) => socket.end() });
		await assert.rejects(
			wire.call(asked(), scope),
			fails("upstream_unreachable", /closed/),
		);
	});

	test("resets the connection before it answers", async () => {
		await usePeer({ onRequest: ({ socket }) => socket.resetAndDestroy() });
		await assert.rejects(
			wire.call(asked({ method: "POST", body: "secret" }), scope),
			fails("upstream_unreachable", /ECONNRESET/),
		);
	});

	test("can be reached again by the next call", async () => {
		let first = true;
		await usePeer({
			onRequest({ socket, answer }) {
				if (first) socket.resetAndDestroy();
				else answer("back");
				first = false;
			},
		});
		await assert.rejects(wire.call(asked(), scope));
		assert.equal((await wire.call(asked(), scope)).status, 200);
	});
});

describe("an answer that is none", () => {
	const end = (socket: Socket) => void socket.end();
	const reset = (socket: Socket) => socket.resetAndDestroy();
	const cases: Record<
		string,
		readonly [bytes: string, after?: (socket: Socket) => void]
	> = {
		"is not HTTP": ["secret of another protocol\r\n\r\n"],
		"is not HTTP from its first byte": ["\0\0\0secret"],
		"is of another version": ["HTTP/3.0 200 OK\r\n\r\n"],
		"has no status": ["HTTP/1.1 OK\r\n\r\n"],
		"has a line break in a header": [
			"HTTP/1.1 200 OK\r\nx: a\rsecret: b\r\n\r\n",
		],
		"has more headers than fit": [
			httpHead(
				200,
				...Array.from({ length: 40 }, (_, at) => `x-${at}: ${"y".repeat(500)}`),
			),
		],
		"has two lengths": [
			httpHead(200, "content-length: 2", "content-length: 3"),
		],
		"has a length that is no number": [httpHead(200, "content-length: -1")],
		"has a chunk without a size": [
			`${httpHead(200, "transfer-encoding: chunked")}secret\r\n`,
		],
		"ends in its head": ["HTTP/1.1 200 OK\r\nx: secret", end],
		"is reset in its head": ["HTTP/1.1 200 OK\r\nx: secret", reset],
		"ends before its length": [
			`${httpHead(200, "content-length: 9")}secret`,
			end,
		],
		"ends before its length and its connection": [
			`${httpHead(200, "content-length: 9", "connection: close")}secret`,
			end,
		],
		"ends before its last chunk": [
			`${httpHead(200, "transfer-encoding: chunked")}6\r\nsecret\r\n`,
			end,
		],
		"ends before its last chunk and its connection": [
			`${httpHead(200, "transfer-encoding: chunked", "connection: close")}6\r\nsecret\r\n`,
			end,
		],
		"is reset in its body": [
			`${httpHead(200, "content-length: 9")}secret`,
			reset,
		],
		"switches protocols unasked": [
			httpHead(101, "connection: upgrade", "upgrade: websocket"),
		],
	};
	for (const [name, [bytes, after]] of Object.entries(cases)) {
		test(`because it ${name} closes the connection`, async () => {
			await answering(bytes, after);
			await assert.rejects(
				wire.call(asked(), scope),
				fails("upstream_invalid", /./),
			);
			await gone(await peer.connection());
		});
	}

	test("because it is reset in a body without a length is not taken for whole", async () => {
		const call = wire.call(asked(), scope);
		const { socket } = await peer.request();
		socket.write(`${httpHead(200)}secret`, () => socket.resetAndDestroy());
		await assert.rejects(call, fails("upstream_invalid", /./));
	});

	test("because more comes than its length is not met by the next call", async () => {
		await answering(
			`${httpHead(200, "content-length: 2")}okHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret`,
		);
		for (let calls = 0; calls < 3; calls++) {
			const { body } = await wire.call(asked(), scope);
			assert.equal(Buffer.from(body).toString(), "ok");
			await gone(await peer.connection());
		}
	});
});

test("an answer that comes before all of its request was sent is its connection's last", async () => {
	const never = new Promise<never>(() => {});
	const body = {
		length: 10,
		async *[Symbol.asyncIterator]() {
			yield Buffer.from("first");
			await never;
		},
	};
	const { promise: head, resolve: onHead } =
		Promise.withResolvers<StreamHead>();
	const ended = wire.stream(
		{
			...asked({ method: "POST" }),
			body,
			idleMs: 1000,
			untakenMs: 1000,
			onHead,
		},
		scope,
	);
	const socket = await peer.connection();
	await once(socket, "data");
	socket.write(`${httpHead(200, "content-length: 2")}no`);
	for await (const piece of (await head).body) {
		assert.equal(Buffer.from(piece).toString(), "no");
	}
	await ended;
	const next = wire.call(asked(), scope);
	const received = await peer.request();
	assert.match(received.head[0] ?? "", /^GET /, "it came as part of the body");
	received.answer("ok");
	assert.equal((await next).status, 200);
	await gone(socket);
});

describe("a cancelled call", () => {
	const reason = new Error("the test's reason");

	test("is not sent where its scope was cancelled before", async () => {
		scope.cancel(reason);
		await assert.rejects(wire.call(asked(), scope), reason);
		assert.equal(peer.connections, 0);
	});

	test("is not sent where its connection is just being made", async () => {
		const told: string[] = [];
		const call = wire.call(asked({ onSent: () => told.push("sent") }), scope);
		scope.cancel(reason);
		await assert.rejects(call, reason);
		const next = wire.call(
			asked({ target: "/next" }),
			openScope({ clock: realClock() }),
		);
		const received = await peer.request();
		assert.match(received.head[0] ?? "", /next/);
		received.answer("ok");
		await next;
		assert.deepEqual(told, []);
	});

	test("closes a connection whose handshake takes forever", async () => {
		wire = openWire({ origin: peer.origin.replace("http:", "https:") });
		const call = wire.call(asked(), scope);
		const socket = await peer.connection();
		scope.cancel(reason);
		await assert.rejects(call, reason);
		await gone(socket);
	});

	test("is not sent where its connection waits to be used again", async () => {
		await usePeer({ onRequest: ({ answer }) => answer("ok") });
		const inner = openScope({ parent: scope });
		await wire.call(asked(), scope);
		const told: string[] = [];
		const call = wire.call(asked({ onSent: () => told.push("sent") }), inner);
		inner.cancel(reason);
		await assert.rejects(call, reason);
		assert.equal((await wire.call(asked(), scope)).status, 200);
		assert.deepEqual(told, []);
	});

	test("is seen by the upstream at once, whatever the method", async () => {
		for (const method of ["GET", "POST"] as const) {
			const inner = openScope({ parent: scope });
			const call = wire.call(asked({ method }), inner);
			const { socket } = await peer.request();
			inner.cancel(reason);
			await assert.rejects(call, reason);
			await gone(socket);
		}
	});

	test("is seen by the upstream in the middle of its answer", async () => {
		const call = wire.call(asked(), scope);
		const { socket } = await peer.request();
		socket.write(httpHead(200, "content-length: 100"));
		socket.write("some", () => scope.cancel(reason));
		await assert.rejects(call, reason);
		await gone(socket);
	});

	test("gives its reason while the promise is still new", async () => {
		const call = wire.call(asked(), scope);
		const reasons: unknown[] = [];
		void call.catch((error) => reasons.push(error));
		scope.cancel(reason);
		await Promise.resolve();
		assert.deepEqual(reasons, [reason]);
	});

	test("leaves the others alone", async () => {
		const inner = openScope({ parent: scope });
		const cancelled = wire.call(asked({ target: "/cancelled" }), inner);
		const other = wire.call(asked({ target: "/other" }), scope);
		const requests = [await peer.request(), await peer.request()];
		inner.cancel(reason);
		await assert.rejects(cancelled, reason);
		requests.find(({ head }) => head[0]?.includes("other"))?.answer("ok");
		assert.equal((await other).status, 200);
	});

	test("leaves nobody listening once it has been answered", async () => {
		await usePeer({ onRequest: ({ answer }) => answer("ok") });
		await wire.call(asked(), scope);
		assert.equal(scope.listeners, 0);
		scope.cancel(reason);
		assert.equal(
			(await wire.call(asked(), openScope({ clock: realClock() }))).status,
			200,
		);
		assert.equal(peer.connections, 1);
	});
});

describe("TLS", () => {
	const read = (name: string) =>
		readFileSync(new URL(`tls/${name}.pem`, import.meta.url), "utf8");
	const tls = { cert: read("cert"), key: read("key") };

	test("carries calls where the certificate is trusted, over one connection", async () => {
		await usePeer({ tls, onRequest: ({ answer }) => answer("ok") });
		wire = openWire({ tls: { ca: tls.cert } });
		for (let calls = 0; calls < 3; calls++) await wire.call(asked(), scope);
		assert.equal(peer.connections, 1);
	});

	test("resumes its session on the next connection", async () => {
		await usePeer({
			tls,
			onRequest: ({ answer }) => answer("ok", "connection: close"),
		});
		wire = openWire({ tls: { ca: tls.cert } });
		const resumed: boolean[] = [];
		for (let calls = 0; calls < 2; calls++) {
			await wire.call(asked(), scope);
			const socket = (await peer.connection()) as TLSSocket;
			resumed.push(socket.isSessionReused());
		}
		assert.deepEqual(resumed, [false, true]);
	});

	test("refuses a certificate nobody vouches for", async () => {
		await usePeer({ tls });
		await assert.rejects(
			wire.call(asked(), scope),
			fails("upstream_unreachable", /no authority that this machine trusts/),
		);
	});

	test("refuses a certificate of another name", async () => {
		await usePeer({ tls });
		wire = openWire({
			tls: { ca: tls.cert },
			origin: peer.origin.replace("127.0.0.1", "127.0.0.2"),
		});
		await assert.rejects(
			wire.call(asked(), scope),
			fails("upstream_unreachable", /./),
		);
	});
});

describe("a closed wire", () => {
	test("has ended the calls that ran, and takes no more", async () => {
		const call = wire.call(asked(), scope);
		const { socket } = await peer.request();
		await Promise.all([
			assert.rejects(call, fails("gateway_draining", /closed/)),
			wire.close(),
		]);
		await gone(socket);
		await assert.rejects(
			wire.call(asked(), scope),
			fails("gateway_draining", /closed/),
		);
	});

	test("has ended the connections at rest", async () => {
		await usePeer({ onRequest: ({ answer }) => answer("ok") });
		await wire.call(asked(), scope);
		await wire.close();
		await gone(await peer.connection());
	});
});
