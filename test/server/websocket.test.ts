import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { GatewayResponse } from "../../src/core/http/messages.ts";
import type {
	Peer,
	Session,
	SessionListener,
} from "../../src/core/http/session.ts";
import { Memory } from "../../src/core/memory.ts";
import { lingerMs } from "../../src/server/client-connection.ts";
import {
	type Handle,
	listen,
	type Server,
	type ServerOptions,
} from "../../src/server/server.ts";
import {
	type Scope,
	type VirtualClock,
	virtualClock,
} from "../../src/tasks/index.ts";
import { serverDefaults } from "../kit/server-defaults.ts";
import {
	closing,
	frame,
	handshake,
	opcodes,
	openWebSocket,
	type WebSocketClient,
} from "../kit/websocket.ts";
import { asking, openClient, reset } from "./client.ts";

let stack: AsyncDisposableStack;
let clock: VirtualClock;
let server: Server;
let memory: Memory;
let internal: unknown[];

/** What a session has seen. */
interface Seen {
	readonly peer: Peer;
	readonly scope: Scope;
	readonly closed: Promise<[code: number, reason: string]>;
}

let opened: Seen[];

type OnMessage = (
	seen: Seen,
	data: Uint8Array,
	isText: boolean,
) => void | Promise<void>;

const echo: OnMessage = ({ peer }, data, isText) =>
	isText ? peer.sendText(data) : peer.sendBytes(data);

/** Sends every message back, unless `listener` says otherwise. */
function sessionOf(
	options: Partial<Session> = {},
	onMessage: OnMessage = echo,
): GatewayResponse {
	const session: Session = {
		protocol: null,
		messageBytesMax: 1024,
		open(peer, scope): SessionListener {
			const { promise, resolve } =
				Promise.withResolvers<[code: number, reason: string]>();
			const seen = { peer, scope, closed: promise };
			opened.push(seen);
			return {
				onMessage: (data, isText) => onMessage(seen, data, isText),
				onClosed: (code, reason) => resolve([code, reason]),
			};
		},
		...options,
	};
	return { status: 101, headers: ["x-of", "gateway"], body: null, session };
}

async function serve(
	handle: Handle = async () => sessionOf(),
	options: Partial<ServerOptions> = {},
): Promise<void> {
	memory = new Memory(64 * 2 ** 20);
	server = await listen({
		...serverDefaults,
		...{ host: "127.0.0.1", port: 0, clock, handle, memory },
		onInternal: (error) => internal.push(error),
		...options,
	});
	const one = server;
	stack.defer(() => one.close());
}

async function open(
	lines: readonly string[] = [],
	head?: string,
): Promise<WebSocketClient> {
	return stack.use(await openWebSocket(`${server.url}/chat`, lines, head));
}

/** Time passes, and whatever it brings about on connections happens. */
async function pass(ms: number): Promise<void> {
	for (let left = ms; left > 0; left -= 500) {
		await clock.advance(Math.min(500, left));
	}
}

beforeEach(() => {
	stack = new AsyncDisposableStack();
	clock = virtualClock();
	opened = [];
	internal = [];
});

afterEach(async () => {
	await stack.disposeAsync();
	assert.deepEqual(internal, []);
	assert.equal(clock.pending, 0, "a timer was left");
	// The system tells of the end of a connection a moment later.
	for (let turn = 0; turn < 100 && memory.held > 0; turn++) {
		await new Promise(setImmediate);
	}
	assert.equal(memory.held, 0, "memory was left");
	assert.equal(server.sessions().open, 0);
});

function iterable<T>(items: AsyncIterator<T>): AsyncIterable<T> {
	return { [Symbol.asyncIterator]: () => items };
}

