import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { quantilesOf, Sketch } from "../../src/telemetry/traffic/sketch.ts";

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
					const [found] = quantilesOf(
						[sketchOf(durations)],
						durations.length,
						share,
					);
					const sorted = durations.toSorted((a, b) => a - b);
					const at = Math.max(1, Math.ceil(share * sorted.length)) - 1;
					const exact = sorted[at] as number;
					// Three digits are shown, which is half a percent more at most.
					const off = Math.abs(found / exact - 1);
					assert.ok(off < 0.055, `${found} instead of ${exact}`);
				},
			),
		);
	});

	it("takes durations of no length, below none and beyond an hour", () => {
		const [least] = quantilesOf([sketchOf([0, -1, Number.NaN])], 3, 0.99);
		assert.equal(least, 0);
		const [most] = quantilesOf([sketchOf([1e12, Infinity])], 2, 0.5);
		assert.ok(most > 3_600_000);
	});

	it("adds several up", () => {
		const some = [sketchOf([10, 10]), new Sketch(), sketchOf([1_000])];
		const [p50, p99] = quantilesOf(some, 3, 0.5, 0.99);
		assert.ok(Math.abs(p50 - 10) < 0.5, `${p50}`);
		assert.ok(Math.abs(p99 - 1_000) < 50, `${p99}`);
	});

	it("begins anew when it is cleared", () => {
		const sketch = sketchOf([1, 2]);
		sketch.clear();
		sketch.record(100);
		const [all] = quantilesOf([sketch], 1, 1);
		assert.ok(Math.abs(all - 100) < 5, `${all}`);
	});
});
