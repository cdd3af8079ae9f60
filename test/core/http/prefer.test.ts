import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { preferredWaitOf } from "../../../src/core/http/prefer.ts";

/** By RFC 7240. */
const cases: [prefer: string, seconds: number | null][] = [
	["", null],
	["wait=25", 25],
	["Wait=25", 25],
	["wait = 25", 25],
	['wait="25"', 25],
	["wait=0", 0],
	["respond-async, wait=10", 10],
	["return=minimal;foo=bar, wait=10; x=1", 10],
	["wait=1, wait=2", 1],
	["wait", null],
	["wait=", null],
	['wait=""', null],
	["wait=-1", null],
	["wait=1.5", null],
	["wait=1e3", null],
	["wait=999999999", 999_999_999],
	["wait=1000000000", 999_999_999],
	["wait=99999999999999999999", 999_999_999],
	[`wait=${"9".repeat(400)}`, 999_999_999],
	[`wait=${"0".repeat(20)}7`, 7],
	["wait=9999999999x", null],
	["wait=x, wait=2", null],
	["await=5", null],
	['x="wait=5"', null],
];

describe("the wait that a client prefers", () => {
	for (const [prefer, seconds] of cases) {
		it(`is ${seconds} by \`${prefer}\``, () => {
			assert.equal(preferredWaitOf(["prefer", prefer]), seconds);
		});
	}

	it("may stand in any of several fields", () => {
		const fields = ["Prefer", "respond-async", "prefer", "wait=7"];
		assert.equal(preferredWaitOf(fields), 7);
	});

	it("is null without the field", () => {
		assert.equal(preferredWaitOf(["accept", "wait=5"]), null);
	});
});
