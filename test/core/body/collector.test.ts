import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createCollector } from "../../../src/core/body/collector.ts";

test("gives back what was put in, however it was cut, up to the bound", () => {
	const chunk = fc.uint8Array({ maxLength: 20 });
	fc.assert(
		fc.property(
			fc.array(chunk),
			fc.nat(200),
			fc.nat(300),
			(chunks, bytesMax, announced) => {
				const collector = createCollector(bytesMax, announced);
				let expected = Buffer.alloc(0);
				for (const each of chunks) {
					const fits = expected.length + each.length <= bytesMax;
					assert.equal(collector.add(each), fits);
					if (fits) expected = Buffer.concat([expected, each]);
					assert.equal(collector.length, expected.length);
				}
				assert.deepEqual(Buffer.from(collector.bytes()), expected);
			},
		),
	);
});

test("does not copy a body of one chunk", () => {
	const collector = createCollector(10);
	const chunk = new Uint8Array([1, 2, 3]);
	collector.add(chunk);
	assert.equal(collector.bytes().buffer, chunk.buffer);
});

test("does not write into a chunk it was given", () => {
	const memory = new Uint8Array(8);
	const collector = createCollector(10);
	collector.add(memory.subarray(0, 2));
	collector.add(new Uint8Array([7, 7]));
	assert.deepEqual(memory, new Uint8Array(8));
});

test("takes no more memory than twice the bytes of tiny chunks, nor than the bound", () => {
	const collector = createCollector(1000);
	for (let count = 0; count < 600; count++) collector.add(new Uint8Array(1));
	assert.ok(collector.bytes().buffer.byteLength <= 1000);
});
