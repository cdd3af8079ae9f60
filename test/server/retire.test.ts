import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { listen } from "../../src/server/server.ts";
import { virtualClock } from "../../src/tasks/clock.ts";
import { serverDefaults } from "../kit/server-defaults.ts";
import { openClient } from "./client.ts";

const restMs = 5_000;

/** A server whose requests to `/held` are answered when the test says so. */
async function served() {
	const {
		bodyBytesMax: _,
		valuesMax: _1,
		answerBytesMax: _2,
		memoryBytesMax: _3,
		drainMs: _4,
		drainDelayMs: _5,
		workers: _6,
		...defaults
	} = serverDefaults;
	const clock = virtualClock();
	const { promise: released, resolve: release } = Promise.withResolvers<void>();
	const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
	const server = await listen({
		...defaults,
		...{ host: "127.0.0.1", port: 0, clock },
		async handle({ target }) {
			if (target === "/held") {
				begin();
				await released;
			}
			if (target !== "/stream") {
				return { status: 200, headers: [], body: "done" };
			}
			const body = {
				length: 4,
				async *[Symbol.asyncIterator]() {
					yield Buffer.from("do");
					begin();
					await released;
					yield Buffer.from("ne");
				},
			};
			return { status: 200, headers: [], body };
		},
	});
	return { server, clock, release, begun };
}

const request = (target: string) => `GET ${target} HTTP/1.1\r\nhost: x\r\n\r\n`;

/** The code of the error with which a connection is refused; null if it is not. */
function refusal(port: number): Promise<string | null> {
	return new Promise((resolve) => {
		const socket = connect(port, "127.0.0.1", () => {
			socket.destroy();
			resolve(null);
		});
		socket.on("error", ({ code }: NodeJS.ErrnoException) =>
			resolve(code ?? ""),
		);
	});
}

describe("a server that retires", () => {
	it("takes no new connection, and answers on those at rest once more", async () => {
		const { server, clock } = await served();
		using rests = await openClient(server.port);
		rests.send(request("/"));
		assert.equal((await rests.answer()).headers.connection, "keep-alive");
		using asks = await openClient(server.port);
		const retired = server.retire(1_000, restMs);
		assert.equal(await refusal(server.port), "ECONNREFUSED");
		await clock.advance(restMs - 100);
		// Whoever looks at the health of the port still finds it good, because others have it.
		for (const [client, target] of [
			[rests, "/"],
			[asks, "/-/health"],
		] as const) {
			client.send(request(target));
			const { status, headers } = await client.answer();
			assert.deepEqual([status, headers.connection], [200, "close"]);
			await client.gone();
		}
		assert.equal(await retired, true);
	});

	it("closes connections at rest after their time, and waits for what runs", async () => {
		const { server, clock, release, begun } = await served();
		using rests = await openClient(server.port);
		rests.send(request("/"));
		await rests.answer();
		using runs = await openClient(server.port);
		runs.send(request("/held"));
		await begun;
		const retired = server.retire(1_000, restMs);
		await clock.advance(restMs);
		await rests.gone();
		release();
		assert.equal((await runs.answer()).body, "done");
		assert.equal(await retired, true);
	});

	it("lets a request come to its end that is half there, and closes who never asked", async () => {
		const { server, clock } = await served();
		using never = await openClient(server.port);
		using half = await openClient(server.port);
		half.send("GET / HTTP/1.1\r\nhost");
		// Both are accepted, and the half of a request is read.
		using whole = await openClient(server.port);
		whole.send(request("/"));
		await whole.answer();
		const retired = server.retire(1_000, restMs);
		await clock.advance(restMs);
		assert.equal(await never.gone(), "");
		half.send(": x\r\n\r\n");
		const { status, headers } = await half.answer();
		assert.deepEqual([status, headers.connection], [200, "close"]);
		assert.equal(await retired, true);
	});

	it("answers once more on a connection whose answer was under way, and could not say that it ends", async () => {
		const { server, clock, release, begun } = await served();
		using client = await openClient(server.port);
		client.send(request("/stream"));
		await begun;
		const retired = server.retire(20_000, restMs);
		await clock.advance(restMs);
		await clock.advance(0);
		release();
		assert.equal((await client.answer()).headers.connection, "keep-alive");
		client.send(request("/"));
		const { status, headers } = await client.answer();
		assert.deepEqual([status, headers.connection], [200, "close"]);
		assert.equal(await retired, true);
	});

	it("closes such a connection if nothing more is asked", async () => {
		const { server, clock, release, begun } = await served();
		using client = await openClient(server.port);
		client.send(request("/stream"));
		await begun;
		const retired = server.retire(20_000, restMs);
		await clock.advance(restMs);
		await clock.advance(0);
		release();
		await client.answer();
		await clock.advance(0);
		await clock.advance(restMs);
		await client.gone();
		assert.equal(await retired, true);
	});

	it("cuts what runs for longer than it may", async () => {
		const { server, clock, begun } = await served();
		using runs = await openClient(server.port);
		runs.send(request("/held"));
		await begun;
		const retired = server.retire(1_000, restMs);
		await clock.advance(restMs);
		await clock.advance(0);
		await clock.advance(1_000);
		assert.equal(await retired, false);
		assert.equal(await runs.gone(), "");
	});

	it("ends at once if it is closed meanwhile", async () => {
		const { server } = await served();
		using rests = await openClient(server.port);
		const retired = server.retire(1_000, restMs);
		await server.close();
		await rests.gone();
		assert.equal(await retired, false);
	});
});
