import assert from "node:assert/strict";
import { describe, it } from "node:test";
import zlib from "node:zlib";
import type { ByteStream } from "../../../src/core/body/byte-stream.ts";
import {
	CodedStream,
	codedAside,
	codedNow,
} from "../../../src/core/body/coded.ts";
import { answerCodings } from "../../../src/core/http/accept-encoding.ts";

const decoders = {
	gzip: { whole: zlib.gunzipSync, stream: () => zlib.createGunzip() },
	br: {
		whole: zlib.brotliDecompressSync,
		stream: () => zlib.createBrotliDecompress(),
	},
	zstd: {
		whole: zlib.zstdDecompressSync,
		stream: () => zlib.createZstdDecompress(),
	},
};

function streamOf(pieces: () => AsyncIterator<Uint8Array, void>): ByteStream {
	return {
		length: null,
		[Symbol.asyncIterator]: pieces as ByteStream[typeof Symbol.asyncIterator],
	};
}

for (const coding of answerCodings) {
	const decoder = decoders[coding];

	describe(`a body in ${coding}`, () => {
		for (const [what, body] of [
			["no byte", Buffer.alloc(0)],
			["one byte", Buffer.from("a")],
			["text", Buffer.from("Straße ".repeat(1_000))],
			[
				"a megabyte",
				Buffer.from(
					Array.from({ length: 2 ** 20 }, (_, at) => (at * at) % 251),
				),
			],
		] as const) {
			it(`of ${what} is the same after decoding`, async () => {
				assert.deepEqual(decoder.whole(codedNow(coding, body)), body);
				assert.deepEqual(decoder.whole(await codedAside(coding, body)), body);
				let ended = 0;
				const stream = new CodedStream(
					streamOf(async function* () {
						for (let at = 0; at < body.length; at += 100_000) {
							yield body.subarray(at, at + 100_000);
						}
					}),
					coding,
					() => ended++,
				);
				const pieces: Uint8Array[] = [];
				for await (const piece of stream) pieces.push(piece);
				assert.deepEqual(decoder.whole(Buffer.concat(pieces)), body);
				assert.equal(ended, 1);
			});
		}

		it("that comes lets each piece out before the next is asked for", async () => {
			const lines = ["first\n", "second\n", "third\n"];
			let asked = 0;
			const stream = new CodedStream(
				streamOf(async function* () {
					for (const line of lines) {
						asked++;
						yield Buffer.from(line);
					}
				}),
				coding,
				() => {},
			);
			const reader = decoder.stream();
			let decoded = "";
			reader.on("data", (bytes) => {
				decoded += bytes;
			});
			const pieces = stream[Symbol.asyncIterator]();
			for (let at = 0; at < lines.length; at++) {
				const { value } = await pieces.next();
				await new Promise((resolve) => reader.write(value, resolve));
				assert.equal(asked, at + 1);
				assert.equal(decoded, lines.slice(0, at + 1).join(""));
			}
			const last = await pieces.next();
			assert.equal(last.done, false);
			assert.equal((await pieces.next()).done, true);
		});

		it("that fails fails as it does, and ends once", async () => {
			const fault = new Error("it broke off");
			let ended = 0;
			const stream = new CodedStream(
				streamOf(async function* () {
					yield Buffer.from("begun");
					throw fault;
				}),
				coding,
				() => ended++,
			);
			await assert.rejects(async () => {
				for await (const _ of stream);
			}, fault);
			assert.equal(ended, 1);
		});

		it("that is left leaves what it is made of", async () => {
			for (const read of [0, 1]) {
				let [ended, left] = [0, 0];
				const body: ByteStream = {
					length: null,
					[Symbol.asyncIterator]: () => ({
						next: async () => ({ done: false, value: Buffer.from("more") }),
						return: async () => {
							left++;
							return { done: true, value: undefined };
						},
					}),
				};
				const stream = new CodedStream(body, coding, () => ended++);
				const pieces = stream[Symbol.asyncIterator]();
				if (read > 0) await pieces.next();
				await pieces.return?.();
				await pieces.return?.();
				assert.deepEqual([ended, left > 0], [1, true]);
				assert.equal((await pieces.next()).done, true);
			}
		});

		it("that is left while a piece is waited for ends", async () => {
			const coming = Promise.withResolvers<IteratorResult<Uint8Array>>();
			let ended = 0;
			const body: ByteStream = {
				length: null,
				[Symbol.asyncIterator]: () => ({
					next: () => coming.promise,
					return: async () => ({ done: true, value: undefined }),
				}),
			};
			const stream = new CodedStream(body, coding, () => ended++);
			const pieces = stream[Symbol.asyncIterator]();
			const next = pieces.next();
			await pieces.return?.();
			coming.resolve({ done: false, value: Buffer.from("late") });
			assert.equal((await next).done, true);
			assert.equal(ended, 1);
		});
	});
}
