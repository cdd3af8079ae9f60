import assert from "node:assert/strict";
import { test } from "node:test";
import type { LiveContender } from "../../bench/live-contenders.ts";
import { livePage } from "../../bench/live-report.ts";

const contender = (title: string, isOurs: boolean): LiveContender => ({
	...{ title, form: "events", isOurs },
	missing: () => null,
	start: () => Promise.reject(new Error("it is not started")),
});
const ours = contender("Sluice", true);
const other = contender("nginx", false);
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
	assert.deepEqual(row("| Sluice, event stream ", 1), ["12.0 (10.5–16.0)", ""]);
	assert.deepEqual(row("| nginx, event stream ", 1), [
		"6.0 (4.5–8.0)",
		"2.00 (2.00–2.50)",
	]);
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
