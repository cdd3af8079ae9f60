import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { CompetitorName } from "../../bench/competitors.ts";
import type { Growth } from "../../bench/growth.ts";
import type { Latency } from "../../bench/latency.ts";
import type { Slice } from "../../bench/load.ts";
import type { RouteResult } from "../../bench/measure.ts";
import {
	aimsTable,
	growthTables,
	latencyTable,
	markdownTable,
	missedRoutes,
	routeTable,
} from "../../bench/report.ts";
import {
	type Results,
	resultsPage,
	writeResults,
} from "../../bench/results.ts";
import type { RouteName } from "../../bench/routes.ts";
import { folderWith } from "../kit/cli.ts";

const slices = (...cpu: number[]): Slice[] =>
	cpu.map((cpuUs) => ({
		cpuUs,
		requests: 1_000,
		perSecond: 1_000,
		p50Us: 1_500,
		p99Us: 9_000,
	}));

/** Without the spaces that bring columns to one width. */
const narrow = (table: string) => table.replaceAll(/ +/g, " ");

function result(
	route: RouteName,
	cpu: Partial<Record<CompetitorName, number[]>>,
): RouteResult {
	const samples = Object.entries(cpu).map(
		([name, values]) => [name as CompetitorName, slices(...values)] as const,
	);
	return { route, samples: new Map(samples) };
}

test("a table's first column stands left, its numbers right", () => {
	assert.equal(
		markdownTable(
			["", "µs"],
			[
				["nginx", "12"],
				["us", "3.5"],
			],
		),
		[
			"|       |  µs |",
			"| ----- | --: |",
			"| nginx |  12 |",
			"| us    | 3.5 |",
		].join("\n"),
	);
});

