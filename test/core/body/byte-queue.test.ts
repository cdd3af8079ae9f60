import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteQueue } from "../../../src/core/body/byte-queue.ts";

function queue() {
	const told: string[] = [];
	const made = new ByteQueue({
		length: null,
		onFull: () => told.push("full"),
		onWanted: () => told.push("wanted"),
		onLeft: () => told.push("left"),
	});
	return { queue: made, told };
}

const bytes = (length: number) => Buffer.alloc(length, "x");

async function lengthOf(source: AsyncIterable<Uint8Array>): Promise<number> {
	let length = 0;
	for await (const chunk of source) length += chunk.length;
	return length;
}

test("gives what waits in one piece, and ends when all was taken", async () => {
	const { queue: made } = queue();
	made.push(Buffer.from("a"));
	made.push(Buffer.from("b"));
	made.end();
	const first = await made.next();
	assert.equal(String(first.value), "ab");
	assert.equal((await made.next()).done, true);
});

test("tells once that it is full, and once that more is wanted", async () => {
	const { queue: made, told } = queue();
	made.push(bytes(64 * 1024 - 1));
	assert.deepEqual(told, []);
	made.push(bytes(1));
	made.push(bytes(1));
	assert.deepEqual(told, ["full"]);
	await made.next();
	assert.deepEqual(told, ["full", "wanted"]);
});

test("is full of many single bytes before they fill the memory", () => {
	const { queue: made, told } = queue();
	for (let sent = 0; sent < 256; sent++) made.push(bytes(1));
	assert.deepEqual(told, ["full"]);
});

test("wakes a reader that waits, for a piece and for the end", async () => {
	const { queue: made } = queue();
	const read = lengthOf(made);
	await Promise.resolve();
	made.push(bytes(3));
	await Promise.resolve();
	made.push(bytes(4));
	made.end();
	assert.equal(await read, 7);
});

test("fails its reader at once, whatever still waits", async () => {
	const { queue: made } = queue();
	const reason = new Error("broke off");
	made.push(bytes(1));
	made.fail(reason);
	made.end();
	await assert.rejects(made.next(), reason);
});

test("tells that its reader left, but not after the end", async () => {
	const { queue: left, told } = queue();
	left.push(bytes(1));
	for await (const _ of left) break;
	left.push(bytes(1));
	assert.deepEqual(told, ["left"]);
	const { queue: ended, told: nothing } = queue();
	ended.push(bytes(1));
	ended.end();
	for await (const _ of ended) break;
	assert.deepEqual(nothing, []);
});

test("gives all of it at once where all has come and nothing was read", async () => {
	const { queue: whole } = queue();
	whole.push(Buffer.from("ab"));
	assert.equal(whole.whole(), null, "more may come");
	whole.push(Buffer.from("c"));
	whole.end();
	assert.equal(String(whole.whole()), "abc");
	assert.equal(whole.whole(), null, "it was given");

	const empty = queue().queue;
	empty.end();
	assert.equal(empty.whole()?.length, 0);

	const begun = queue().queue;
	begun.push(Buffer.from("ab"));
	begun.end();
	await begun[Symbol.asyncIterator]().next();
	assert.equal(begun.whole(), null);

	const broken = queue().queue;
	broken.push(Buffer.from("ab"));
	broken.fail(new Error("broke off"));
	assert.equal(broken.whole(), null);
});
