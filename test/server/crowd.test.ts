import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { GatewayResponse } from "../../src/core/http/messages.ts";
import {
	listen,
	type Server,
	type ServerOptions,
} from "../../src/server/server.ts";
import { realClock, type Scope, virtualClock } from "../../src/tasks/index.ts";
import { serve as serveGateway } from "../kit/serve.ts";
import { serverDefaults } from "../kit/server-defaults.ts";
import { connectTo } from "../kit/transport.ts";
import { json, startUpstream } from "../kit/upstream.ts";
import { asking, openClient } from "./client.ts";

const clock = realClock();
const ok: GatewayResponse = { status: 200, headers: [], body: "ok" };

let stack: AsyncDisposableStack;

beforeEach(() => {
	stack = new AsyncDisposableStack();
});

afterEach(async () => {
	await stack.disposeAsync();
	assert.equal(clock.pending, 0, "a timer was left");
});

async function serve(options: Partial<ServerOptions>): Promise<Server> {
	const server = await listen({
		...serverDefaults,
		host: "127.0.0.1",
		port: 0,
		clock,
		handle: async () => ok,
		healthPath: null,
		headerFieldsMax: 100,
		headerBytesMax: 16 * 1024,
		...options,
	});
	stack.defer(() => server.close());
	return server;
}

function open(port: number): Socket {
	const socket = connectTo(port);
	socket.on("error", () => {});
	stack.defer(() => void socket.destroy());
	return socket;
}

describe("clients that never read", () => {
	const bodyBytes = 50 * 1024 ** 2;
	const body = Buffer.alloc(bodyBytes, "x");

	test("take no memory for what they do not read, and lose their connection in time", async () => {
		let answered = 0;
		let allAnswered = () => {};
		const done = new Promise<void>((resolve) => (allAnswered = resolve));
		const scopes: Scope[] = [];
		const { port } = await serve({
			idleTimeoutMs: 500,
			handle: async (_request, scope) => {
				scopes.push(scope);
				if (++answered === 20) allAnswered();
				return { ...ok, body };
			},
		});
		const before = process.memoryUsage().rss;
		const cancelled = Array.from({ length: 20 }, () => {
			const socket = open(port).pause();
			socket.write(asking("GET /"));
			return socket;
		});
		await done;
		let most = 0;
		const sampler = setInterval(() => {
			most = Math.max(most, process.memoryUsage().rss - before);
		}, 20);
		await Promise.all(
			scopes.map((scope) => new Promise((resolve) => scope.onCancel(resolve))),
		);
		clearInterval(sampler);
		assert.equal(cancelled.length, 20);
		assert.ok(most < 64 * 1024 ** 2, `${most} bytes more`);
		assert.ok(scopes.every(({ listeners }) => listeners === 0));
	});

	test("are not confused with those that read slowly", async () => {
		const clock = virtualClock();
		const { port } = await serve({
			clock,
			idleTimeoutMs: 6000,
			handle: async () => ({ ...ok, body }),
		});
		const socket = open(port);
		socket.write(asking("GET /"));
		let read = 0;
		socket.on("data", (chunk) => {
			read += chunk.length;
			// 32 pauses of 400 ms: twice the idle time in all.
			if (read % (bodyBytes / 32) < chunk.length) {
				socket.pause();
				void clock.advance(400).then(() => socket.resume());
			}
			if (read > bodyBytes) socket.end();
		});
		await once(socket, "close");
		assert.ok(clock.now() > 12_000, `${clock.now()} ms`);
		assert.ok(read > bodyBytes, `${read} bytes`);
	});
});

test("a connection at rest is closed after the idle time", async () => {
	const { port } = await serve({ idleTimeoutMs: 100 });
	using client = await openClient(port);
	client.send(asking("GET /"));
	await client.answer();
	assert.equal(await client.gone(), "");
});

test("a request behind another may take longer than the idle time", async () => {
	const { promise, resolve } = Promise.withResolvers<void>();
	const { port } = await serve({
		idleTimeoutMs: 100,
		handle: async ({ target }) => {
			if (target === "/late") await promise;
			return ok;
		},
	});
	using client = await openClient(port);
	client.send(asking("GET /"));
	await client.answer();
	client.send(asking("GET /late"));
	const late = client.answer();
	using resting = await openClient(port);
	resting.send(asking("GET /"));
	await resting.answer();
	await resting.gone();
	resolve();
	assert.equal((await late).status, 200);
});

