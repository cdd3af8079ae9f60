import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { type Reply, testGateway } from "../kit/gateway.ts";
import { askInLines } from "../kit/lines.ts";
import { problemsOf } from "../kit/problems.ts";
import { serve } from "../kit/serve.ts";
import { startUpstream } from "../kit/upstream.ts";
import { httpHead, openPeer } from "../upstream/peer.ts";

/** Answers that came, and were of no use: to the breaker, to `urls`, to `retry`, and to the client. */

const breakerOf = (upstream = "", step = "") => `
upstreams:
  users: { url: "http://users.test", breaker: { calls: 10 }${upstream} }
routes:
  GET /x: { steps: { a: { get: users/a${step} } } }
`;

const html: Reply = { text: "<!doctype html><title>Maintenance</title>" };
const none = new Uint8Array(0);
const useless: readonly (readonly [string, Reply])[] = [
	["HTML", html],
	["JSON that is cut", { text: '{"a":[1,' }],
	["bytes that are not UTF-8", { bytes: new Uint8Array([0x22, 0xff, 0x22]) }],
	["a number too large", { text: `{"a":1e999}` }],
];

describe("a breaker", () => {
	for (const [what, reply] of useless) {
		test(`opens after answers with status 200 that are ${what}`, async () => {
			const { ask, calls } = testGateway(breakerOf(), () =>
				// Whoever shares a body blames it once, so each has its own.
				"bytes" in reply ? { bytes: reply.bytes?.slice() ?? none } : reply,
			);
			const codes: unknown[] = [];
			for (let at = 0; at < 40; at++) codes.push((await ask("/x")).code);
			assert.equal(calls.length, 10);
			assert.deepEqual(
				new Set(codes.slice(0, 10)),
				new Set(["upstream_invalid"]),
			);
			assert.deepEqual(new Set(codes.slice(10)), new Set(["breaker_open"]));
		});
	}

	test("opens after answers of more values than are taken", async () => {
		const { ask, calls } = testGateway(breakerOf(", maxValues: 3"), () => ({
			json: [1, 2, 3, 4],
		}));
		for (let at = 0; at < 20; at++) await ask("/x");
		assert.equal(calls.length, 10);
	});

	test("stays closed after answers that only `expect` refuses", async () => {
		const { ask, calls } = testGateway(
			breakerOf("", ', expect: "${answer.ok}"'),
			() => ({ json: { ok: false } }),
		);
		for (let at = 0; at < 20; at++) {
			assert.equal((await ask("/x")).code, "upstream_invalid");
		}
		assert.equal(calls.length, 20);
	});

	test("stays closed after useless bodies of a status that the step lists", async () => {
		const { ask, calls } = testGateway(
			breakerOf("", ", answers: [404]"),
			() => ({ ...html, status: 404 }),
		);
		for (let at = 0; at < 20; at++) assert.equal((await ask("/x")).status, 200);
		assert.equal(calls.length, 20);
	});

	test("counts one useless answer once, however many share it", async () => {
		const { send, settle, ask, calls } = testGateway(
			breakerOf(", coalesce: true"),
			() => ({ ...html, afterMs: 10 }),
		);
		const sent = Array.from({ length: 40 }, () => send("/x"));
		await settle();
		for (const { answer } of sent) {
			assert.equal((await answer).code, "upstream_invalid");
		}
		assert.equal((await ask("/x")).code, "upstream_invalid");
		assert.equal(calls.length, 2);
	});

	test("opens again at once if its probe's answer was of no use", async () => {
		let reply: Reply = html;
		const { ask, calls, clock } = testGateway(breakerOf(), () => reply);
		for (let at = 0; at < 10; at++) await ask("/x");
		for (let probe = 1; probe <= 3; probe++) {
			await clock.advance(60_000);
			assert.equal((await ask("/x")).code, "upstream_invalid");
			assert.equal((await ask("/x")).code, "breaker_open");
			assert.equal(calls.length, 10 + probe);
		}
		await clock.advance(60_000);
		reply = { json: { ok: true } };
		assert.equal((await ask("/x")).status, 200);
		assert.equal((await ask("/x")).status, 200);
	});
});

