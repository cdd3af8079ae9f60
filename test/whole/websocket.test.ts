import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer as createSecureServer } from "node:https";
import { createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { TrailEnded } from "../../src/core/events.ts";
import { type VirtualClock, virtualClock } from "../../src/tasks/index.ts";
import { createMetrics } from "../../src/telemetry/metrics/metrics.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";
import {
	closing,
	frame,
	handshake,
	opcodes,
	openWebSocket,
	type WebSocketClient,
} from "../kit/websocket.ts";
import {
	startWebSocketUpstream,
	type UpstreamOptions,
	type WebSocketUpstream,
} from "../kit/websocket-upstream.ts";
import { openClient } from "../server/client.ts";

let stack: AsyncDisposableStack;
let upstream: WebSocketUpstream;
let served: ServedGateway;

beforeEach(() => {
	stack = new AsyncDisposableStack();
});

afterEach(async () => {
	await stack.disposeAsync();
});

interface Written {
	readonly upstream?: string;
	readonly proxy?: string;
	readonly route?: string;
	readonly clock?: VirtualClock;
}

/** What a page hears of its WebSocket. */
interface Heard extends Event {
	readonly data?: unknown;
	readonly code?: number;
	readonly reason?: string;
	readonly wasClean?: boolean;
}

/** A gateway that passes everything below `/chat/` on to an upstream. */
async function start(
	options: UpstreamOptions = {},
	{ upstream: more = "", proxy = "true", route = "", clock }: Written = {},
): Promise<void> {
	upstream = stack.use(await startWebSocketUpstream(options));
	await front(upstream.origin, more, proxy, route, clock);
}

async function front(
	origin: string,
	more = "",
	proxy = "true",
	route = "",
	clock?: VirtualClock,
): Promise<void> {
	served = stack.use(
		await serve(
			`
upstreams:
  chat: { url: "${origin}", timeout: 2s${more} }
routes:
  GET /chat/{rest*}:
    proxy: { to: "chat/rooms/{rest*}", websocket: ${proxy}${route} }
  GET /plain/{rest*}:
    proxy: { to: "chat/rooms/{rest*}" }
`,
			{ CA: pem("cert") },
			clock,
		),
	);
}

function pem(name: string): string {
	const file = new URL(`../upstream/tls/${name}.pem`, import.meta.url);
	return readFileSync(file, "utf8");
}

async function open(
	lines: readonly string[] = [],
	path = "/chat/7",
): Promise<WebSocketClient> {
	return stack.use(await openWebSocket(served.url + path, lines));
}

/** Far more turns of the event loop than there are pieces of bytes to be passed on. */
async function turns(count: number): Promise<void> {
	for (let at = 0; at < count; at++) await new Promise(setImmediate);
}

/** Nothing is open on the side of the upstream any more. */
async function nothingOpen(): Promise<void> {
	for (;;) {
		const [state] = served.gateway.state().upstreams;
		if (state?.streams === 0 && state.connections === 0) return;
		await new Promise(setImmediate);
	}
}

async function ended(count = 1): Promise<void> {
	while (served.ended.length < count) await new Promise(setImmediate);
}

describe("a WebSocket through a proxy", () => {
	test("passes messages both ways, and ends as a request with status 101", async () => {
		await start();
		const client = await open();
		assert.equal(client.status, 101);
		client.send(frame(opcodes.text, "шлюз"), frame(opcodes.binary, "\x00"));
		assert.equal((await client.next())?.payload.toString(), "шлюз");
		assert.equal((await client.next())?.opcode, opcodes.binary);
		assert.equal(served.ended.length, 0);
		client.send(frame(opcodes.close, closing(1000)));
		assert.equal(await client.closed(), 1000);
		await ended();
		const [end] = served.ended;
		assert.equal(end?.status, 101);
		assert.equal(end?.error, null);
		assert.equal(end?.route, "GET /chat/{rest*}");
		await nothingOpen();
	});

	test("asks the upstream as the proxy asks, and for no extension", async () => {
		await start({}, { route: ", pass: [authorization]" });
		const client = await open(
			[
				...["Authorization: Bearer x", "Cookie: a=1", "X-Own: 1"],
				"Sec-WebSocket-Extensions: permessage-deflate",
			],
			"/chat/a%20b/7?x=%D0%9C",
		);
		assert.equal(client.headers["sec-websocket-extensions"], undefined);
		const { url, headers } = await upstream.peer();
		assert.equal(url, "/rooms/a%20b/7?x=%D0%9C");
		assert.equal(headers.authorization, "Bearer x");
		assert.equal(headers.cookie, undefined);
		assert.equal(headers["x-own"], undefined);
		assert.equal(headers["sec-websocket-extensions"], undefined);
		assert.equal(headers.host, new URL(upstream.origin).host);
		assert.ok(headers["x-request-id"] ?? headers["via"]);
	});

	test("offers the client's subprotocols, and gives the one that was chosen", async () => {
		await start({ protocol: "b" });
		const offered = await open(["Sec-WebSocket-Protocol: a, b"]);
		assert.equal(offered.headers["sec-websocket-protocol"], "b");
		assert.equal(
			(await upstream.peer()).headers["sec-websocket-protocol"],
			"a, b",
		);
		await offered[Symbol.dispose]();
	});

	test("passes over TLS, if the upstream is the one that was meant", async () => {
		const server = createSecureServer({ key: pem("key"), cert: pem("cert") });
		await start({ server }, { upstream: ", tls: { ca: '${env.CA}' }" });
		const client = await open();
		assert.equal(client.status, 101);
		client.send(frame(opcodes.text, "x"));
		assert.equal((await client.next())?.payload.toString(), "x");
		client.send(frame(opcodes.close, closing(1000)));
		await nothingOpen();
		await front(upstream.origin);
		const other = await open();
		assert.equal(other.status, 502);
		assert.match(other.body, /upstream_unreachable/);
		assert.equal(upstream.asked, 1);
	});

	test("has no subprotocol if the upstream chooses none", async () => {
		await start({ protocol: null });
		const client = await open(["Sec-WebSocket-Protocol: a"]);
		assert.equal(client.status, 101);
		assert.equal(client.headers["sec-websocket-protocol"], undefined);
		client.send(frame(opcodes.text, "x"));
		assert.equal((await client.next())?.payload.toString(), "x");
	});

	test("serves a client of the web's own interface", async () => {
		await start();
		const address = `${served.url.replace("http", "ws")}/chat/7`;
		const client = new WebSocket(address, ["a", "b"]);
		client.binaryType = "arraybuffer";
		const next = (kind: "close" | "message" | "open") =>
			new Promise<Heard>((resolve) => {
				client.addEventListener(kind, (event) => resolve(event as Heard), {
					once: true,
				});
			});
		await next("open");
		assert.equal(client.protocol, "a");
		assert.equal(client.extensions, "");
		client.send("шлюз");
		assert.equal((await next("message")).data, "шлюз");
		client.send(new Uint8Array([1, 2, 3]));
		const { data } = await next("message");
		assert.deepEqual(
			new Uint8Array(data as ArrayBuffer),
			new Uint8Array([1, 2, 3]),
		);
		client.close(4000, "bye");
		const { code, reason, wasClean } = await next("close");
		assert.deepEqual(
			{ code, reason, wasClean },
			{ code: 4000, reason: "bye", wasClean: true },
		);
		assert.deepEqual(await (await upstream.peer()).closed, [4000, "bye"]);
	});

	test("is refused by a rate limit before the upstream is asked", async () => {
		upstream = stack.use(await startWebSocketUpstream());
		served = stack.use(
			await serve({
				upstreams: { chat: { url: upstream.origin } },
				routes: {
					"GET /chat/{rest*}": {
						rateLimit: { limit: 1, per: "1m" },
						proxy: { to: "chat/{rest*}", websocket: true },
					},
				},
			}),
		);
		assert.equal((await open()).status, 101);
		const refused = await open();
		assert.equal(refused.status, 429);
		assert.ok(refused.headers["retry-after"]);
		assert.equal(upstream.asked, 1);
	});

	test("leaves a route without `websocket` as it was", async () => {
		await start();
		const client = await open([], "/plain/7");
		assert.equal(client.status, 501);
		assert.equal(upstream.asked, 0);
	});
});

describe("an upstream that does not agree", () => {
	const refusals: [why: string, answer: string, status: number][] = [
		[
			"401",
			"HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\nWWW-Authenticate: Basic\r\n\r\nwho?",
			401,
		],
		[
			"404 without a length",
			"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\nwho?",
			404,
		],
		[
			"503 in chunks",
			"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwho?\r\n0\r\n\r\n",
			503,
		],
		["200", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwho?", 200],
	];
	for (const [why, answer, status] of refusals) {
		test(`passes its answer on: ${why}`, async () => {
			await start({ refuse: (_, socket) => socket.end(answer) !== null });
			const client = await open();
			assert.equal(client.status, status);
			assert.match(client.body, /who\?/);
			await nothingOpen();
			await ended();
			assert.equal(served.ended[0]?.status, status);
		});
	}

	const agreed =
		"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
	const faults: [why: string, answer: string, status: number][] = [
		["no HTTP", "hello\r\n\r\n", 502],
		["nothing", "", 502],
		["half a head", "HTTP/1.1 200 O", 502],
		["101 with a wrong key", `${agreed}Sec-WebSocket-Accept: x\r\n\r\n`, 502],
		[
			"101 to another protocol",
			agreed.replace("websocket", "h2c") + "\r\n",
			502,
		],
		["101 without `Upgrade`", "HTTP/1.1 101 Yes\r\n\r\n", 502],
		["999", "HTTP/1.1 999 No\r\nContent-Length: 4\r\n\r\nwho?", 502],
		["a head without end", `HTTP/1.1 200 OK\r\nx: ${"x".repeat(200_000)}`, 502],
	];
	for (const [why, answer, status] of faults) {
		test(`is ${status}: ${why}`, async () => {
			await start({ refuse: (_, socket) => socket.end(answer) !== null });
			const client = await open();
			assert.equal(client.status, status);
			assert.match(client.body, /upstream_(?:invalid|unreachable)/);
			await nothingOpen();
		});
	}

	for (const [field, value] of [
		["Sec-WebSocket-Protocol", "other"],
		["Sec-WebSocket-Extensions", "permessage-deflate"],
	]) {
		test(`is 502 if it answers with ${field} that was not offered`, async () => {
			const { createHash } = await import("node:crypto");
			await start({
				refuse(request, socket) {
					const accept = createHash("sha1")
						.update(
							`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`,
						)
						.digest("base64");
					socket.write(
						`${agreed}Sec-WebSocket-Accept: ${accept}\r\n${field}: ${value}\r\n\r\n`,
					);
					return true;
				},
			});
			const client = await open(["Sec-WebSocket-Protocol: a"]);
			assert.equal(client.status, 502);
			await nothingOpen();
		});
	}

	test("is 504 if it says nothing within its time", async () => {
		const clock = virtualClock();
		const asked = Promise.withResolvers<void>();
		await start(
			{
				refuse: () => {
					asked.resolve();
					return true;
				},
			},
			{ clock },
		);
		const opening = open();
		await asked.promise;
		await clock.advance(2_000);
		assert.equal((await opening).status, 504);
		await nothingOpen();
	});

	test("is 502 if there is nobody", async () => {
		const closed = createServer().listen(0);
		const { port } = closed.address() as { port: number };
		await new Promise((resolve) => closed.close(resolve));
		await front(`http://127.0.0.1:${port}`);
		const client = await open();
		assert.equal(client.status, 502);
		assert.match(client.body, /upstream_unreachable/);
		await nothingOpen();
	});

	test("is left if the client leaves before", async () => {
		const asked = Promise.withResolvers<Socket>();
		await start({
			refuse(_, socket) {
				asked.resolve(socket);
				return true;
			},
		});
		const client = stack.use(
			await openClient(Number(new URL(served.url).port)),
		);
		client.send(handshake("/chat/7"));
		const socket = await asked.promise;
		const gone = new Promise((resolve) => {
			socket.on("end", resolve).on("close", resolve).resume();
		});
		client.socket.end();
		await gone;
		await nothingOpen();
		await ended();
		assert.equal(served.ended[0]?.status, 499);
	});
});

describe("the end of one side", () => {
	test("is passed on with its code and reason", async () => {
		await start();
		const one = await open();
		one.send(frame(opcodes.close, closing(4001, "bye")));
		assert.deepEqual(await (await upstream.peer()).closed, [4001, "bye"]);
		assert.equal(await one.closed(), 4001);
		const other = await open();
		(await upstream.peer()).ws.close(4002, "ciao");
		const end = await other.next();
		assert.equal(end?.payload.readUInt16BE(0), 4002);
		assert.equal(end?.payload.toString("utf8", 2), "ciao");
		other.send(frame(opcodes.close, end?.payload));
		await nothingOpen();
	});

	test("comes after everything that was said before", async () => {
		const sizes: number[] = [];
		await start({ onMessage: (_, data) => sizes.push(data.length) });
		const client = await open();
		const peer = await upstream.peer();
		peer.ws.pause();
		const piece = frame(opcodes.binary, Buffer.alloc(10_000));
		const all = Array.from({ length: 400 }, () => piece);
		client.send(...all, frame(opcodes.close, closing(4000)));
		await turns(500);
		peer.ws.resume();
		assert.equal((await peer.closed)[0], 4000);
		assert.equal(sizes.length, 400);
		assert.equal(await client.closed(), 4000);
		await ended();
		assert.equal(served.ended[0]?.closeCode, 4000);
	});

	test("is passed on without a code if it had none", async () => {
		await start();
		const one = await open();
		one.send(frame(opcodes.close));
		assert.equal((await (await upstream.peer()).closed)[0], 1005);
		const other = await open();
		(await upstream.peer()).ws.close();
		assert.equal(await other.closed(), 1005);
	});

	test("is 1001 to the upstream if the client was cut off", async () => {
		await start();
		const client = await open();
		const metrics = createMetrics(served.gateway);
		client.socket.resetAndDestroy();
		assert.equal((await (await upstream.peer()).closed)[0], 1001);
		await ended();
		const text = metrics.print("prometheus");
		assert.match(text, /^sluice_answers_total.*completeness="whole"\} 1$/m);
		assert.doesNotMatch(
			text,
			/^http_server_request_duration_seconds_count/m,
			"its client decides how long it lasts",
		);
		assert.deepEqual(
			served.ended.map(({ status, error }) => [status, error]),
			[[101, null]],
		);
		await nothingOpen();
	});

	test("is 1011 to the client if the upstream was cut off", async () => {
		await start();
		const client = await open();
		(await upstream.peer()).ws.terminate();
		assert.equal(await client.closed(), 1011);
		client.send(frame(opcodes.close, closing(1011)));
		await nothingOpen();
		await ended();
		assert.equal(served.ended[0]?.status, 101);
		assert.equal(served.ended[0]?.error?.code, "upstream_invalid");
		assert.equal(served.ended[0]?.closeCode, 1011);
	});

	test("is 1011 to the client if the upstream breaks the protocol", async () => {
		await start({
			onMessage(ws) {
				// A frame with a mask.
				(ws as unknown as { _socket: Socket })._socket.write(
					frame(opcodes.text, "x"),
				);
			},
		});
		const client = await open();
		client.send(frame(opcodes.text, "go"));
		assert.equal(await client.closed(), 1011);
		assert.equal((await (await upstream.peer()).closed)[0], 1002);
	});

	test("is 1009 to a client that says too much, and 1011 if the upstream does", async () => {
		await start(
			{ onMessage: (ws) => ws.send("x".repeat(2000)) },
			{ proxy: "{ maxMessage: 1KiB }" },
		);
		const one = await open();
		one.send(frame(opcodes.text, "x".repeat(1025)));
		assert.equal(await one.closed(), 1009);
		assert.equal((await (await upstream.peer()).closed)[0], 1009);
		const other = await open();
		other.send(frame(opcodes.text, "x"));
		assert.equal(await other.closed(), 1011);
		assert.equal((await (await upstream.peer()).closed)[0], 1009);
	});

	test("comes with 1001 if neither says anything for `idle`", async () => {
		const clock = virtualClock();
		await start({}, { proxy: "{ idle: 5s }", clock });
		const client = await open();
		await clock.advance(4_000);
		client.send(frame(opcodes.text, "x"));
		await client.next();
		await clock.advance(4_000);
		client.send(frame(opcodes.text, "x"));
		await client.next();
		await clock.advance(5_000);
		assert.equal(await client.closed(), 1001);
		assert.equal((await (await upstream.peer()).closed)[0], 1001);
		client.send(frame(opcodes.close, closing(1001)));
		await ended();
		assert.equal(clock.pending, 0);
	});

	test("comes to both with 1001 if the gateway is closed", async () => {
		await start();
		const client = await open();
		const peer = await upstream.peer();
		await served.gateway.close();
		assert.equal(await client.closed(), 1001);
		assert.equal((await peer.closed)[0], 1001);
	});
});

describe("the record of a WebSocket", () => {
	for (const [who, end] of [
		[
			"the client",
			(client) => client.send(frame(opcodes.close, closing(1000))),
		],
		["the upstream", async () => (await upstream.peer()).ws.close(1000)],
	] as [string, (client: WebSocketClient) => unknown][]) {
		test(`has a call that went well if ${who} has ended it`, async () => {
			await start();
			const trails: TrailEnded[] = [];
			served.gateway.events.trailEnded.push((event) => trails.push(event));
			const client = await open();
			await end(client);
			const frameOfEnd = await client.next();
			client.send(frame(opcodes.close, frameOfEnd?.payload));
			await ended();
			const [step] = trails[0]?.trail.steps ?? [];
			assert.equal(step?.end, "ok");
			const [call] = step?.calls ?? [];
			assert.equal(call?.status, 101);
			assert.equal(call?.error, null);
			assert.notEqual(call?.endedMs, null);
		});
	}
});

describe("what a page may open", () => {
	const host = "gateway";
	const cases: [proxy: string, origin: string | null, status: number][] = [
		["true", null, 101],
		["true", `http://${host}`, 101],
		["true", `https://${host}`, 101],
		["true", "https://evil.example", 403],
		["true", `https://${host}:8443`, 403],
		["true", `https://${host}.evil.example`, 403],
		["true", "null", 403],
		["true", "", 403],
		["{ origins: ['https://*.example.com'] }", "https://app.example.com", 101],
		["{ origins: ['https://*.example.com'] }", "https://a.b.example.com", 403],
		["{ origins: ['https://*.example.com'] }", `https://${host}`, 403],
		["{ origins: ['*'] }", "null", 101],
	];
	for (const [proxy, origin, status] of cases) {
		test(`is ${status} with ${proxy} for ${origin ?? "a program"}`, async () => {
			await start({}, { proxy });
			const lines = origin === null ? [] : [`Origin: ${origin}`];
			const client = await open(lines);
			assert.equal(client.status, status);
			assert.equal(upstream.asked, status === 101 ? 1 : 0);
			if (status === 403) assert.match(client.body, /"foreign_origin"/);
		});
	}

	test("is nothing with two origins", async () => {
		await start({}, { proxy: "{ origins: ['https://a.example'] }" });
		const twice = ["Origin: https://a.example", "Origin: https://a.example"];
		const { status } = await open(twice);
		assert.ok(status === 403 || status === 400);
		assert.equal(upstream.asked, 0);
	});
});

describe("a request that asks for a WebSocket in another way", () => {
	test("is 426 with the version, or 400", async () => {
		await start();
		const ask = async (change: (head: string) => string) =>
			stack.use(
				await openWebSocket(served.url, [], change(handshake("/chat/7"))),
			);
		const old = await ask((head) => head.replace(": 13", ": 8"));
		assert.equal(old.status, 426);
		assert.equal(old.headers["upgrade"], "websocket");
		assert.equal(old.headers["sec-websocket-version"], "13");
		const keyless = await ask((head) => head.replace("dGhl", ""));
		assert.equal(keyless.status, 400);
		const fetched = await served.gateway.fetch(
			new Request("http://gateway/chat/7", {
				headers: {
					upgrade: "websocket",
					connection: "upgrade",
					"sec-websocket-version": "13",
				},
			}),
		);
		assert.equal(fetched.status, 400);
		assert.equal(upstream.asked, 0);
	});
});

describe("the protection of the upstream", () => {
	test("counts an open WebSocket among its streams", async () => {
		await start({}, { upstream: ", streams: 1" });
		const first = await open();
		const second = await open();
		assert.equal(second.status, 503);
		assert.match(second.body, /limiter_full/);
		first.send(frame(opcodes.close, closing(1000)));
		await nothingOpen();
		assert.equal((await open()).status, 101);
	});

	test("opens the breaker by handshakes that fail", async () => {
		await start(
			{
				refuse: (_, socket) =>
					socket.end("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n") !== null,
			},
			{ upstream: ", breaker: { calls: 2, errorRate: 0.5 }" },
		);
		assert.equal((await open()).status, 500);
		assert.equal((await open()).status, 500);
		assert.match((await open()).body, /breaker_open/);
		assert.equal(upstream.asked, 2);
	});

	test("shares WebSockets among the URLs", async () => {
		upstream = stack.use(await startWebSocketUpstream());
		const other = stack.use(await startWebSocketUpstream());
		served = stack.use(
			await serve({
				upstreams: { chat: { urls: [upstream.origin, other.origin] } },
				routes: {
					"GET /chat/{rest*}": {
						proxy: { to: "chat/{rest*}", websocket: true },
					},
				},
			}),
		);
		for (let at = 0; at < 4; at++) assert.equal((await open()).status, 101);
		assert.equal(upstream.asked + other.asked, 4);
		assert.ok(upstream.asked > 0 && other.asked > 0);
	});

	test("lets an upstream send no faster than its client takes", async () => {
		await start({
			onMessage(ws) {
				for (let at = 0; at < 400; at++) ws.send(Buffer.alloc(256 * 1024));
			},
		});
		const client = await open();
		const { ws } = await upstream.peer();
		client.send(frame(opcodes.text, "go"));
		client.socket.pause();
		const before = served.gateway.memory.held;
		await turns(5_000);
		const left = ws.bufferedAmount;
		assert.ok(left > 50 * 2 ** 20, `only ${left} bytes wait at the upstream`);
		assert.ok(served.gateway.memory.held - before < 4 * 2 ** 20);
		client.socket.resume();
		for (let at = 0; at < 400; at++) {
			assert.equal((await client.next())?.payload.length, 256 * 1024);
		}
	});
});

describe("an upstream that takes nothing", () => {
	test("lets its client send no more than a little, and is cut off with 1011", async () => {
		const clock = virtualClock();
		await start({}, { clock });
		const client = await open();
		const { ws } = await upstream.peer();
		ws.pause();
		const before = served.gateway.memory.held;
		const piece = frame(opcodes.binary, Buffer.alloc(256 * 1024));
		const send = () => {
			while (client.socket.writable && client.socket.write(piece));
		};
		client.socket.on("drain", send);
		send();
		await turns(5_000);
		assert.ok(served.gateway.memory.held - before < 4 * 2 ** 20);
		client.socket.off("drain", send);
		for (let at = 0; at < 16; at++) await clock.advance(5_000);
		// The client is asked whether it is there, too, but need not be heard.
		let last = await client.next();
		while (last?.opcode === opcodes.ping) last = await client.next();
		assert.equal(last?.payload.readUInt16BE(0), 1011);
	});
});

describe("a route with steps before its proxy", () => {
	test("opens a WebSocket only if no step answers", async () => {
		upstream = stack.use(await startWebSocketUpstream());
		served = stack.use(
			await serve(`
upstreams: { chat: { url: "${upstream.origin}" } }
routes:
  GET /chat/{room}:
    request: { query: { key: { type: string } } }
    steps:
      refused: { when: "\${query.key !== 'right'}", reply: { status: 401, body: no } }
    proxy: { to: "chat/\${params.room}", websocket: true, after: [refused] }
`),
		);
		assert.equal((await open([], "/chat/7?key=wrong")).status, 401);
		assert.equal(upstream.asked, 0);
		assert.equal((await open([], "/chat/7?key=right")).status, 101);
	});
});
