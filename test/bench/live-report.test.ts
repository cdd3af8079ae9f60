import assert from "node:assert/strict";
import { test } from "node:test";
import type { LiveContender } from "../../bench/live-contenders.ts";
import { livePage } from "../../bench/live-report.ts";

const contender = (
	title: string,
	isOurs: boolean,
	role?: "hand" | "system" | "node",
): LiveContender => ({
	...{ title, form: "events", isOurs, ...(role && { role }) },
	missing: () => null,
	start: () => Promise.reject(new Error("it is not started")),
});
const ours = contender("Sluice", true);
const other = contender("nginx", false);
const hand = contender("by hand", false, "hand");
const system = contender("the system", false, "system");
const node = contender("Node", false, "node");
const kib = (resident: number, heap: number | null) => ({
	residentBytes: resident * 1024,
	heapBytes: heap === null ? null : heap * 1024,
});

const page = livePage({
	date: new Date("2026-11-29"),
	machine: ["one core"],
	apart: "not pinned",
	rounds: 3,
	memoryCounts: [2000, 9000],
	memory: new Map([
		[ours, [1, 2, 3].map((one) => [kib(10 * one, one), kib(4 * one, one)])],
		[other, [1, 2, 3].map((one) => [kib(one, null), kib(one, null)])],
	]),
	cpu: [
		{
			count: 100,
			samples: new Map([
				[ours, [9, 12, 20]],
				[other, [3, 6, 10]],
				[hand, [10, 12, 19]],
				[system, [5, 8, 9]],
			]),
		},
		{
			count: 1000,
			samples: new Map([
				[ours, [9, 12, 20]],
				[other, [3, 6, 10]],
				[hand, [8, 11, 21]],
				[system, [5, 9, 10]],
				[node, [8, 10, 11]],
			]),
		},
	],
});

function row(begin: string, nth = 0): string[] {
	const lines = page.split("\n").filter((line) => line.startsWith(begin));
	const cells = lines[nth]?.split("|").map((cell) => cell.trim()) ?? [];
	return cells.slice(2, -1);
}

test("memory is that of each number of listeners, with its spread", () => {
	assert.deepEqual(row("| Sluice, event stream "), [
		"20.0 (15.0–25.0)",
		"2.0 (1.5–2.5)",
		"8.0 (6.0–10.0)",
		"2.0 (1.5–2.5)",
		"4.6 (3.4–5.7)",
		"2.0 (1.5–2.5)",
	]);
});

test("each more is the slope between the numbers of listeners, round by round", () => {
	// 2000 take 20 KiB each, and 9000 take 8: 32,000 KiB more for 7000 more.
	assert.deepEqual(row("| nginx, event stream ").slice(-2), [
		"2.0 (1.5–2.5)",
		"",
	]);
	assert.equal(
		row("| Sluice, event stream: memory of each more").at(-1),
		"yes",
	);
});

test("what has no heap has an empty cell", () => {
	const [, heap] = row("| nginx, event stream ");
	assert.equal(heap, "");
});

test("the ratio is that of ours to the other, round by round", () => {
	const ours = row("| Sluice, event stream ", 1);
	assert.deepEqual(ours.slice(0, 2), ["12.0 (10.5–16.0)", ""]);
	const others = row("| nginx, event stream ", 1);
	assert.deepEqual(others.slice(0, 2), ["6.0 (4.5–8.0)", "2.00 (2.00–2.50)"]);
});

test("an aim is reached by the median, at the bound too", () => {
	assert.equal(
		row("| Sluice, event stream: memory of one of 2000").at(-1),
		"no",
	);
	assert.equal(
		row("| Sluice, event stream: memory of one of 9000").at(-1),
		"yes",
	);
	assert.equal(
		row("| Sluice, event stream: a message to one of 100").at(-1),
		"no",
	);
	assert.ok(!page.includes("| nginx, event stream: "));
});

test("ours should be no dearer than by hand, by the ratio of each round", () => {
	const begin = "| Sluice, event stream: of what it costs by hand to one of";
	assert.deepEqual(row(`${begin} 100 `), ["1.00", "1.00 (0.95–1.03)", "yes"]);
	assert.equal(row(`${begin} 1000`).at(-1), "no");
});

test("the page says where what only writes takes more than the aim, and only there", () => {
	assert.match(
		page,
		/^- event stream at 1000: Node's write alone takes 10\.0 \(9\.0–10\.5\) µs\.$/m,
	);
	assert.match(
		page,
		/^- event stream at 1000: the system's write alone takes 9\.0 \(7\.0–9\.5\) µs\.$/m,
	);
	assert.doesNotMatch(page, /^- event stream at 100:/m);
});
