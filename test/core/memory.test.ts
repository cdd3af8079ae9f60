import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createCollector } from "../../src/core/body/collector.ts";
import { Memory, RequestMemory, type Yielding } from "../../src/core/memory.ts";

/** What a request holds before it has taken anything. */
const base = 8 * 1024;

/** Entries of a cache, the first of which goes first. */
class Entries implements Yielding {
	readonly #memory: Memory;
	readonly #sizes: number[] = [];

	constructor(memory: Memory) {
		this.#memory = memory;
		memory.join(this);
	}

	get bytes(): number {
		return this.#sizes.reduce((sum, size) => sum + size, 0);
	}

	add(size: number): void {
		this.#sizes.push(size);
		this.#memory.keep(size);
	}

	yield(bytes: number): void {
		let dropped = 0;
		while (dropped < bytes && this.#sizes.length > 0) {
			dropped += this.#sizes.shift() ?? 0;
		}
		this.#memory.keep(-dropped);
	}
}

describe("the memory of a gateway", () => {
	it("is taken up to its bound", () => {
		for (const [bytes, fits] of [
			[799, true],
			[800, true],
			[801, false],
		] as const) {
			const memory = new Memory(800);
			assert.equal(memory.take(bytes), fits);
			assert.equal(memory.held, fits ? bytes : 0);
		}
	});

	it("is taken by new requests up to an eighth before its bound", () => {
		for (const [bytes, fits] of [
			[699, true],
			[700, true],
			[701, false],
		] as const) {
			const memory = new Memory(800);
			assert.equal(memory.takeNew(bytes), fits);
			memory.held = bytes;
			assert.equal(memory.short, !fits);
		}
	});

	it("is not bounded without a number", () => {
		const memory = new Memory();
		assert.ok(memory.take(1e15));
		assert.ok(!memory.short);
	});

	it("is left by caches first, and by no more of them than needed", () => {
		const memory = new Memory(800);
		const [small, large] = [new Entries(memory), new Entries(memory)];
		small.add(50);
		for (let count = 0; count < 5; count++) large.add(100);
		assert.ok(memory.take(400));
		assert.deepEqual([small.bytes, large.bytes], [50, 300]);
		assert.ok(memory.take(350));
		assert.deepEqual([small.bytes, large.bytes], [50, 0]);
		assert.ok(!memory.take(51));
		assert.equal(memory.kept, 0);
		assert.equal(memory.held, 750);
	});

	it("is never taken by a cache from what new requests need", () => {
		const memory = new Memory(800);
		const cache = new Entries(memory);
		for (let count = 0; count < 20; count++) cache.add(100);
		assert.equal(cache.bytes, 700);
		assert.ok(!memory.short);
	});
});

describe("the memory of a request", () => {
	it("is half of all at most", () => {
		const memory = new Memory(4 * base);
		const request = new RequestMemory(memory);
		request.take(base);
		assert.throws(() => request.take(1), { code: "limit_exceeded" });
		assert.equal(request.takeBody(1)?.code, "request_too_large");
		assert.equal(memory.held, 2 * base);
	});

	it("is refused where others hold the rest", () => {
		const memory = new Memory(4 * base);
		const request = new RequestMemory(memory);
		memory.held = memory.bytesMax;
		assert.throws(() => request.take(1), { code: "overloaded" });
		assert.equal(request.takeBody(1)?.code, "overloaded");
		assert.equal(request.takeBody(1)?.facts.retryAfterMs, 1000);
	});

	it("is that of its answer alone when there is one", () => {
		const memory = new Memory(8 * base);
		const request = new RequestMemory(memory);
		request.take(2 * base);
		request.keepAnswer(100);
		assert.equal(memory.held, base + 100);
		request.end();
		assert.equal(memory.held, 0);
	});

	it("is given back at its end, once, and never taken again", () => {
		const memory = new Memory(8 * base);
		const request = new RequestMemory(memory);
		request.hold(100);
		request.give(200);
		request.end();
		request.end();
		request.take(1);
		request.hold(1);
		request.keepAnswer(1);
		assert.equal(request.takeBody(1), null);
		assert.equal(memory.held, 0);
	});
});

describe("a collector", () => {
	it("says before how much more it will hold", () => {
		for (const announced of [0, 10, 5000]) {
			for (const pieces of [
				[1, 1, 1, 300, 1, 2000],
				[4000, 1, 999],
			]) {
				const collector = createCollector(5000, announced);
				let held = 0;
				for (const length of pieces) {
					held += collector.growth(length);
					assert.ok(collector.copy(Buffer.alloc(length), 0, length));
					assert.ok(held >= collector.length);
				}
				assert.equal(collector.bytes().buffer.byteLength >= held, true);
				assert.equal(collector.growth(5000), 0);
			}
		}
	});
});