describe("a request for a WebSocket", () => {
	test("is answered over HTTP unless the answer is a session", async () => {
		await serve(async ({ upgradable }) => ({
			...{ status: 401, headers: [], body: `not you: ${upgradable}` },
		}));
		const client = await open();
		assert.equal(client.status, 401);
		assert.equal(client.headers["connection"], "close");
		assert.ok(client.headers["x-request-id"]);
		assert.equal(client.body, "not you: true");
	});

	test("is refused by the same rules as any other", async () => {
		await serve(undefined, { hosts: ["api.example.com"], headerFieldsMax: 8 });
		assert.equal((await open()).status, 421);
		const many = ["a: 1", "b: 2", "c: 3", "d: 4"];
		assert.equal((await open(many)).status, 431);
		assert.equal(
			(await open(["Authorization: 1", "authorization: 2"])).status,
			400,
		);
		assert.deepEqual(opened, []);
	});

	test("is answered by the health check, and refused by a server that drains", async () => {
		await serve(undefined, { healthPath: "/-/health" });
		const health = await open([], handshake("/-/health"));
		assert.equal(health.status, 200);
		assert.match(health.body, /"ok"/);
		const first = stack.use(await openClient(server.port));
		const drained = server.drain(1_000, 1_000);
		first.send(handshake("/-/health"));
		assert.equal((await first.answer()).status, 503);
		await clock.advance(1_000);
		assert.equal(await drained, true);
		assert.deepEqual(opened, []);
	});

	test("counts as a connection of its client as long as it is open", async () => {
		await serve(undefined, { connectionsPerClient: 1 });
		const first = await open();
		assert.equal(first.status, 101);
		assert.equal(server.connections(), 1);
		assert.equal((await open()).status, 429);
		first.send(frame(opcodes.close, closing(1000)));
		await first.gone();
		// The one that was refused may linger.
		await clock.advance(lingerMs);
		while (server.connections() > 0) await new Promise(setImmediate);
		assert.equal((await open()).status, 101);
	});

	test("takes any case, and other names of `Connection`, as Firefox sends them", async () => {
		await serve();
		const head = handshake("/chat")
			.replace(": websocket", ": WebSocket")
			.replace("Connection: Upgrade", "connection: keep-alive, upgrade");
		assert.equal((await open([], head)).status, 101);
	});

	test("gets a session with the fields of the answer and the id", async () => {
		await serve();
		const client = await open();
		assert.equal(client.status, 101);
		assert.equal(client.headers["x-of"], "gateway");
		assert.ok(client.headers["x-request-id"]);
		assert.equal(client.headers["sec-websocket-extensions"], undefined);
	});

	const improper: [why: string, change: (head: string) => string][] = [
		["another method", (head) => head.replace("GET", "POST")],
		["HTTP/1.0", (head) => head.replace("HTTP/1.1", "HTTP/1.0")],
		["another protocol", (head) => head.replace(": websocket", ": h2c")],
		["two protocols", (head) => head.replace(": websocket", ": websocket, x")],
		["no Connection", (head) => head.replace("n: Upgrade", "n: close")],
		["another version", (head) => head.replace(": 13", ": 8")],
		["no key", (head) => head.replace("WebSocket-Key", "X-Key")],
		["a short key", (head) => head.replace("dGhl", "")],
		[
			"two keys",
			(head) => twice(head, "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA=="),
		],
		["a name twice", (head) => twice(head, "Sec-WebSocket-Protocol: a, a")],
		["no names", (head) => twice(head, "Sec-WebSocket-Protocol: a,,b")],
		["a body", (head) => `${twice(head, "Content-Length: 2")}hi`],
	];
	for (const [why, change] of improper) {
		test(`is none with ${why}`, async () => {
			await serve(async ({ upgradable }) => ({
				...{ status: 200, headers: [], body: String(upgradable) },
			}));
			const client = await open([], change(handshake("/chat")));
			assert.equal(client.status, 200);
			assert.match(client.body, /undefined$/);
		});
	}

	test("is none behind a request that has no answer yet", async () => {
		const { promise, resolve } = Promise.withResolvers<GatewayResponse>();
		await serve(async ({ target, upgradable }) =>
			target === "/first"
				? promise
				: { status: 200, headers: [], body: String(upgradable) },
		);
		const client = stack.use(await openClient(server.port));
		client.send(asking("GET /first"), handshake("/chat"));
		resolve({ status: 200, headers: [], body: "first" });
		assert.equal((await client.answer()).body, "first");
		assert.equal((await client.answer()).body, "undefined");
	});

	test("is one behind a request that was answered", async () => {
		await serve(async ({ target }) =>
			target === "/first"
				? { status: 200, headers: [], body: "first" }
				: sessionOf(),
		);
		const client = stack.use(await openClient(server.port));
		client.send(asking("GET /first"));
		assert.equal((await client.answer()).body, "first");
		client.send(handshake("/chat"));
		assert.equal((await client.answer()).status, 101);
	});

	test("is told which version there is, by 426", async () => {
		await serve(async () => ({
			...{ status: 426, headers: ["upgrade", "websocket"], body: "" },
		}));
		const client = stack.use(await openClient(server.port));
		client.send(asking("GET /chat"));
		const { headers } = await client.answer();
		assert.equal(headers["sec-websocket-version"], "13");
		assert.equal(headers["upgrade"], "websocket");
	});

	test("is refused with an answer of any length, as fast as its client reads", async () => {
		const piece = Buffer.alloc(256 * 1024, "x");
		async function* pieces() {
			for (let at = 0; at < 40; at++) yield piece;
		}
		await serve(async () => ({
			...{ status: 403, headers: [] },
			body: { length: 40 * piece.length, ...iterable(pieces()) },
		}));
		const client = stack.use(await openClient(server.port));
		client.socket.pause();
		client.send(handshake("/chat"));
		for (let at = 0; at < 500; at++) await new Promise(setImmediate);
		client.socket.resume();
		const { status, body } = await client.answer();
		assert.equal(status, 403);
		assert.equal(body.length, 40 * piece.length);
	});

	test("looks at nothing behind a request that was refused", async () => {
		let handled = 0;
		await serve(async () => {
			handled++;
			return { status: 403, headers: [], body: "no" };
		});
		const client = await open(
			[],
			handshake("/chat") + asking("GET /second") + asking("GET /third"),
		);
		assert.equal(client.status, 403);
		assert.equal(client.body, "no");
		assert.equal(handled, 1);
	});

	test("ends when its client leaves before the answer", async () => {
		const left = Promise.withResolvers<unknown>();
		await serve((_request, scope) => {
			scope.onCancel(left.resolve);
			return left.promise.then(() => sessionOf());
		});
		const client = stack.use(await openClient(server.port));
		client.send(handshake("/chat"));
		client.socket.end();
		assert.equal(
			((await left.promise) as Error & { code: string }).code,
			"client_closed",
		);
		await client.gone();
		assert.deepEqual(opened, []);
	});

	test("may be followed by frames before it has its answer", async () => {
		const { promise, resolve } = Promise.withResolvers<void>();
		await serve(async () => {
			await promise;
			return sessionOf();
		});
		const client = openWebSocket(
			`${server.url}/chat`,
			[],
			`${handshake("/chat")}${frame(opcodes.text, "early").toString("latin1")}`,
		);
		resolve();
		const one = stack.use(await client);
		assert.equal((await one.next())?.payload.toString(), "early");
	});

	test("gets the subprotocol that the session chose, if it was offered", async () => {
		await serve(async () => sessionOf({ protocol: "b" }));
		const offered = await open(["Sec-WebSocket-Protocol: a, b"]);
		assert.equal(offered.headers["sec-websocket-protocol"], "b");
		const other = await open(["Sec-WebSocket-Protocol: a"]);
		assert.equal(other.headers["sec-websocket-protocol"], undefined);
	});

	test("is an answer of 500 if a field of the answer cannot be written", async () => {
		await serve(async () => ({ ...sessionOf(), headers: ["x", "a\nb"] }));
		const client = await open();
		assert.equal(client.status, 500);
		assert.equal(internal.length, 1);
		internal = [];
	});
});