describe("the cap on connections", () => {
	test("lets so many in and answers one more with 503", async () => {
		const { port } = await serve({ connectionsMax: 3 });
		const inside = [];
		for (let count = 0; count < 3; count++) {
			const client = stack.use(await openClient(port));
			client.send(asking("GET /"));
			assert.equal((await client.answer()).status, 200);
			inside.push(client);
		}
		const outside = stack.use(await openClient(port));
		outside.send(asking("GET /"));
		const refused = await outside.answer();
		assert.equal(refused.status, 503);
		assert.equal(JSON.parse(refused.body).code, "overloaded");
		assert.equal(refused.headers.connection, "close");
		outside.socket.end();
		assert.equal(await outside.gone(), "");
		inside[0]?.socket.destroy();
		await inside[0]?.gone();
		// The server learns of it a moment later than we do.
		for (let status = 503; status !== 200; ) {
			using next = await openClient(port);
			next.send(asking("GET /"));
			({ status } = await next.answer());
		}
		inside[1]?.send(asking("GET /"));
		assert.equal((await inside[1]?.answer())?.status, 200);
	});

	test("closes without a word what is far beyond it", async () => {
		const { port } = await serve({ connectionsMax: 1 });
		const inside = stack.use(await openClient(port));
		inside.send(asking("GET /"));
		assert.equal((await inside.answer()).status, 200);
		const sockets = Array.from({ length: 100 }, () => open(port));
		const received = await Promise.all(
			sockets.map(async (socket) => {
				let text = "";
				socket.on("data", (chunk) => (text += chunk));
				socket.on("end", () => socket.end());
				// One of TLS may be cut in its handshake, which `once` would take for a failure.
				await new Promise((resolve) => socket.on("close", resolve));
				return text;
			}),
		);
		const told = received.filter((text) => text.startsWith("HTTP/1.1 503 "));
		assert.ok(told.length >= 64, `${told.length} were told`);
	});
});

/** Aborts after so many milliseconds in which this process had its turns: what it waited for others does not count. */
function afterTurns(ms: number) {
	const controller = new AbortController();
	let leftMs = ms;
	const turn = setInterval(() => {
		leftMs -= 20;
		if (leftMs <= 0) controller.abort();
	}, 20);
	const cancel = () => clearInterval(turn);
	controller.signal.addEventListener("abort", cancel);
	return { signal: controller.signal, cancel };
}

test("500 slow clients do not keep 1,000 ordinary requests from being answered", async () => {
	await using upstream = await startUpstream((_request, response) =>
		json(response, { a: 1 }),
	);
	// On a busy machine all of it takes longer than the default times, and no slow client may be cut by them.
	await using gateway = await serveGateway(`
server: { headersTimeout: 1m, requestTimeout: 1m, idleTimeout: 1m }
upstreams: { up: { url: "${upstream.url}", timeout: 30s } }
routes:
  GET /x: { deadline: 30s, steps: { up: { get: up/x } } }
  POST /x: { request: { body: {} }, steps: { up: { post: up/x, body: "\${body}" } } }
`);
	const port = Number(new URL(gateway.url).port);
	const head = asking("GET /x", ["x: y"]);
	const sockets = Array.from({ length: 500 }, (_, at) => {
		const socket = open(port);
		// Some say nothing, some never finish their head, some their body; the rest send a byte at a time.
		if (at % 4 === 1) socket.write(head.slice(0, -4));
		if (at % 4 === 2) socket.write(asking("POST /x", ["content-length: 9"]));
		return socket;
	});
	await Promise.all(sockets.map((socket) => once(socket, "connect")));
	let sent = 0;
	const sender = setInterval(() => {
		// The value of the last field never ends.
		const byte = head.slice(0, -4)[sent++] ?? "y";
		for (let at = 3; at < sockets.length; at += 4) sockets[at]?.write(byte);
	}, 100);
	stack.defer(() => clearInterval(sender));
	let answered = 0;
	async function askInTurn(): Promise<void> {
		for (let count = 0; count < 50; count++) {
			const { signal, cancel } = afterTurns(2000);
			const { status } = await gateway.get("/x", { signal });
			cancel();
			if (status === 200) answered++;
		}
	}
	await Promise.allSettled(Array.from({ length: 20 }, askInTurn));
	assert.ok(answered >= 990, `${answered} of 1,000`);
	assert.ok(
		sockets.every(({ closed }) => !closed),
		"the slow ones were there all along",
	);
});
