import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import { createGateway } from "../../src/gateway/gateway.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { asking, openClient, type TestClient } from "../server/client.ts";

/** Bodies that a proxied route passes on while they come, byte for byte on both sides. */

let stack: AsyncDisposableStack;
let origin: string;
let connected: (socket: UpstreamSide) => void;
let gateway: ServedGateway;

/** The upstream's end of a connection. */
interface UpstreamSide {
	readonly socket: Socket;
	/** Resolves with everything that came when that matches. */
	has(pattern: RegExp): Promise<string>;
}

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	const server = createServer((socket) => {
		let came = "";
		let look = () => {};
		socket.on("error", () => {});
		socket.on("data", (chunk) => {
			came += chunk.toString("latin1");
			look();
		});
		stack.defer(() => void socket.destroy());
		connected({
			socket,
			has: (pattern) =>
				new Promise((resolve) => {
					look = () => {
						if (pattern.test(came)) resolve(came);
					};
					look();
				}),
		});
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	stack.defer(() => void server.close());
	origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(() => stack.disposeAsync());

const config = (more = {}) => ({
	upstreams: { up: { url: origin, timeout: "5s" } },
	routes: {
		"ANY /f/{rest*}": { proxy: { to: "up/{rest*}", maxBody: "1MiB" }, ...more },
		"POST /read": {
			request: { body: { type: "object" } },
			respond: "${body}",
		},
	},
});

async function start(more = {}): Promise<void> {
	gateway = stack.use(await serve(config(more)));
}

const upstream = (): Promise<UpstreamSide> =>
	new Promise((resolve) => {
		connected = resolve;
	});

async function client(): Promise<TestClient> {
	return stack.use(await openClient(Number(new URL(gateway.url).port)));
}

const ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const chunked = "transfer-encoding: chunked";
const short = "content-length: 4";
const long = "content-length: 100000";
const json = "content-type: application/json";
const expects = "expect: 100-continue";

describe("an upload", () => {
	for (const framing of ["content-length: 1", short, long, chunked]) {
		test(`has its head passed on before its first byte has come: ${framing}`, async () => {
			await start();
			const [asks, reached] = [await client(), upstream()];
			asks.send(asking("PUT /f/a", [framing]));
			const { socket, has } = await reached;
			await has(/^PUT \/a HTTP\/1.1\r\n[^]*\r\n\r\n$/);
			socket.write("HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n");
			assert.equal((await asks.answer()).status, 401);
		});
	}

	test("that comes with its head is sent with it, in one piece", async () => {
		await start();
		const [asks, reached] = [await client(), upstream()];
		asks.send(`${asking("PUT /f/a", [short])}body`);
		const { socket, has } = await reached;
		const [first] = await once(socket, "data");
		assert.match(`${first}`, /^PUT \/a HTTP[^]*\r\n\r\nbody$/);
		await has(/body$/);
		socket.write(ok);
		assert.equal((await asks.answer()).status, 200);
	});

	test("of a few bytes may take longer than the route's deadline", async () => {
		await start({ deadline: "200ms" });
		const [asks, reached] = [await client(), upstream()];
		asks.send(asking("PUT /f/a", [short]));
		const { has, socket } = await reached;
		const { clock } = gateway.gateway;
		for (const sent of ["b", "bo", "bod", "body"]) {
			await new Promise<void>((resolve) => void clock.after(100, resolve));
			asks.send(sent.slice(-1));
			await has(new RegExp(`\r\n\r\n${sent}$`));
		}
		socket.write(ok);
		assert.equal((await asks.answer()).status, 200);
	});

	test("may take longer than the route's deadline, which then counts from its end", async () => {
		await start({ deadline: "200ms" });
		const [asks, reached] = [await client(), upstream()];
		asks.send(asking("PUT /f/a", [chunked]));
		const { has, socket } = await reached;
		const { clock } = gateway.gateway;
		for (let sent = 1; sent <= 8; sent++) {
			await new Promise<void>((resolve) => void clock.after(50, resolve));
			asks.send("1\r\nx\r\n");
			await has(new RegExp(`\r\n\r\n(1\r\nx\r\n){${sent}}$`));
		}
		asks.send("0\r\n\r\n");
		await has(/0\r\n\r\n$/);
		socket.write(ok);
		assert.equal((await asks.answer()).status, 200);

		const [late, again] = [await client(), upstream()];
		late.send(asking("PUT /f/a", [chunked]), "0\r\n\r\n");
		// The connection at rest may be taken, and then there is no new one.
		void again;
		assert.equal((await late.answer()).status, 504);
	});

	test("that stands still is 408 in a server that does not watch it, and never 504", async () => {
		const own = createGateway({
			upstreams: { up: { url: origin, timeout: "5s" } },
			routes: {
				"PUT /a": { deadline: "50ms", proxy: { to: "up/a", idle: "100ms" } },
			},
		} as Parameters<typeof createGateway>[0]);
		stack.defer(() => own.close());
		connected = () => {};
		const request = new Request("http://g/a", {
			method: "PUT",
			body: new ReadableStream({
				start: (controller) => controller.enqueue(new Uint8Array(9)),
			}),
			duplex: "half",
		} as RequestInit);
		const answer = await own.fetch(request);
		assert.equal(answer.status, 408);
		assert.match(await answer.text(), /request_invalid/);
	});
});

describe("a client that asks before it sends its body", () => {
	test("hears at once what the upstream says, without sending it", async () => {
		await start();
		for (const framing of ["content-length: 4", long, chunked]) {
			const [asks, reached] = [await client(), upstream()];
			asks.send(asking("PUT /f/a", [framing, expects]));
			const { socket, has } = await reached;
			await has(/\r\nexpect: 100-continue\r\n[^]*\r\n\r\n$/);
			socket.write("HTTP/1.1 401 No\r\ncontent-length: 2\r\n\r\nno");
			const { status, headers, body } = await asks.answer();
			assert.deepEqual([status, body], [401, "no"]);
			assert.equal(headers["connection"], "close");
			await once(socket, "close");
		}
	});

	test("is told to go on when the upstream says so, and not before", async () => {
		await start();
		const [asks, reached] = [await client(), upstream()];
		asks.send(asking("PUT /f/a", ["content-length: 4", expects]));
		const { socket, has } = await reached;
		await has(/\r\n\r\n$/);
		socket.write("HTTP/1.1 103 Early Hints\r\nx-a: b\r\n\r\n");
		assert.equal((await asks.answer()).status, 103);
		socket.write("HTTP/1.1 100 Continue\r\n\r\n");
		assert.equal((await asks.answer()).status, 100);
		asks.send("body");
		await has(/\r\n\r\nbody$/);
		socket.write(ok);
		assert.equal((await asks.answer()).body, "ok");
	});

	test("is told to go on after a while, if the upstream says nothing", async () => {
		await start();
		const [asks, reached] = [await client(), upstream()];
		asks.send(asking("PUT /f/a", ["content-length: 4", expects]));
		const { socket, has } = await reached;
		assert.equal((await asks.answer()).status, 100);
		asks.send("body");
		await has(/\r\n\r\nbody$/);
		socket.write(ok);
		assert.equal((await asks.answer()).body, "ok");
	});

	test("may leave in the meantime", async () => {
		await start();
		const [asks, reached] = [await client(), upstream()];
		asks.send(asking("PUT /f/a", ["content-length: 4", expects]));
		const { socket, has } = await reached;
		await has(/\r\n\r\n$/);
		asks.socket.destroy();
		await once(socket, "close");
	});

	test("hears at once what its head decides", async () => {
		await start();
		for (const [line, fields, status] of [
			["PUT /none", ["content-length: 4"], 404],
			["PUT /read", ["content-length: 4"], 405],
			["PUT /f/a", ["content-length: 2000000"], 413],
			["POST /read", ["content-length: 2000000", json], 413],
			["POST /read", ["content-length: 4", "content-type: text/plain"], 415],
			["POST /read", ["content-length: 4"], 415],
		] as const) {
			const asks = await client();
			asks.send(asking(line, [...fields, expects]));
			const answer = await asks.answer();
			assert.equal(answer.status, status, `${line} ${fields.join()}`);
			assert.equal(answer.headers["connection"], "close");
		}
	});
});
