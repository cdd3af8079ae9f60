import assert from "node:assert/strict";
import { test } from "node:test";
import {
	emptyStream,
	isStream,
	leave,
	streamOf,
} from "../../../src/core/body/byte-stream.ts";

async function piecesOf(body: AsyncIterable<Uint8Array>): Promise<string[]> {
	const pieces: string[] = [];
	for await (const piece of body) pieces.push(String(piece));
	return pieces;
}

test("bytes become a stream of one piece, and no bytes none", async () => {
	const body = streamOf(Uint8Array.of(1, 2));
	assert.ok(body);
	assert.equal(body.length, 2);
	assert.deepEqual(await piecesOf(body), ["1,2"]);
	assert.equal(streamOf(new Uint8Array()), null);
});

test("a body without a piece has the length that it is given", async () => {
	assert.equal(emptyStream(7).length, 7);
	assert.deepEqual(await piecesOf(emptyStream(7)), []);
});

test("a stream is told from whole bodies and from none", () => {
	assert.ok(isStream(emptyStream(null)));
	for (const body of [null, "", new Uint8Array()]) assert.ok(!isStream(body));
});

test("a body that is left is not begun, and what leaving fails with is nobody's", async () => {
	let begun = false;
	let left = 0;
	leave({
		length: null,
		[Symbol.asyncIterator]: () => ({
			next: async () => {
				begun = true;
				return { done: true, value: undefined };
			},
			return: () => {
				left++;
				return Promise.reject(new Error("it fails"));
			},
		}),
	});
	leave(emptyStream(null));
	leave({
		length: null,
		[Symbol.asyncIterator]: () => ({
			next: () => assert.fail("it is begun"),
		}),
	});
	await new Promise((resolve) => setImmediate(resolve));
	assert.deepEqual([begun, left], [false, 1]);
});
