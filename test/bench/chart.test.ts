import assert from "node:assert/strict";
import { test } from "node:test";
import { barChart, lineChart } from "../../bench/chart.ts";
import type { Quartiles } from "../../bench/statistics.ts";

const words = { title: "Time & <space>", note: "here, today" };
const exactly = (value: number): Quartiles => [value, value, value];

function bars(...values: number[]): string {
	return barChart(words, [
		{
			title: "One panel",
			bars: values.map((value, index) => ({
				label: `bar ${index}`,
				value: exactly(value),
				strong: index === 0,
			})),
		},
	]);
}

/** Widths of the bars, in the order of the panel; the first rectangle is the background. */
function widths(svg: string): number[] {
	const found = svg.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)"/g);
	return Array.from(found, (match) => Number(match[1]));
}

/** The numbers of an axis. */
function ticks(svg: string, anchor: string): number[] {
	const pattern = new RegExp(
		`text-anchor="${anchor}" fill="#4b5563">([\\d.]+)<`,
		"g",
	);
	return Array.from(svg.matchAll(pattern), (match) => Number(match[1]));
}

test("bars begin at zero: twice the time is twice the length", () => {
	const [one = 0, two = 0] = widths(bars(40, 80));
	assert.ok(Math.abs(two - 2 * one) <= 0.2, `${one} ${two}`);
});

test("the axis goes from zero to a round number that is not below the longest bar", () => {
	for (const [largest, end] of [
		[580, 600],
		[92, 100],
		[0.3, 0.3],
		[6, 6],
		[6.1, 8],
		[8.1, 10],
		[1_001, 1_500],
	] as const) {
		const axis = ticks(bars(largest, largest / 3), "middle");
		assert.equal(axis[0], 0);
		assert.equal(axis.at(-1), end);
		assert.ok(axis.length >= 3 && axis.length <= 5, axis.join(" "));
	}
});

test("a chart has a ground of its own, so that its ink is readable on dark pages", () => {
	assert.match(bars(1), /<rect [^>]*fill="#ffffff"/);
});

test("words are escaped, and say what the chart shows to who cannot see it", () => {
	const svg = bars(1);
	assert.match(svg, /<title>Time &amp; &lt;space&gt;<\/title>/);
	assert.doesNotMatch(svg, /<space>/);
});

test("panels stand two beside each other, and the picture is as high as its rows", () => {
	const panel = { title: "p", bars: [] };
	const places = (count: number) =>
		Array.from(
			barChart(words, Array(count).fill(panel)).matchAll(
				/<g transform="translate\((\d+) (\d+)\)">/g,
			),
			(match) => [Number(match[1]), Number(match[2])],
		).filter((_, index) => index % 2 === 0);
	const [first, second, third] = places(3);
	assert.equal(first?.[1], second?.[1]);
	assert.equal(first?.[0], third?.[0]);
	assert.ok((third?.[1] ?? 0) > (first?.[1] ?? 0));
});

test("a line's points stand by factors along the axis, and at their height above zero", () => {
	const svg = lineChart(words, [
		{
			title: "Growth",
			axis: "steps",
			lines: [
				{
					label: "Sluice",
					strong: true,
					points: [1, 10, 100].map((x) => ({ x, value: exactly(x / 10) })),
				},
			],
		},
	]);
	const [, drawn = ""] = /<polyline points="([^"]*)"/.exec(svg) ?? [];
	const [a = [], b = [], c = []] = drawn
		.split(" ")
		.map((point) => point.split(",").map(Number));
	const [ax = 0, bx = 0, cx = 0] = [a[0], b[0], c[0]];
	assert.ok(Math.abs(bx - ax - (cx - bx)) < 0.2, "equal factors, equal steps");
	const height = (point: number[]) => 150 - (point[1] ?? 0);
	assert.ok(Math.abs(height(c) - 10 * height(b)) < 1, "tenfold is ten times");
	assert.deepEqual(ticks(svg, "end"), [0, 2, 4, 6, 8, 10]);
	assert.deepEqual(ticks(svg, "middle"), [1, 10, 100]);
});

test("lines that end at the same height have labels that do not lie on each other", () => {
	const points = [1, 10].map((x) => ({ x, value: exactly(5) }));
	const lines = ["Sluice", "by hand", "third"].map((label) => ({
		label,
		points,
		strong: false,
	}));
	const svg = lineChart(words, [{ title: "Same", axis: "steps", lines }]);
	const heights = lines.map(({ label }) =>
		Number(new RegExp(`y="([\\d.]+)"[^>]*>${label}<`).exec(svg)?.[1]),
	);
	const [a = 0, b = 0, c = 0] = heights;
	assert.ok(a - b >= 12 && b - c >= 12, heights.join(" "));
});
