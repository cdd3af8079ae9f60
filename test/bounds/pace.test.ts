import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { ByteQueue } from "../../src/core/body/byte-queue.ts";
import type { ByteStream } from "../../src/core/body/byte-stream.ts";
import type { GatewayError } from "../../src/core/errors.ts";
import type {
	GatewayRequest,
	GatewayResponse,
} from "../../src/core/http/messages.ts";
import { flowOf, Pace } from "../../src/server/pace.ts";
import { sendQueuesOf } from "../../src/server/send-queues.ts";
import {
	listen,
	type Server,
	type ServerOptions,
} from "../../src/server/server.ts";
import {
	openScope,
	type Scope,
	type VirtualClock,
	virtualClock,
} from "../../src/tasks/index.ts";
import { serve as serveGateway } from "../kit/serve.ts";
import { serverDefaults } from "../kit/server-defaults.ts";
import { connectTo } from "../kit/transport.ts";
import { json, startUpstream } from "../kit/upstream.ts";
import { asking, openClient, type TestClient } from "../server/client.ts";

/** A client must send and take at a least rate, and one that does is never cut, however slow it is. */

let stack: AsyncDisposableStack;
let clock: VirtualClock;

beforeEach(() => {
	stack = new AsyncDisposableStack();
	clock = virtualClock();
});

afterEach(() => stack.disposeAsync());

/** One request, as the handler got it. */
interface Got {
	readonly request: GatewayRequest;
	readonly scope: Scope;
	readonly answer: (response: GatewayResponse) => void;
}

/** A server whose answers are the test's. */
async function serve(options: Partial<ServerOptions> = {}) {
	const got: Got[] = [];
	let onGot = () => {};
	const server: Server = await listen({
		...serverDefaults,
		requestTimeoutMs: 3_600_000,
		host: "127.0.0.1",
		port: 0,
		clock,
		leastBytesPerSecond: 1000,
		handle: (request, scope) =>
			new Promise((answer) => {
				got.push({ request, scope, answer });
				onGot();
			}),
		...options,
	});
	stack.defer(() => server.close());
	const { port } = server;
	return {
		port,
		async next(): Promise<Got> {
			while (got.length === 0) {
				await new Promise<void>((resolve) => {
					onGot = resolve;
				});
			}
			return got.shift() as Got;
		},
	};
}

/** Lets this time pass, and what comes of it. */
async function pass(ms: number): Promise<void> {
	await clock.advance(ms);
	await turns(5);
}

/** The same, for a server that asks the system meanwhile, which takes real time. So the same is asked after it. */
async function passAsking(ms: number): Promise<void> {
	await pass(ms);
	await sendQueuesOf([0]);
}

/** The server's half of the next connection, and how much of its answer has reached the client's system. */
function watched() {
	let accepted: Socket | null = null;
	const take = (message: unknown) => {
		accepted = (message as { socket: Socket }).socket;
	};
	subscribe("net.server.socket", take);
	stack.defer(() => void unsubscribe("net.server.socket", take));
	return async (): Promise<number> => {
		const { _handle: handle } = accepted as unknown as {
			_handle: {
				bytesWritten: number;
				writeQueueSize: number;
				fd: number;
			} | null;
		};
		if (handle === null) return Number.NaN;
		const queues = await sendQueuesOf([handle.fd]);
		const { bytesWritten, writeQueueSize, fd } = handle;
		return bytesWritten - writeQueueSize - (queues.get(fd) ?? 0);
	};
}

/**
 * Lets time pass until the request is cancelled, or nothing of its answer has reached the client's system for `stillMs`.
 * A system tries again to send after 200, 400 and 800 ms of real time, and the other may have made room by then.
 */
function passUntilCut(
	scope: Scope,
	reached: () => Promise<number>,
	stillMs: number,
): Promise<void> {
	return passUntil(() => scope.cancelled, reached, stillMs);
}

async function passUntil(
	isCut: () => boolean,
	reached: () => Promise<number>,
	stillMs: number,
): Promise<void> {
	let before = await reached();
	for (let still = 0; still < stillMs && !isCut(); still += 2000) {
		await passAsking(2000);
		const now = await reached();
		if (now > before) still = 0;
		before = now;
	}
}

async function turns(count: number): Promise<void> {
	for (let turn = 0; turn < count; turn++) {
		await new Promise((resolve) => setImmediate(resolve));
	}
}

async function client(port: number, ...texts: string[]): Promise<TestClient> {
	const one = stack.use(await openClient(port));
	one.send(...texts);
	return one;
}