describe("urls", () => {
	/** How often each of two URLs was asked. One of them replies so, the other well. */
	async function asked(reply: Reply, { upstream = "", step = "" } = {}) {
		const { ask, calls, clock } = testGateway(
			`
upstreams:
  users: { urls: ["http://bad.test", "http://good.test"]${upstream} }
routes:
  GET /x: { steps: { a: { get: users/a${step}, optional: true } } }
`,
			({ origin }) => {
				if (origin !== "http://bad.test") {
					return { json: { ok: true }, afterMs: 5 };
				}
				return "bytes" in reply
					? { bytes: reply.bytes?.slice() ?? none, afterMs: 1 }
					: { ...reply, afterMs: 1 };
			},
		);
		for (let at = 0; at < 60; at++) {
			assert.equal((await ask("/x")).status, 200);
			await clock.advance(1);
		}
		const bad = calls.filter(({ origin }) => origin === "http://bad.test");
		return { bad: bad.length, good: calls.length - bad.length };
	}

	test("leaves out a URL that answers 503, after five answers", async () => {
		assert.deepEqual(await asked({ status: 503 }), { bad: 5, good: 55 });
	});

	for (const [what, reply] of useless) {
		test(`leaves out a URL whose answers with status 200 are ${what}, as one that answers 503`, async () => {
			assert.deepEqual(await asked(reply), { bad: 5, good: 55 });
			const breaker = ", breaker: { calls: 100 }";
			assert.deepEqual(await asked(reply, { upstream: breaker }), {
				bad: 5,
				good: 55,
			});
		});
	}

	test("leaves out a URL whose useless answers come through a cache", async () => {
		const upstream = ", cache: { for: 1ms }, coalesce: true";
		assert.deepEqual(await asked(html, { upstream }), { bad: 5, good: 55 });
	});

	test("leaves out none for what only `expect` refuses", async () => {
		const step = ', expect: "${answer.ok}"';
		const { bad } = await asked({ json: { ok: false } }, { step });
		assert.ok(bad > 40, `${bad}`);
	});
});

