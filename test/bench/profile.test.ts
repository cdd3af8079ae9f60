import assert from "node:assert/strict";
import { test } from "node:test";
import {
	type CpuProfile,
	functionsTable,
	kindsTable,
	selfTimes,
} from "../../bench/profile.ts";

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

const times = [
	{ name: "writeLatin1String", place: "", ms: 40 },
	{ name: "(garbage collector)", place: "", ms: 20 },
	{ name: "(program)", place: "", ms: 10 },
	{ name: "send", place: "src/run/proxy.ts:181", ms: 9 },
	{ name: "passOn", place: "src/run/proxy.ts:78", ms: 6 },
	{ name: "parse", place: "", ms: 5 },
	{ name: "walk", place: "src/core/json-walk.ts:1", ms: 4 },
	{ name: "latin1Slice", place: "", ms: 3 },
	{ name: "write", place: "node:internal/streams/writable:1", ms: 2 },
	{ name: "find", place: "node_modules/find-my-way/index.js:618", ms: 1 },
];

/** Without the spaces that bring columns to one width. */
const narrow = (table: string) => table.replaceAll(/ +/g, " ");

test("a profile's kinds share the process's CPU time by their samples, and each time has one kind", () => {
	const table = narrow(kindsTable({ route: "pass", cpuUs: 50, times }));
	assert.match(table, /^### Passed through: where the time goes/);
	assert.match(table, /50\.0 µs/);
	assert.deepEqual(table.split("\n").slice(6), [
		"| system's writes, with their glue | 20.00 | writeLatin1String |",
		"| garbage collection | 10.00 | (garbage collector) |",
		"| ours: src/run | 7.50 | send, passOn |",
		"| event loop: epoll, reads | 5.00 | (program) |",
		"| JSON, V8's | 2.50 | parse |",
		"| JSON, ours | 2.00 | walk |",
		"| V8's and Node's functions in C++ | 1.50 | latin1Slice |",
		"| Node's JavaScript | 1.00 | write |",
		"| libraries | 0.50 | find |",
	]);
});

test("a profile's functions are shown with their places", () => {
	const table = narrow(functionsTable({ route: "pass", cpuUs: 50, times }));
	assert.match(table, /\| send \| src\/run\/proxy\.ts:181 \| 4\.50 \|/);
});
