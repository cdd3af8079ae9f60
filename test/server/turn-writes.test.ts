import assert from "node:assert/strict";
import diagnostics from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { ByteStream } from "../../src/core/body/byte-stream.ts";
import type {
	GatewayRequest,
	GatewayResponse,
} from "../../src/core/http/messages.ts";
import { until } from "../kit/until.ts";
import { asking, openClient, type TestClient } from "./client.ts";
import { listenHere } from "./listen-here.ts";

/** The server's ends of the connections, in the order in which they came. */
let sockets: Socket[];

function note(message: unknown): void {
	sockets.push((message as { readonly socket: Socket }).socket);
}

beforeEach(() => {
	sockets = [];
	diagnostics.subscribe("net.server.socket", note);
});

afterEach(() => void diagnostics.unsubscribe("net.server.socket", note));

/** A server whose answers are all made when it is told to. */
async function holding(options: Parameters<typeof listenHere>[0] = {}) {
	const { promise, resolve } = Promise.withResolvers<void>();
	const server = await listenHere({ ...options, until: promise });
	return {
		server,
		/** Clients that have asked, each for its own path. */
		async clients(count: number): Promise<TestClient[]> {
			const all: TestClient[] = [];
			for (let at = 0; at < count; at++) {
				const client = await openClient(server.port);
				client.send(asking(`GET /${at}`));
				all.push(client);
			}
			while (server.handled.length < count) await turn();
			return all;
		},
		/** All answers are made, and the turn of the loop has not ended. */
		async answer(): Promise<void> {
			resolve();
			await new Promise((done) => process.nextTick(done));
		},
	};
}

function turn(): Promise<void> {
	return new Promise((resolve) => setImmediate(resolve));
}

/** What each connection still has to hand to the system. */
function waitingBytes(): number[] {
	return sockets.map(({ writableLength }) => writableLength);
}

describe("answers that are made in one turn of the loop", () => {
	test("are written when it ends", async () => {
		const { server, clients, answer } = await holding();
		await using _ = server;
		const all = await clients(3);
		await answer();
		assert.ok(waitingBytes().every((bytes) => bytes > 0));
		await turn();
		assert.deepEqual(waitingBytes(), [0, 0, 0]);
		for (const [at, client] of all.entries()) {
			using _1 = client;
			assert.equal((await client.answer()).body, `/${at}`);
		}
	});

	test("are not lost if the server is closed before", async () => {
		const { server, clients, answer } = await holding();
		const all = await clients(3);
		await answer();
		assert.ok(waitingBytes().every((bytes) => bytes > 0));
		await server[Symbol.asyncDispose]();
		for (const [at, client] of all.entries()) {
			using _ = client;
			assert.equal((await client.answer()).body, `/${at}`);
		}
	});

	test("are waited for by a server that drains", async () => {
		const { server, clients, answer } = await holding();
		await using _ = server;
		const all = await clients(3);
		await answer();
		let drained = false;
		const draining = server.drain(60_000, 0).then((finished) => {
			drained = true;
			return finished;
		});
		await new Promise((resolve) => process.nextTick(resolve));
		assert.equal(drained, false);
		assert.ok(waitingBytes().every((bytes) => bytes > 0));
		for (const [at, client] of all.entries()) {
			using _1 = client;
			assert.equal((await client.answer()).body, `/${at}`);
		}
		assert.equal(await draining, true);
	});

	test("end with their clients, whose requests are over", async () => {
		const { server, clients, answer } = await holding();
		await using _ = server;
		const [first, ...others] = await clients(3);
		using _1 = first as TestClient;
		await answer();
		for (const socket of sockets.slice(1)) socket.destroy();
		await turn();
		assert.equal((await (first as TestClient).answer()).body, "/0");
		for (const other of others) assert.equal(await other.gone(), "");
		assert.equal(await server.drain(60_000, 0), true);
		await until(() => server.memory.held === 0);
	});
});

describe("answers on one connection keep their order", () => {
	const bodies: Record<string, GatewayResponse["body"]> = {
		"/small": "small",
		"/none": "",
		"/long": "l".repeat(20_000),
		"/stream": streamOf("streamed"),
		"/counted": streamOf("counted", 7),
	};

	function streamOf(text: string, length: number | null = null): ByteStream {
		return {
			length,
			async *[Symbol.asyncIterator]() {
				yield Buffer.from(text.slice(0, 3));
				yield Buffer.from(text.slice(3));
			},
		};
	}

	async function handle(request: GatewayRequest): Promise<GatewayResponse> {
		const body = bodies[request.target] ?? null;
		if (request.target === "/hinted") {
			request.inform?.(103, ["link", "</a.css>"]);
		}
		return { status: 200, headers: ["x-of", request.target], body };
	}

	/** All that a client gets that asks for these, one right behind the other, without what differs each time. */
	async function answersTo(port: number, paths: string[]): Promise<string> {
		using client = await openClient(port);
		let got = "";
		client.socket.on("data", (chunk) => {
			got += chunk.toString("latin1");
		});
		const last = paths.length - 1;
		const texts = paths.map((path, at) =>
			asking(`GET ${path}`, at === last ? ["connection: close"] : []),
		);
		client.send(...texts);
		await client.gone();
		return got.replaceAll(
			/^(?:date|x-request-id|connection|keep-alive): .*\r\n/gim,
			"",
		);
	}

	for (const path of [...Object.keys(bodies), "/hinted"]) {
		test(`/small, then ${path}, then both again`, async () => {
			await using server = await listenHere({ handle });
			const small = await answersTo(server.port, ["/small"]);
			const other = await answersTo(server.port, [path]);
			assert.match(small, /small$/);
			assert.ok(other.includes(`x-of: ${path}`));
			assert.equal(
				await answersTo(server.port, ["/small", path, "/small", path]),
				small + other + small + other,
			);
		});
	}
});