/** The first so many answers break off in the middle. */
async function breaking(count: number, cut: (whole: string) => string) {
	let asked = 0;
	const server = createServer((socket) => {
		socket.on("error", () => {});
		socket.on("data", () => {
			const whole = `${httpHead(200, "content-length: 11")}{"ok":true} `;
			if (asked++ < count) socket.end(cut(whole));
			else socket.write(whole);
		});
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const { port } = server.address() as { port: number };
	return {
		url: `http://127.0.0.1:${port}`,
		get asked() {
			return asked;
		},
		[Symbol.dispose]: () => void server.close(),
	};
}

const cuts: readonly (readonly [string, (whole: string) => string])[] = [
	["in its status line", (whole) => whole.slice(0, 8)],
	["in its head", (whole) => whole.slice(0, 25)],
	["behind its head", (whole) => whole.slice(0, whole.indexOf("{"))],
	["in its body", (whole) => whole.slice(0, -4)],
];

const retrying = (url: string, how: string) => `
upstreams: { own: { url: "${url}", retry: { attempts: 3 }, budget: { perSecond: 100 } } }
routes:
  GET /x: { steps: { a: { ${how} } } }
  POST /x: { steps: { a: { ${how} } } }
`;

describe("retry", () => {
	for (const [where, cut] of cuts) {
		test(`asks again for an answer that breaks off ${where}`, async () => {
			using upstream = await breaking(2, cut);
			await using gateway = await serve(retrying(upstream.url, "get: own/a"));
			assert.deepEqual((await gateway.get("/x")).json, { ok: true });
			assert.equal(upstream.asked, 3);
		});

		test(`does not send a write again whose answer breaks off ${where}`, async () => {
			using upstream = await breaking(2, cut);
			await using gateway = await serve(retrying(upstream.url, "post: own/a"));
			const answer = await gateway.get("/x", { method: "POST" });
			assert.equal(answer.status, 502);
			assert.equal(upstream.asked, 1);
		});
	}

	test("does not ask again for an answer that is none of HTTP", async () => {
		let asked = 0;
		await using peer = await openPeer({
			onRequest: ({ socket }) => {
				asked++;
				socket.end("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n");
			},
		});
		await using gateway = await serve(retrying(peer.origin, "get: own/a"));
		assert.equal((await gateway.get("/x")).status, 502);
		assert.equal(asked, 1);
	});
});

describe("an upstream's Retry-After", () => {
	const failing = (headers: readonly string[], step = "") =>
		testGateway(
			`
upstreams: { users: { url: "http://users.test" } }
routes: { GET /x: { steps: { a: { get: users/a${step} } } } }`,
			() => ({ status: 503, headers }),
		).ask("/x");

	test("reaches the client of a composed route, in seconds", async () => {
		for (const [headers, expected] of [
			[["retry-after", "120"], "120"],
			[["retry-after", "0"], "1"],
			[
				[
					...["date", "Sun, 06 Nov 1994 08:49:37 GMT"],
					...["retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"],
				],
				"30",
			],
			[["retry-after", "soon"], null],
			[["retry-after", "-1"], null],
			[[], null],
		] as const) {
			const answer = await failing(headers);
			assert.equal(answer.code, "upstream_status");
			assert.equal(answer.header("retry-after"), expected);
		}
	});

	test("does not reach it if something else filled in", async () => {
		const answer = await failing(["retry-after", "9"], ", optional: true");
		assert.equal(answer.status, 200);
		assert.equal(answer.header("retry-after"), null);
	});
});

describe("a space before the colon of an answer's field", () => {
	const answering = async (...lines: string[]) => {
		await using peer = await openPeer({
			onRequest: ({ socket }) =>
				socket.write(`HTTP/1.1 200 OK\r\n${lines.join("\r\n")}\r\n\r\n{}`),
		});
		await using gateway = await serve(`
upstreams: { own: { url: "${peer.origin}" } }
routes:
  GET /composed: { steps: { a: { get: own/a, pick: "\${response.headers}" } } }
  GET /proxied: { proxy: { to: own/a, pass: [x-a] } }`);
		const composed = await gateway.get("/composed");
		const proxied = await gateway.get("/proxied");
		return { composed, proxied };
	};

	test("is removed (RFC 9112, 5.1)", async () => {
		for (const line of ["X-A : 1", "X-A\t: 1", "X-A \t : 1"]) {
			const { composed, proxied } = await answering(line, "content-length: 2");
			assert.equal((composed.json as { x_a: string }).x_a, "1");
			assert.equal(proxied.status, 200);
			assert.equal(proxied.headers["x-a"], "1");
		}
	});

	test("is refused where the field frames the answer", async () => {
		for (const line of [
			"Content-Length : 2",
			"Transfer-Encoding : chunked",
			"Connection\t: close",
		]) {
			const { composed, proxied } = await answering(line);
			assert.equal(composed.status, 502, line);
			assert.equal(proxied.status, 502, line);
		}
	});
});

describe("maxHeaderBytes of an upstream", () => {
	for (const [bound, bytes] of [
		["", 16 * 1024],
		[", maxHeaderBytes: 1KiB", 1024],
		[", maxHeaderBytes: 256KiB", 256 * 1024],
	] as const) {
		test(`bounds the head of its answers at ${bytes}`, async () => {
			let extra = 0;
			const head = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n";
			await using peer = await openPeer({
				onRequest: ({ socket }) => {
					const left = bytes + extra - head.length - "x: \r\n\r\n".length;
					socket.write(`${head}x: ${"y".repeat(left)}\r\n\r\n{}`);
				},
			});
			await using gateway = await serve(`
upstreams: { own: { url: "${peer.origin}"${bound} } }
routes: { GET /x: { steps: { a: { get: own/a } } } }`);
			assert.equal((await gateway.get("/x")).status, 200);
			extra = 1;
			assert.equal((await gateway.get("/x")).status, 502);
			assert.match(`${gateway.ended.at(-1)?.error}`, /`maxHeaderBytes`/);
		});
	}

	test("is at most 256KiB", () => {
		const problems = problemsOf(`
upstreams: { own: { url: "http://a.test", maxHeaderBytes: 257KiB } }
routes: { GET /x: { proxy: own/a } }`);
		assert.match(problems.join("\n"), /a size of at most `256KiB`/);
	});
});

describe("a request for another protocol on a proxied route", () => {
	const asked = async (path: string, ...lines: string[]) => {
		await using upstream = await startUpstream((_, response) =>
			response.end("{}"),
		);
		await using gateway = await serve(`
upstreams: { own: { url: "${upstream.url}" } }
routes:
  GET /composed: { steps: { a: { get: own/a } } }
  GET /proxied: { proxy: own/a }`);
		const answer = await askInLines(gateway.url, path, lines);
		return { answer, calls: upstream.seen.length };
	};

	test("is answered 501, and never sent as a plain GET", async () => {
		for (const protocol of [
			"websocket",
			"WebSocket",
			"h2c, websocket",
			"foo/2",
		]) {
			const lines = ["connection: Upgrade", `upgrade: ${protocol}`];
			const { answer, calls } = await asked("/proxied", ...lines);
			assert.match(answer, /^HTTP\/1\.1 501 /, protocol);
			assert.match(answer, /"at":"headers\.upgrade"/);
			assert.equal(calls, 0);
		}
	});

	test("is answered as any other where it asks for HTTP/2, or names no upgrade in Connection", async () => {
		for (const lines of [
			[
				"connection: Upgrade, HTTP2-Settings",
				"upgrade: h2c",
				"http2-settings: A",
			],
			["upgrade: websocket"],
		]) {
			const { answer, calls } = await asked("/proxied", ...lines);
			assert.match(answer, /^HTTP\/1\.1 200 /);
			assert.equal(calls, 1);
		}
	});

	test("is answered by a composed route, which is no tunnel", async () => {
		const lines = ["connection: Upgrade", "upgrade: websocket"];
		const { answer } = await asked("/composed", ...lines);
		assert.match(answer, /^HTTP\/1\.1 200 /);
	});
});