describe("a client that sends a body", () => {
	for (const way of ["whole", "as it comes"] as const) {
		/** Reads the body and tells how many bytes have come. */
		const read = async ({ request, answer }: Got, seen: { bytes: number }) => {
			try {
				if (way === "whole") await request.readBody(1e6);
				else {
					for await (const piece of request.streamBody() ?? []) {
						seen.bytes += piece.length;
					}
				}
				answer({ status: 200, headers: [], body: "ok" });
			} catch (thrown) {
				const { status } = thrown as GatewayError;
				answer({ status, headers: [], body: "no" });
			}
		};

		it(`too slowly is answered 408, read ${way}`, async () => {
			const { port, next } = await serve();
			const head = ["content-length: 1000000"];
			const slow = await client(port, asking("POST /", head), "x");
			void read(await next(), { bytes: 0 });
			const answer = slow.answer();
			let status: number | null = null;
			void answer.then((came) => {
				status = came.status;
			});
			for (let second = 0; second < 10; second++) {
				slow.send("x".repeat(900));
				await pass(1000);
			}
			assert.equal(status, null);
			for (let second = 0; second < 120 && status === null; second++) {
				slow.send("x".repeat(900));
				await pass(1000);
			}
			assert.equal(status, 408);
		});

		it(`slowly enough is never refused, read ${way}`, async () => {
			const { port, next } = await serve();
			const head = [`content-length: ${100 * 1100}`];
			const slow = await client(port, asking("POST /", head));
			void read(await next(), { bytes: 0 });
			for (let second = 0; second < 100; second++) {
				slow.send("x".repeat(1100));
				await pass(1000);
			}
			assert.equal((await slow.answer()).status, 200);
		});
	}

	it("which nobody reads is not blamed for it", async () => {
		const { port, next } = await serve();
		const head = ["content-length: 1000000"];
		const one = await client(port, asking("POST /", head), "x".repeat(500_000));
		const { request, answer } = await next();
		const pieces = request.streamBody()?.[Symbol.asyncIterator]();
		await pieces?.next();
		await pass(120_000);
		answer({ status: 200, headers: [], body: "ok" });
		assert.equal((await one.answer()).status, 200);
	});

	it("at any rate is waited for if there is no least rate, until it stands still", async () => {
		const { port, next } = await serve({
			leastBytesPerSecond: null,
			idleTimeoutMs: 60_000,
		});
		const head = ["content-length: 2"];
		const one = await client(port, asking("POST /", head), "x");
		const { request, answer } = await next();
		const body = request.readBody(10);
		await pass(50_000);
		one.send("y");
		await body;
		answer({ status: 200, headers: [], body: "ok" });
		assert.equal((await one.answer()).status, 200);
		one.send(asking("POST /", head), "x");
		const again = await next();
		const read = again.request.readBody(10).catch((fault: GatewayError) => {
			again.answer({ status: fault.status, headers: [], body: "no" });
		});
		const refused = one.answer();
		for (let second = 0; second < 64; second++) await pass(1000);
		await read;
		assert.equal((await refused).status, 408);
	});

	it("is bounded in all if it is read whole, and not if it is passed on", async () => {
		for (const [way, status] of [
			["whole", 408],
			["as it comes", 200],
		] as const) {
			const { port, next } = await serve({ requestTimeoutMs: 60_000 });
			const head = [`content-length: ${100 * 1100}`];
			const slow = await client(port, asking("POST /", head));
			const { request, answer } = await next();
			const body = request.streamBody.bind(request);
			const read = async () => {
				if (way === "whole") await request.readBody(1e6);
				else for await (const _ of body() ?? []);
			};
			void read().then(
				() => answer({ status: 200, headers: [], body: "ok" }),
				(fault: GatewayError) =>
					answer({ status: fault.status, headers: [], body: "no" }),
			);
			for (let second = 0; second < 100; second++) {
				slow.send("x".repeat(1100));
				await pass(1000);
			}
			assert.equal((await slow.answer()).status, status, way);
		}
	});
});