function twice(head: string, line: string): string {
	return head.replace("\r\n\r\n", `\r\n${line}\r\n\r\n`);
}

describe("a session", () => {
	test("sends texts and bytes, and texts as their bytes", async () => {
		await serve();
		const client = await open();
		client.send(frame(opcodes.text, "шлюз"), frame(opcodes.binary, "\x00\x01"));
		assert.deepEqual(await client.next(), {
			...{ fin: true, rsv: 0, opcode: opcodes.text },
			payload: Buffer.from("шлюз"),
		});
		assert.equal((await client.next())?.opcode, opcodes.binary);
	});

	test("gives no message while one is worked on, and then all in order", async () => {
		const taken: string[] = [];
		const gates: (() => void)[] = [];
		await serve(async () =>
			sessionOf({}, (_seen, data) => {
				taken.push(Buffer.from(data).toString());
				return new Promise<void>((resolve) => gates.push(resolve));
			}),
		);
		const client = await open();
		const texts = ["1", "2", "3"];
		client.send(...texts.map((text) => frame(opcodes.text, text)));
		for (const [at] of texts.entries()) {
			while (gates.length <= at) await new Promise(setImmediate);
			assert.deepEqual(taken, texts.slice(0, at + 1));
			gates[at]?.();
		}
		client.send(frame(opcodes.text, "4"));
		while (gates.length < 4) await new Promise(setImmediate);
		assert.deepEqual(taken, ["1", "2", "3", "4"]);
		gates[3]?.();
	});

	test("works on what came before an end in order, and not on what came before a cut", async () => {
		const taken: string[] = [];
		const gates: (() => void)[] = [];
		await serve(async () =>
			sessionOf({}, (_seen, data) => {
				taken.push(Buffer.from(data).toString());
				return new Promise<void>((resolve) => gates.push(resolve));
			}),
		);
		const texts = ["1", "2", "3"].map((text) => frame(opcodes.text, text));
		const client = await open();
		client.send(...texts, frame(opcodes.close, closing(1000, "done")));
		assert.equal(await client.closed(), 1000);
		await client.gone();
		for (let at = 0; at < 3; at++) {
			while (gates.length <= at) await new Promise(setImmediate);
			assert.equal(server.sessions().open, 1);
			gates[at]?.();
		}
		assert.deepEqual(await opened[0]?.closed, [1000, "done"]);
		assert.deepEqual(taken, ["1", "2", "3"]);
		const cut = await open();
		cut.send(...texts);
		while (gates.length < 4) await new Promise(setImmediate);
		await server.close();
		gates[3]?.();
		assert.equal((await opened[1]?.closed)?.[0], 1006);
		assert.deepEqual(taken, ["1", "2", "3", "1"]);
	});

	test("ends at last if what came before an end is worked on for too long", async () => {
		await serve(async () => sessionOf({}, () => new Promise(() => {})));
		const client = await open();
		client.send(frame(opcodes.text, "x"), frame(opcodes.close, closing(1000)));
		assert.equal(await client.closed(), 1000);
		await client.gone();
		while (server.connections() > 0) await new Promise(setImmediate);
		assert.equal(opened[0]?.scope.cancelled, false);
		await pass(5_000);
		assert.deepEqual(await opened[0]?.closed, [1000, ""]);
		assert.ok(opened[0]?.scope.cancelled);
	});

	test("ends with the code and the reason of its client", async () => {
		await serve();
		const client = await open();
		client.send(frame(opcodes.close, closing(4001, "bye")));
		assert.equal(await client.closed(), 4001);
		assert.deepEqual(await opened[0]?.closed, [4001, "bye"]);
		assert.ok(opened[0]?.scope.cancelled);
		assert.deepEqual([...server.sessions().closed], [["4xxx", 1]]);
	});

	test("is counted by few codes, whatever clients choose", async () => {
		await serve();
		for (const code of [1000, 1000, 3000, 3999, 4000, 4999]) {
			const client = await open();
			client.send(frame(opcodes.close, closing(code)));
			assert.equal(await client.closed(), code);
			await client.gone();
		}
		const cut = await open();
		reset(cut.socket);
		await opened.at(-1)?.closed;
		assert.deepEqual(Object.fromEntries(server.sessions().closed), {
			...{ 1000: 2, "3xxx": 2, "4xxx": 2, 1006: 1 },
		});
	});

	test("ends with 1005 if its client gives no code", async () => {
		await serve();
		const client = await open();
		client.send(frame(opcodes.close));
		assert.equal(await client.closed(), 1005);
		assert.deepEqual(await opened[0]?.closed, [1005, ""]);
	});

	test("ends with 1006 if its client is cut off", async () => {
		await serve();
		const client = await open();
		reset(client.socket);
		assert.deepEqual(await opened[0]?.closed, [1006, ""]);
	});

	test("is closed with the code and the reason that it gives, cut at a character", async () => {
		await serve(async () =>
			sessionOf({}, ({ peer }) => {
				peer.close(4000, "ш".repeat(100));
				peer.close(1000, "later");
				peer.sendText("later");
			}),
		);
		const client = await open();
		client.send(frame(opcodes.text, "end"));
		const { opcode, payload } = (await client.next()) ?? {
			payload: Buffer.alloc(2),
		};
		assert.equal(opcode, opcodes.close);
		assert.equal(payload.readUInt16BE(0), 4000);
		assert.equal(payload.toString("utf8", 2), "ш".repeat(61));
		client.send(frame(opcodes.close, payload));
		assert.equal((await opened[0]?.closed)?.[0], 4000);
		await client.gone();
	});

	test("sends a text whose bytes go to many clients whole to each, between their own, whatever its length", async () => {
		const lengths = [0, 125, 126, 65_535, 65_536];
		const shared = lengths.map((length) => Buffer.alloc(length, "ш"));
		await serve(async () =>
			sessionOf({}, () => {
				for (const text of shared) {
					for (const { peer } of opened) {
						peer.sendText("own");
						peer.sendText(text);
						peer.sendBytes(Buffer.from([1]));
					}
				}
			}),
		);
		const clients = [await open(), await open(), await open(), await open()];
		clients[0]?.send(frame(opcodes.text, "say"));
		for (const client of clients) {
			for (const text of shared) {
				assert.equal(`${(await client.next())?.payload}`, "own");
				const { opcode, payload } = (await client.next()) ?? {};
				assert.equal(opcode, opcodes.text);
				assert.ok(payload?.equals(text), `${payload?.length}`);
				assert.equal((await client.next())?.opcode, opcodes.binary);
			}
		}
		const sent = 4 * 3 * lengths.length;
		assert.equal(server.sessions().sent, sent);
	});

	test("is closed with 1011 if it fails, and the error is reported", async () => {
		await serve(async () =>
			sessionOf({}, async () => {
				throw new Error("a bug");
			}),
		);
		const client = await open();
		client.send(frame(opcodes.text, "x"));
		assert.equal(await client.closed(), 1011);
		assert.match(String(internal.pop()), /a bug/);
		await serve(async () =>
			sessionOf({
				open() {
					throw new Error("at once");
				},
			}),
		);
		assert.equal(await (await open()).closed(), 1011);
		assert.match(String(internal.pop()), /at once/);
	});

	test("counts messages, and what it holds", async () => {
		await serve();
		const client = await open();
		client.send(frame(opcodes.text, "1"), frame(opcodes.text, "2"));
		await client.next();
		await client.next();
		const { open: count, received, sent } = server.sessions();
		assert.deepEqual(
			{ count, received, sent },
			{ count: 1, received: 2, sent: 2 },
		);
		const atRest = memory.held;
		client.send(frame(opcodes.text, "x".repeat(500)).subarray(0, 400));
		while (memory.held < atRest + 400) await new Promise(setImmediate);
	});
});

