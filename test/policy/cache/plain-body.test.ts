import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { Memory } from "../../../src/core/memory.ts";
import { PlainBodies } from "../../../src/policy/cache/plain-body.ts";
import { realClock } from "../../../src/tasks/clock.ts";

const mebibyte = 1024 ** 2;

/** Knows the most that was held at once. */
class WatchedMemory extends Memory {
	peak = 0;

	override takeNew(bytes: number): boolean {
		const fits = super.takeNew(bytes);
		this.peak = Math.max(this.peak, this.held);
		return fits;
	}
}

function looking(bytesMax?: number) {
	const memory = new WatchedMemory(bytesMax);
	const bodies = new PlainBodies(realClock(), memory);
	let looked = 0;
	const allow = (text: string | Buffer, coding = "gzip") => {
		const body = typeof text === "string" ? gzipSync(text) : text;
		const headers = ["content-encoding", coding];
		return bodies.allow({ headers, body }, (plain) => {
			looked++;
			return !Buffer.from(plain).includes("secret");
		});
	};
	return { memory, allow, looked: () => looked };
}

/** Two kilobytes. */
const small = gzipSync(Buffer.alloc(1.9 * mebibyte));

describe("a coded body that is looked through", () => {
	test("is allowed if it is good as it is without its codings", async () => {
		const { allow, memory } = looking();
		assert.equal(await allow("nothing"), true);
		assert.equal(await allow("a secret"), false);
		assert.equal(
			await allow(gzipSync(gzipSync("a secret")), "gzip, gzip"),
			false,
		);
		assert.equal(await allow(Buffer.from("plain"), "identity"), true);
		assert.equal(memory.held, 0);
	});

	test("is not allowed if it cannot be looked through", async () => {
		const { allow, memory, looked } = looking();
		const long = gzipSync(Buffer.alloc(2 * mebibyte + 1));
		assert.equal(await allow(long), false);
		assert.equal(await allow(small.subarray(0, 900)), false);
		assert.equal(await allow(Buffer.from("plain")), false);
		assert.equal(await allow(small, "compress"), false);
		assert.equal(looked(), 0);
		assert.equal(memory.held, 0);
	});

	test("is one of sixty, and only few of them are long at once", async () => {
		const { allow, memory, looked } = looking();
		const all = await Promise.all(
			Array.from({ length: 60 }, () => allow(small)),
		);
		assert.deepEqual(new Set(all), new Set([true]));
		assert.equal(looked(), 60);
		// What is decoded grows by doubling.
		assert.ok(memory.peak > mebibyte, `${memory.peak}`);
		assert.ok(memory.peak < 9 * mebibyte, `${memory.peak}`);
		assert.equal(memory.held, 0);
	});

	test("is not allowed if it takes more than there is room for, and leaves what requests need", async () => {
		const { allow, memory } = looking(4 * mebibyte);
		memory.take(3 * mebibyte);
		assert.equal(await allow(small), false);
		assert.equal(await allow("short"), true);
		assert.equal(memory.held, 3 * mebibyte);
		assert.ok(memory.peak <= 3.5 * mebibyte, `${memory.peak}`);
	});
});
