import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Memory, RequestMemory } from "../../src/core/memory.ts";
import { Fuel } from "../../src/expression/fuel.ts";
import { prepared } from "./compute.ts";

/** The bytes that count as held after an expression was evaluated, in this order, for one request. */
function heldAfter(source: string, ...data: unknown[]): number {
	const memory = new Memory();
	const request = new RequestMemory(memory);
	const before = memory.held;
	const evaluate = prepared(source, ["x", "y"]);
	const fuel = new Fuel(undefined, 10_000_000, request);
	for (const x of data) {
		fuel.begin();
		evaluate({ values: [x, "y".repeat(100_000)], parent: null, fuel });
	}
	return memory.held - before;
}

const kibi = 1024;

describe("what expressions make counts as memory", () => {
	for (const [source, characters] of [
		["'ab'.repeat(50000)", 100_000],
		["'a'.padEnd(100000)", 100_000],
		["x.toUpperCase()", 100_000],
		["x.normalize()", 100_000],
		["x + y", 200_000],
		["`${x}${y}`", 200_000],
		["x.concat(y)", 200_000],
		["x.replaceAll('a', 'b')", 100_000],
		["[x, y].join('')", 200_000],
		["JSON.stringify(x)", 100_002],
		["escapeXml(x)", 100_000],
		["printXml({ a: x })", 100_007],
		["encodeURIComponent(x)", 100_000],
		["decodeURIComponent(x)", 100_000],
	] as const) {
		it(`${source}: two bytes for each of ${characters} characters`, () => {
			const held = heldAfter(source, "a".repeat(100_000));
			assert.ok(held >= 2 * characters, `${held}`);
			// The nodes that it takes count besides.
			assert.ok(held < 2 * characters + 20 * 100_000, `${held}`);
		});
	}

	it("a text that grows counts once, and not for each of its parts", () => {
		const lines = Array.from({ length: 10_000 }, (_, n) => `line ${n}`);
		const length = lines.join("").length;
		const held = heldAfter("x.reduce((text, line) => text + line, '')", lines);
		assert.ok(held >= 2 * length);
		assert.ok(held < 2 * length + 8 * 100_000, `${held} for ${length}`);
	});

	it("each text that is made of one long text counts with its whole length", () => {
		const items = Array.from({ length: 20 }, (_, n) => n);
		const held = heldAfter("x.map((n) => y + n)", items);
		assert.ok(held >= 20 * 200_000, `${held}`);
		assert.ok(heldAfter("y + x", ...items) >= 20 * 200_000);
	});

	it("lists and maps count by the nodes that make them", () => {
		const items = Array.from({ length: 10_000 }, (_, n) => n);
		const held = heldAfter("x.map((n) => ({ n }))", items);
		assert.ok(held >= 100 * kibi, `${held}`);
	});

	it("short work costs nothing", () => {
		assert.equal(heldAfter("x.a + 1 > 2 ? [x] : { x }", { a: 1 }), 0);
		assert.equal(heldAfter("'a' + x", "b"), 0);
	});
});
