import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createCollector } from "../../src/core/body/collector.ts";
import { surveyJson } from "../../src/core/json.ts";
import {
	Memory,
	RequestMemory,
	SharedMemory,
	type Yielding,
} from "../../src/core/memory.ts";

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

	it("asks a cache that has left for nothing more, and the others still", () => {
		const memory = new Memory(800);
		const left: Yielding = {
			bytes: 1_000,
			yield: () => assert.fail("it has left"),
		};
		const leave = memory.join(left);
		const other = new Entries(memory);
		leave();
		leave();
		other.add(600);
		assert.ok(memory.take(300));
		assert.equal(other.bytes, 0);
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
		// To drop the rest would not be enough.
		assert.ok(!memory.take(51));
		assert.equal(memory.kept, 50);
		assert.ok(memory.take(50));
		assert.equal(memory.kept, 0);
		assert.equal(memory.held, 800);
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

	it("is refused where others of its client hold three quarters, and no one else's", () => {
		const memory = new Memory(16 * base);
		const client = { held: 0 };
		const first = new RequestMemory(memory, client);
		first.hold(10 * base);
		const second = new RequestMemory(memory, client);
		assert.ok(!second.short);
		assert.equal(second.takeBody(1)?.code, "overloaded");
		second.take(1);
		assert.ok(second.short);
		const other = new RequestMemory(memory, { held: 0 });
		assert.ok(!other.short);
		assert.equal(other.takeBody(base / 2), null);
		first.end();
		assert.ok(!second.short);
		assert.equal(client.held, base + 1);
		second.end();
		other.end();
		assert.equal(memory.held + client.held, 0);
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

describe("memory that several share", () => {
	it("counts once, from its first user to its last", () => {
		const memory = new Memory();
		const shared = new SharedMemory(memory, 100);
		const requests = [new RequestMemory(memory), new RequestMemory(memory)];
		for (const request of requests) request.use(shared);
		assert.equal(memory.held, 2 * base + 100);
		shared.grow(50);
		assert.equal(memory.held, 2 * base + 150);
		requests[0]?.keepAnswer(0);
		assert.equal(memory.held, 2 * base + 150);
		for (const request of requests) request.end();
		assert.equal(memory.held, 0);
		shared.grow(50);
		assert.equal(memory.held, 0);
	});

	it("is the cache's while that keeps it, and that of its users after", () => {
		const memory = new Memory();
		const shared = new SharedMemory(memory, 100);
		shared.keep();
		const request = new RequestMemory(memory);
		request.use(shared);
		shared.grow(50);
		assert.equal(memory.held, base);
		shared.drop();
		assert.equal(memory.held, base + 150);
		shared.keep();
		assert.equal(memory.held, base);
		shared.drop();
		request.end();
		assert.equal(memory.held, 0);
	});

	it("is used to the end by an answer that is made of nothing else", () => {
		const memory = new Memory();
		const shared = new SharedMemory(memory, 100);
		const request = new RequestMemory(memory);
		request.useAsAnswer(shared);
		request.keepAnswer(100);
		assert.equal(memory.held, base + 100);
		request.end();
		assert.equal(memory.held, 0);
		request.use(shared);
		assert.equal(memory.held, 0);
	});
});

describe("the memory of a value of JSON", () => {
	// Measured on Node 26: the heap for each byte of JSON.
	for (const [what, make, measured] of [
		["records", (n: number) => `{"id":${n},"name":"User ${n}"}`, 3],
		["numbers", String, 4],
		["lists", () => "[]", 13.5],
		["maps", () => "{}", 21],
		["keys that all differ", (n: number) => `{"k${n}":1}`, 13.5],
		["numbers as keys", (n: number) => `{"${n % 5000}":1}`, 19.5],
	] as const) {
		it(`is told for ${what} within a factor of two, and less than six times too large`, () => {
			const items = Array.from({ length: 10_000 }, (_, n) => make(n));
			const bytes = Buffer.from(`[${items.join()}]`);
			const ratio = surveyJson(bytes).memory / bytes.length / measured;
			assert.ok(ratio > 0.5 && ratio < 6, `${ratio}`);
		});
	}
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