describe("bounds of a session", () => {
	test("closes with 1009 on a message that is too long, of one frame or of many", async () => {
		await serve();
		const exact = await open();
		exact.send(frame(opcodes.text, "x".repeat(1024)));
		assert.equal((await exact.next())?.payload.length, 1024);
		exact.send(frame(opcodes.text, "", { length: 1025 }));
		assert.equal(await exact.closed(), 1009);
		const parts = await open();
		parts.send(
			frame(opcodes.text, "x".repeat(600), { fin: false }),
			frame(opcodes.continuation, "x".repeat(600)),
		);
		assert.equal(await parts.closed(), 1009);
		assert.equal((await opened[0]?.closed)?.[0], 1009);
	});

	test("closes with 1008 on a message of too many pieces", async () => {
		await serve();
		const client = await open();
		const empty = frame(opcodes.continuation, "", { fin: false });
		client.send(frame(opcodes.text, "", { fin: false }));
		client.send(...Array.from({ length: 1100 }, () => empty));
		assert.equal(await client.closed(), 1008);
	});

	test("answers pings, of many only the last, and closes with 1008 on a flood", async () => {
		await serve();
		const client = await open();
		const ping = (at: number) => frame(opcodes.ping, String(at));
		client.send(...Array.from({ length: 32 }, (_, at) => ping(at)));
		for (let at = 0; at < 32; at++) {
			const pong = await client.next();
			assert.equal(pong?.opcode, opcodes.pong);
			assert.equal(pong?.payload.toString(), String(at));
		}
		client.send(...Array.from({ length: 500 }, (_, at) => ping(at)));
		let last = "";
		while (last !== "499") last = String((await client.next())?.payload);
		await pass(2_000);
		client.send(...Array.from({ length: 1001 }, (_, at) => ping(at)));
		for (;;) {
			const next = await client.next();
			if (next?.opcode === opcodes.pong) continue;
			assert.equal(next?.payload.readUInt16BE(0), 1008);
			break;
		}
	});

	test("closes with 1013 if a client does not take what is sent", async () => {
		// Looked at there, because the systems of both sides may take all of it a moment later.
		const sent = Promise.withResolvers<{ waiting: number; held: number }>();
		await serve(async () =>
			sessionOf({}, ({ peer }) => {
				const piece = Buffer.alloc(256 * 1024);
				for (let at = 0; at < 200; at++) peer.sendBytes(piece);
				sent.resolve({ waiting: peer.waitingBytes, held: memory.held });
			}),
		);
		const client = await open();
		const atRest = memory.held;
		client.socket.pause();
		client.send(frame(opcodes.text, "go"));
		const { waiting, held } = await sent.promise;
		assert.ok(held > atRest);
		assert.ok(waiting > 0 && waiting < 2 * 2 ** 20, `${waiting} bytes`);
		client.socket.resume();
		let frames = 0;
		for (;;) {
			const next = await client.next();
			if (next?.opcode !== opcodes.close) frames++;
			else {
				assert.equal(next.payload.readUInt16BE(0), 1013);
				break;
			}
		}
		assert.ok(frames < 200);
	});

	test("tells when all is taken", async () => {
		const taken = Promise.withResolvers<void>();
		await serve(async () =>
			sessionOf({}, ({ peer }) => {
				peer.whenTaken(() => peer.sendText("at once"));
				for (let at = 0; at < 20 && peer.waitingBytes === 0; at++) {
					peer.sendBytes(Buffer.alloc(1024 * 1024));
				}
				peer.whenTaken(taken.resolve);
			}),
		);
		const client = await open();
		client.send(frame(opcodes.text, "go"));
		assert.equal((await client.next())?.payload.toString(), "at once");
		await taken.promise;
		assert.equal(opened[0]?.peer.waitingBytes, 0);
	});

	test("asks a silent client whether it is there, and cuts it off", async () => {
		await serve(undefined, {
			websocket: { heartbeatMs: 10_000, waitingBytesMax: 2 ** 20 },
		});
		const there = await open();
		const gone = await open();
		await pass(10_000);
		const ping = await there.next();
		assert.equal(ping?.opcode, opcodes.ping);
		assert.equal((await gone.next())?.opcode, opcodes.ping);
		there.send(frame(opcodes.pong, ping?.payload), frame(opcodes.text, "x"));
		await there.next();
		await pass(10_000);
		assert.equal(await gone.next(), null);
		assert.equal((await opened[1]?.closed)?.[0], 1006);
		assert.equal(server.sessions().open, 1);
		await pass(2_000);
		assert.equal((await there.next())?.opcode, opcodes.ping);
	});

	test("cuts off a client that does not answer a closing frame, or does not end", async () => {
		await serve(async () => sessionOf({}, ({ peer }) => peer.close(4000, "")));
		const silent = await open();
		silent.send(frame(opcodes.text, "x"));
		assert.equal(await silent.closed(), 4000);
		// The rest of what it says is not looked at.
		silent.send(frame(opcodes.text, "x"), frame(opcodes.ping, "x"));
		await pass(4_000);
		assert.equal(server.sessions().open, 1);
		await pass(4_000);
		await silent.gone();
		assert.equal((await opened[0]?.closed)?.[0], 4000);
	});

	test("closes with 1013 if there is no memory for a message", async () => {
		await serve(async () => sessionOf({ messageBytesMax: 100 * 2 ** 20 }));
		const client = await open();
		client.send(frame(opcodes.binary, "", { length: 60 * 2 ** 20 }));
		const piece = Buffer.alloc(64 * 1024);
		client.socket.on("error", () => {});
		const send = () => {
			while (client.socket.writable && client.socket.write(piece));
		};
		client.socket.on("drain", send);
		send();
		assert.ok([1009, 1013].includes(await client.closed()));
		client.socket.off("drain", send);
	});
});

