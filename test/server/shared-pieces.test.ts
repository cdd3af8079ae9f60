import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { ByteStream } from "../../src/core/body/byte-stream.ts";
import { listen, type Server } from "../../src/server/server.ts";
import { virtualClock } from "../../src/tasks/index.ts";
import { serverDefaults } from "../kit/server-defaults.ts";

let server: Server;
let body: () => AsyncIterable<Uint8Array>;

beforeEach(async () => {
	server = await listen({
		...serverDefaults,
		...{ host: "127.0.0.1", port: 0, clock: virtualClock() },
		handle: async () => {
			const pieces = body();
			const stream: ByteStream = {
				length: null,
				[Symbol.asyncIterator]: () => pieces[Symbol.asyncIterator](),
			};
			return { status: 200, headers: [], body: stream };
		},
	});
});

afterEach(() => server.close());

async function read(): Promise<Buffer> {
	const response = await fetch(server.url);
	return Buffer.from(await response.arrayBuffer());
}

test("pieces that are the same for all clients reach each of them whole and in order, between their own", async () => {
	const shared = [1, 15, 0, 16, 65_535, 65_536].map((length) =>
		Buffer.alloc(length, `${length}`),
	);
	const clients = 4;
	let here = 0;
	const all = Promise.withResolvers<void>();
	body = async function* () {
		if (++here === clients) all.resolve();
		await all.promise;
		for (const piece of shared) {
			yield piece;
			yield piece;
		}
		yield Buffer.from("own");
		for (const piece of shared) yield piece;
	};
	const expected = Buffer.concat([
		...shared.flatMap((piece) => [piece, piece]),
		Buffer.from("own"),
		...shared,
	]);
	const got = await Promise.all(Array.from({ length: clients }, read));
	for (const one of got) assert.ok(one.equals(expected), `${one.length}`);
});

test("a client that reads slowly gets the same piece as often as it was sent, and no more are made than it takes", async () => {
	const piece = Buffer.alloc(65_000, "x");
	const count = 400;
	let made = 0;
	body = async function* () {
		for (; made < count; made++) yield piece;
	};
	const response = await fetch(server.url);
	const reader = response.body?.getReader();
	const first = await reader?.read();
	let bytes = first?.value?.length ?? 0;
	let before = -1;
	// Until nothing more is taken from the stream.
	while (made !== before) {
		before = made;
		for (let turn = 0; turn < 200; turn++) {
			await new Promise((resolve) => setImmediate(resolve));
		}
	}
	assert.ok(made < count, "the server waits for its client");
	for (;;) {
		const next = await reader?.read();
		if (next === undefined || next.done) break;
		bytes += next.value.length;
	}
	assert.equal(made, count);
	assert.equal(bytes, count * piece.length);
});
