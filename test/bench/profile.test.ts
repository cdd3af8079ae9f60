import assert from "node:assert/strict";
import { test } from "node:test";
import { type CpuProfile, selfTimes } from "../../bench/profile.ts";

const frame = (functionName: string, url = "", lineNumber = 0) => ({
	functionName,
	url,
	lineNumber,
});

const profile: CpuProfile = {
	nodes: [
		{ id: 1, callFrame: frame("(idle)") },
		{
			id: 2,
			callFrame: frame("run", "file:///home/me/sluice/src/run/run.ts", 9),
		},
		{
			id: 3,
			callFrame: frame("run", "file:///home/me/sluice/src/run/run.ts", 9),
		},
		{
			id: 4,
			callFrame: frame("", "file:///x/node_modules/undici/index.js", 1),
		},
	],
	samples: [4, 2, 1, 3, 4],
	timeDeltas: [9_000, 1_000, 50_000, 2_000, 500],
};

test("time is summed by function, however it was reached, and idle time is none", () => {
	assert.deepEqual(selfTimes(profile), [
		{ name: "(anonymous)", place: "node_modules/undici/index.js:2", ms: 9.5 },
		{ name: "run", place: "src/run/run.ts:10", ms: 3 },
	]);
});

test("what was before the last milliseconds, such as the start, does not count", () => {
	assert.deepEqual(
		selfTimes(profile, 2.5).map(({ name, ms }) => [name, ms]),
		[
			["run", 2],
			["(anonymous)", 0.5],
		],
	);
});
