import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { quantilesOf, Sketch } from "../../src/telemetry/sketch.ts";

const sketchOf = (durations: readonly number[]) => {
	const sketch = new Sketch();
	for (const ms of durations) sketch.record(ms);
	return sketch;
};

describe("a sketch of durations", () => {
	it("gives quantiles that are exact to 5 %, whatever the durations", () => {
		const duration = fc.double({ min: 0.06, max: 3_000_000, noNaN: true });
		fc.assert(
			fc.property(
				fc.array(duration, { minLength: 1, maxLength: 200 }),
				fc.constantFrom(0.5, 0.95, 0.99, 1),
				(durations, share) => {
					const [found] = quantilesOf([sketchOf(durations)], share);
					const sorted = durations.toSorted((a, b) => a - b);
					const at = Math.max(1, Math.ceil(share * sorted.length)) - 1;
					const exact = sorted[at] as number;
					// Three digits are shown, which is half a percent more at most.
					const off = Math.abs((found as number) / exact - 1);
					assert.ok(off < 0.055, `${found} instead of ${exact}`);
				},
			),
		);
	});

	it("takes durations of no length, below none and beyond an hour", () => {
		const [least] = quantilesOf([sketchOf([0, -1, Number.NaN])], 0.99);
		assert.equal(least, 0);
		const [most] = quantilesOf([sketchOf([1e12, Infinity])], 0.5);
		assert.ok((most as number) > 3_600_000);
	});

	it("has no quantile of nothing, and adds several up", () => {
		assert.deepEqual(quantilesOf([], 0.5, 0.9), [null, null]);
		assert.deepEqual(quantilesOf([new Sketch()], 0.5), [null]);
		const some = [sketchOf([10, 10]), sketchOf([1_000])];
		const [p50, p99] = quantilesOf(some, 0.5, 0.99) as number[];
		assert.ok(Math.abs((p50 as number) - 10) < 0.5, `${p50}`);
		assert.ok(Math.abs((p99 as number) - 1_000) < 50, `${p99}`);
	});

	it("begins anew when it is cleared", () => {
		const sketch = sketchOf([1, 2]);
		sketch.clear();
		assert.deepEqual(quantilesOf([sketch], 0.5), [null]);
	});
});