describe("a client that takes an answer", () => {
	const length = 100_000_000;

	/** As long as it is read. */
	const endless: ByteStream = {
		length,
		async *[Symbol.asyncIterator]() {
			const piece = Buffer.alloc(50_000);
			for (let sent = 0; sent < length; sent += piece.length) yield piece;
		},
	};

	const answers = [
		["as it comes", endless],
		["in one piece", Buffer.alloc(length)],
	] as const;

	async function reader(port: number): Promise<Socket> {
		const socket = connectTo(port);
		stack.defer(() => void socket.destroy());
		socket.on("error", () => {});
		socket.write(asking("GET /"));
		return socket;
	}

	for (const [way, body] of answers) {
		it(`not at all is cut, sent ${way}`, async () => {
			const { port, next } = await serve();
			const reached = watched();
			const socket = await reader(port);
			const { answer, scope } = await next();
			answer({ status: 200, headers: [], body });
			await once(socket, "readable");
			for (let at = 0; at < 12; at++) await passAsking(2000);
			assert.equal(scope.cancelled, false);
			await passUntilCut(scope, reached, 84_000);
			const { code, message } = scope.reason as GatewayError;
			assert.equal(code, "client_closed");
			assert.equal(
				message,
				"the client took less than 1000 bytes per second of its answer",
			);
		});
	}

	it("not at all is cut after the idle time if there is no least rate", async () => {
		const { port, next } = await serve({
			leastBytesPerSecond: null,
			idleTimeoutMs: 90_000,
		});
		const reached = watched();
		const socket = await reader(port);
		const { answer, scope } = await next();
		answer({ status: 200, headers: [], body: endless });
		await once(socket, "readable");
		for (let at = 0; at < 40; at++) await passAsking(2000);
		assert.equal(scope.cancelled, false);
		await passUntilCut(scope, reached, 140_000);
		assert.equal(scope.cancelled, true);
	});

	it("to which nothing is sent is not cut", async () => {
		const { port, next } = await serve();
		const socket = await reader(port);
		const { answer, scope } = await next();
		const events = new ByteQueue({
			length: null,
			onFull() {},
			onWanted() {},
			onLeft() {},
		});
		events.push(Buffer.from("data: 1\n\n"));
		answer({ status: 200, headers: [], body: events });
		await once(socket, "readable");
		for (let at = 0; at < 100; at++) await pass(6000);
		assert.equal(scope.cancelled, false);
		events.end();
	});
});

describe("the pace of a client", () => {
	/** A socket with an answer that waits, as the server sees it. */
	function paced(leastBytesPerSecond: number | null) {
		const handle = { bytesWritten: 3e6, writeQueueSize: 1e6, fd: 7 };
		const socket = { bytesRead: 0, writableLength: 1e6, _handle: handle };
		const options = { leastBytesPerSecond, idleTimeoutMs: 60_000 };
		const pace = new Pace(flowOf(socket as unknown as Socket), options);
		/** Looks every two seconds. `queued` tells what the system holds, null if it tells nothing. */
		const slowAfter = (
			seconds: number,
			queued: (second: number) => number | null,
		): number | null => {
			for (let second = 2; second <= seconds; second += 2) {
				const doubtful = pace.mayBeTakingSlowly(2000);
				if (doubtful && pace.isTakingSlowly(2000, queued(second)))
					return second;
			}
			return null;
		};
		return { pace, handle, socket, slowAfter };
	}

	it("counts what has reached the client's system, although nothing leaves this process", () => {
		// At 10 KB/s, in steps of 95 KB.
		const queued = (second: number) =>
			2e6 - 95_000 * Math.floor((second * 10_000) / 95_000);
		assert.equal(paced(1000).slowAfter(190, queued), null);
		assert.equal(paced(null).slowAfter(190, queued), null);
	});

	it("is not too slow because bytes left this process while the system was asked", () => {
		const { pace, handle } = paced(1000);
		let slow = false;
		const look = (queued: number) => {
			const doubtful = pace.mayBeTakingSlowly(2000);
			// While the system answers, it takes another megabyte from this process.
			handle.bytesWritten += 1e6;
			if (doubtful && pace.isTakingSlowly(2000, queued)) slow = true;
			handle.bytesWritten -= 1e6;
		};
		for (let second = 2; second <= 20; second += 2) look(2e6);
		look(3e6);
		for (let second = 2; second <= 20; second += 2) {
			look(2e6 - 3000 * second);
		}
		assert.equal(slow, false);
	});

	it("is too slow when nothing has reached it for thirty seconds", () => {
		const after = paced(1000).slowAfter(190, () => 2e6) ?? 0;
		assert.ok(after >= 30 && after <= 36, `${after}`);
	});

	it("is too slow below the rate, and not at it", () => {
		const at = (rate: number) => (second: number) => 2e6 - rate * second;
		assert.equal(paced(1000).slowAfter(1900, at(1000)), null);
		assert.notEqual(paced(1000).slowAfter(1900, at(900)), null);
	});

	it("is told by what leaves this process if the system tells nothing", () => {
		const dead = paced(1000).slowAfter(190, () => null) ?? 0;
		assert.ok(dead >= 30 && dead <= 36, `${dead}`);
		const { handle, slowAfter } = paced(1000);
		const takes = slowAfter(190, (second) => {
			handle.writeQueueSize = 1e6 - 2000 * second;
			return null;
		});
		assert.equal(takes, null);
	});

	it("any will do without a least rate, if something is taken in time", () => {
		const after = paced(null).slowAfter(190, () => 2e6) ?? 0;
		assert.ok(after >= 60 && after <= 66, `${after}`);
		const bytewise = (second: number) => 2e6 - Math.floor(second / 40);
		assert.equal(paced(null).slowAfter(900, bytewise), null);
	});

	it("saves nothing from faster times beyond the grace", () => {
		const queued = (second: number) =>
			second < 60 ? 2e6 - 30_000 * second : 0;
		const after = paced(1000).slowAfter(190, queued) ?? 0;
		assert.ok(after >= 88 && after <= 96, `${after}`);
	});

	const linux = { skip: process.platform !== "linux" };

	it("is asked from the system", linux, async () => {
		for (const host of ["127.0.0.1", "::1"]) {
			const server = createServer().listen(0, host);
			stack.defer(() => void server.close());
			await once(server, "listening");
			const { port } = server.address() as AddressInfo;
			const client = connect(port, host).pause();
			stack.defer(() => void client.destroy());
			const [socket] = (await once(server, "connection")) as [Socket];
			stack.defer(() => void socket.destroy());
			const { fd } = new Pace(flowOf(socket), {
				leastBytesPerSecond: null,
				idleTimeoutMs: 1,
			});
			const queue = async () => (await sendQueuesOf([fd ?? -1])).get(fd ?? -1);
			assert.equal(await queue(), 0);
			socket.write(Buffer.alloc(30_000_000));
			while ((await queue()) === 0);
			client.resume();
			while ((await queue()) !== 0);
		}
	});
});

