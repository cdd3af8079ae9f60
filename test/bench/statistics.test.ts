import assert from "node:assert/strict";
import { test } from "node:test";
import { medianOf, pairedRatios, quartilesOf } from "../../bench/statistics.ts";

test("quartiles of no value fail, of one are the value", () => {
	assert.throws(() => quartilesOf([]), /no value/);
	assert.deepEqual(quartilesOf([7]), [7, 7, 7]);
});

test("quartiles stand between the sorted values", () => {
	assert.deepEqual(quartilesOf([9, 1, 5, 3, 7]), [3, 5, 7]);
	assert.deepEqual(quartilesOf([4, 1, 3, 2]), [1.75, 2.5, 3.25]);
	assert.equal(medianOf([10, 9, 100]), 10);
});

test("ratios are taken round by round, so that a slow round cancels out", () => {
	assert.deepEqual(pairedRatios([1, 30, 2], [2, 60, 4]), [0.5, 0.5, 0.5]);
	assert.throws(() => pairedRatios([1], [1, 2]), /cannot be paired/);
});