describe("the end of a server", () => {
	test("closes sessions with 1001, one after the other, within the time", async () => {
		await serve();
		const clients = await Promise.all(Array.from({ length: 50 }, () => open()));
		const drained = server.drain(30_000);
		let closed = 0;
		const codes = clients.map(async (client) => {
			const code = await client.closed();
			closed++;
			client.send(frame(opcodes.close, closing(code)));
			return code;
		});
		await clock.advance(200);
		assert.ok(opened[0]?.scope.cancelled !== opened.at(-1)?.scope.cancelled);
		assert.ok(closed < 50);
		await clock.advance(400);
		assert.deepEqual(new Set(await Promise.all(codes)), new Set([1001]));
		assert.equal(await drained, true);
	});

	test("cuts sessions that do not end in time", async () => {
		await serve();
		const client = await open();
		const drained = server.drain(1_000);
		assert.equal(await client.closed(), 1001);
		await pass(1_000);
		assert.equal(await drained, false);
		await client.gone();
		assert.equal((await opened[0]?.closed)?.[0], 1001);
	});

	test("closes a session that begins while it drains", async () => {
		const { promise, resolve } = Promise.withResolvers<void>();
		const asked = Promise.withResolvers<void>();
		await serve(async () => {
			asked.resolve();
			await promise;
			return sessionOf();
		});
		const opening = openWebSocket(`${server.url}/chat`);
		await asked.promise;
		const drained = server.drain(10_000);
		resolve();
		const client = stack.use(await opening);
		assert.equal(await client.closed(), 1001);
		client.send(frame(opcodes.close, closing(1001)));
		assert.equal(await drained, true);
	});

	test("cuts them all when it is closed", async () => {
		await serve();
		const client = await open();
		await server.close();
		assert.equal(await client.closed(), 1006);
		assert.ok(opened[0]?.scope.cancelled);
	});
});
