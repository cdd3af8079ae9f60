import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	counted,
	shownBytes,
	shownCount,
	shownMs,
	shownRate,
	shownShare,
	shownStep,
} from "../../ui/src/format.ts";

describe("on the page", () => {
	it("a time has the unit and the digits that a reader needs", () => {
		const times = [
			0, 0.04, 0.26, 9.96, 42.4, 999.4, 1000, 1256, 59_999, 90_000,
		];
		assert.deepEqual(times.map(shownMs), [
			...["0 ms", "0 ms", "0.3 ms", "10 ms", "42 ms", "999 ms"],
			...["1 s", "1.26 s", "60 s", "1.5 min"],
		]);
		assert.equal(shownMs(null), "");
	});

	it("a share says when it is not nothing, and when there is nothing", () => {
		const shares = [
			[0, 0],
			[0, 9],
			[1, 100_000],
			[1, 300],
			[1, 8],
			[3, 3],
		] as const;
		assert.deepEqual(
			shares.map(([part, whole]) => shownShare(part, whole)),
			["–", "0 %", "< 0.1 %", "0.3 %", "13 %", "100 %"],
		);
	});

	it("counts, rates and bytes stay short", () => {
		assert.deepEqual([0, 999, 9999, 10_000, 1_250_000].map(shownCount), [
			...["0", "999", "9,999", "10 k", "1.3 M"],
		]);
		assert.deepEqual(
			[shownRate(1, 3000), shownRate(50, 1000), shownRate(5, 0)],
			["0.3/s", "50/s", "0/s"],
		);
		assert.deepEqual([512, 1536, 5 * 2 ** 20, 3 * 2 ** 30].map(shownBytes), [
			...["512 B", "1.5 KiB", "5 MiB", "3 GiB"],
		]);
		assert.deepEqual(
			[
				...[counted(1, "call"), counted(0, "call")],
				...[counted(1, "address", "addresses")],
				...[counted(2, "address", "addresses")],
			],
			["1 call", "0 calls", "1 address", "2 addresses"],
		);
	});

	it("a step of a list is named with its positions", () => {
		assert.equal(shownStep("orders.items", [2, 0]), "orders.items[2][0]");
		assert.equal(shownStep("now", []), "now");
	});
});