test("a route's table has medians, quartiles, and ratios that are paired by round", () => {
	const table = narrow(
		routeTable(
			result("three", { sluice: [50, 500, 60], undici: [100, 1_000, 100] }),
		),
	);
	assert.match(table, /^### Three merged/);
	assert.match(table, /Sluice, features on .*\| 60\.0 \(55\.0–280\.0\) /);
	assert.match(table, /undici .*\| 0\.50 \(0\.50–0\.55\) \|/);
	assert.match(table, /\| 1000 \| 1\.50 \| 9\.00 \|/);
});

test("an aim is reached at its limit and missed above it", () => {
	const reached = (cpu: number) =>
		aimsTable([result("three", { sluice: [cpu], undici: [100] })], null)
			.split("\n")
			.filter((line) => /at most 0\.65 /.test(line))
			.map((line) => /(yes|no) \|$/.exec(line)?.[1]);
	assert.deepEqual(reached(64), ["yes"]);
	assert.deepEqual(reached(65), ["yes"]);
	assert.deepEqual(reached(66), ["no"]);
});

test("an aim that was not measured is not in the table, and no aim is no table", () => {
	const table = aimsTable([result("pass", { sluice: [1], nginx: [1] })], null);
	assert.equal(table.split("\n").length, 5);
	assert.equal(aimsTable([result("chain", { sluice: [1] })], null), "");
});

test("a route that misses an aim is named once, also if it misses several", () => {
	const missing = result("three", {
		sluice: [90],
		undici: [100],
		"nginx-lua": [100],
	});
	const reaching = result("pass", { sluice: [10], undici: [100] });
	assert.deepEqual(missedRoutes([missing, reaching]), ["three"]);
	assert.deepEqual(missedRoutes([reaching]), []);
});

const latency: Latency = {
	route: "three",
	points: [1, 256].map((connections) => ({
		connections,
		samples: new Map([
			["sluice", slices(5, 6)],
			["undici", slices(7)],
		]),
	})),
};

test("how long clients wait is told by how many ask at once", () => {
	const table = narrow(latencyTable(latency));
	assert.match(table, /^### Three merged: how long clients wait\n/);
	assert.match(table, /features on: p50 ms \| p99 ms \| by hand: .* p50 ms \|/);
	assert.match(table, /^\| 1 \| 1\.50 \| 9\.00 \| 1\.50 \| 9\.00 \|$/m);
	assert.match(table, /^\| 256 \| /m);
});

const growth: Growth = {
	curves: [
		{
			title: "Steps",
			of: "steps",
			per: "step",
			unit: 1,
			lines: [
				{
					title: "Sluice",
					points: [
						{ x: 1, slices: slices(40, 44) },
						{ x: 10, slices: slices(200, 220) },
						{ x: 100, slices: slices(2_200, 2_442) },
					],
				},
			],
		},
	],
	starts: [
		{ routes: 10, loadMs: 20, heapBytes: 2 ** 20, residentBytes: 2 ** 26 },
		{ routes: 110, loadMs: 40, heapBytes: 2 ** 21, residentBytes: 2 ** 27 },
	],
};

test("growth is told per unit, beside its ratio to ten, and memory per route", () => {
	const tables = narrow(growthTables(growth));
	assert.match(tables, /\| 1 \| 42\.00 \(41\.00–43\.00\) \| 2\.00 \(/);
	assert.match(tables, /\| 10 \| 21\.00 \(20\.50–21\.50\) \| 1\.00 \(/);
	assert.match(tables, /\| 110 \| 40 \| 2\.0 \| 128\.0 \| 10\.2 \|/);
});

test("growth has aims of its own, paired by round", () => {
	const table = aimsTable([], growth);
	assert.match(table, /CPU per step at 100 steps, to 10 .*\| 1\.10 \(.* no \|/);
	assert.doesNotMatch(table, /items|routes/);
});

const results: Results = {
	date: new Date("2026-02-03T04:05:06Z"),
	machine: ["2 × a processor", "Node 26"],
	apart: "not pinned",
	profiles: [
		{
			route: "three",
			cpuUs: 70,
			times: [
				{ name: "merge", place: "src/run/merge.ts:1", ms: 3 },
				...Array.from({ length: 200 }, (_, at) => ({
					...{ name: `f${at}`, place: "node:net:1", ms: 0.001 },
				})),
			],
		},
	],
	rounds: 9,
	routes: [result("three", { sluice: [5, 6], undici: [10, 11] })],
	latency: [latency],
	growth,
};

test("few rounds are called a trial, from nine on they count", () => {
	assert.match(resultsPage({ ...results, rounds: 8 }), /only a trial/);
	assert.doesNotMatch(resultsPage(results), /trial/);
	assert.match(resultsPage(results), /9 interleaved rounds/);
});

test("the page shows the code of whoever was measured, and Sluice's config", () => {
	const page = resultsPage(results);
	for (const source of ["sluice.ts", "undici.ts"]) {
		assert.ok(page.includes(`(../gateways/${source})`), source);
	}
	assert.doesNotMatch(page, /krakend\.ts/);
	assert.match(page, /GET \/three:\n +steps:/);
	assert.match(page, /retry: true/);
});

test("results are a page, charts and every slice, with machine and date", () => {
	using folder = folderWith({});
	writeResults(folder.path, results);
	const read = (name: string) => readFileSync(join(folder.path, name), "utf8");
	const page = read("results.md");
	for (const words of ["2026-02-03", "2 × a processor", "not pinned"]) {
		assert.ok(page.includes(words), words);
	}
	for (const chart of ["routes.svg", "growth.svg"]) {
		assert.ok(page.includes(`(${chart})`), chart);
		assert.match(read(chart), /^<svg [^]*2026-02-03[^]*<\/svg>\n$/);
	}
	const raw = JSON.parse(read("results.json"));
	assert.deepEqual(raw.routes[0].samples.undici, slices(10, 11));
	assert.match(page, /Three merged: where the time goes[^]*ours: src\/run/);
	assert.equal(raw.profiles[0].times.length, 100);
	assert.deepEqual(raw.latency[0].points[1].samples.undici, slices(7));
});