describe("`idle`", () => {
	it("does not cut a client that reads slowly but reads", async () => {
		const bytes = 30_000_000;
		const files = stack.use(
			await startUpstream((_, response) => {
				response.setHeader("content-length", bytes);
				response.end(Buffer.alloc(bytes));
			}),
		);
		const gateway = stack.use(
			await serveGateway({
				upstreams: { files: { url: files.url } },
				routes: { "GET /file": { proxy: { to: "files/a", idle: "300ms" } } },
			}),
		);
		const socket = connectTo(Number(new URL(gateway.url).port));
		stack.defer(() => void socket.destroy());
		socket.write(asking("GET /file"));
		await once(socket, "readable");
		const steady = openScope({ clock: gateway.gateway.clock, timeoutMs: 3000 });
		let read = 0;
		const reading = setInterval(() => {
			read += socket.read(Math.min(20_000, socket.readableLength))?.length ?? 0;
		}, 20);
		await new Promise<void>((resolve) => steady.onCancel(() => resolve()));
		clearInterval(reading);
		assert.ok(read > 500_000, `${read} were read`);
		assert.deepEqual(gateway.ended, []);
	});

	it("cuts an upstream that sends no more", async () => {
		const files = stack.use(
			await startUpstream((_, response) => void response.write("one")),
		);
		const gateway = stack.use(
			await serveGateway({
				upstreams: { files: { url: files.url } },
				routes: { "GET /file": { proxy: { to: "files/a", idle: "100ms" } } },
			}),
		);
		await assert.rejects(gateway.get("/file"));
		assert.equal(gateway.ended[0]?.error?.code, "upstream_timeout");
	});
});

describe("a client that reads an answer in parts", () => {
	it("not at all costs what the answer may, holds nothing up, and is cut", async () => {
		const text = "x".repeat(1_000_000);
		// To print more takes more than an answer may compute.
		const count = 15;
		const big = stack.use(
			await startUpstream((_, response) => void json(response, text)),
		);
		const items = Array.from({ length: count }, (_, at) => at);
		const gateway = stack.use(
			await serveGateway(
				{
					server: { maxAnswer: "64MiB", memory: "512MiB" },
					upstreams: { big: { url: big.url, maxBody: "2MiB" } },
					routes: {
						"GET /board": {
							maxRead: "512MiB",
							steps: {
								all: { each: items, parallel: 4, get: "big/${item}" },
							},
							respond: "${all}",
						},
					},
				},
				{},
				clock,
			),
		);
		const { memory } = gateway.gateway;
		const held = () => memory.held;
		const before = held();
		const reached = watched();
		const socket = connectTo(Number(new URL(gateway.url).port));
		stack.defer(() => void socket.destroy());
		socket.on("error", () => {});
		socket.write(asking("GET /board", ["accept: application/x-ndjson"]));
		await once(socket, "readable");
		await big.arrived(count);
		const running = () => gateway.gateway.state().requests?.running;
		while (running() !== 0) await turns(1);
		assert.ok(held() > 2_000_000, `${held()} are counted`);
		assert.ok(held() < 3 * count * text.length, `${held()} are held`);
		assert.equal(gateway.ended.length, 0, "its answer is not out");
		const isCut = () => gateway.ended.length > 0;
		await passUntil(isCut, reached, 84_000);
		assert.deepEqual(
			gateway.ended.map(({ error, parts }) => [error?.code, parts?.face]),
			[["client_closed", "ndjson"]],
		);
		// What the connection itself takes is given back when its socket has closed.
		while (held() !== before) await turns(1);
	});
});
