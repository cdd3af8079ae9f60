import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { printChart, type ShownCall } from "../../src/cli/chart.ts";
import { GatewayError } from "../../src/core/errors.ts";

function call(
	step: string,
	startedMs: number,
	endedMs: number,
	result: number | GatewayError,
): ShownCall {
	return {
		requestId: "id",
		route: "GET /weather",
		step,
		index: [],
		upstream: "up",
		startedMs,
		durationMs: endedMs - startedMs,
		status: typeof result === "number" ? result : null,
		error: typeof result === "number" ? null : result,
	};
}

const late = new GatewayError("upstream_timeout", "too late");
const calls = [
	call("weather", 602.4, 800, late),
	call("city_en", 0, 200, 200),
	call("now", 200.6, 602, 404),
];
const options = { totalMs: 801, columns: 80, colour: false };

describe("the chart of calls", () => {
	it("shows each call at its time, in the order they started, as wide as the terminal", () => {
		assert.equal(
			printChart(calls, options),
			[
				"city_en  ██████████                                  0–200 ms  200",
				"now                ████████████████████            201–602 ms  404",
				"weather                                ██████████  602–800 ms  upstream_timeout",
				"answered after 801 ms",
			].join("\n"),
		);
		for (const columns of [60, 80, 200]) {
			const lines = printChart(calls, { ...options, columns }).split("\n");
			const widest = Math.max(...lines.map((line) => [...line].length));
			assert.equal(widest, columns - 1);
		}
	});

	it("names each item of a list by its positions, also where the name is cut", () => {
		const items = [[0], [1], [0, 12]].map((index, at) => ({
			...call("recommended_products_of", at, 10, 200),
			index,
		}));
		const names = printChart(items, options)
			.split("\n")
			.map((line) => line.split(" ")[0]);
		assert.deepEqual(names.slice(0, 3), [
			"recommended_products…[0]",
			"recommended_products…[1]",
			"recommended_produ…[0.12]",
		]);
	});

	it("shows the shortest call, and one that outlived the answer", () => {
		const chart = printChart(
			[
				call("a", 0, 0.2, 200),
				call("b", 1000, 1000, 200),
				call("c", 10, 2000, 200),
			],
			{ ...options, totalMs: 1000 },
		);
		const bars = chart.split("\n").map((line) => line.match(/█/g)?.length ?? 0);
		assert.deepEqual(bars.slice(0, 2), [1, bars[1]]);
		assert.ok(bars[1] ?? 0 > 10);
		assert.equal(bars[2], 1);
	});

	it("colours by how a call ended, and only where colours are wanted", () => {
		const chart = printChart(calls, { ...options, colour: true });
		const [first, second, third] = chart.split("\n");
		assert.match(first ?? "", /\x1b\[32m█/);
		assert.match(second ?? "", /\x1b\[33m +█/);
		assert.match(third ?? "", /\x1b\[31mupstream_timeout/);
		assert.ok(!printChart(calls, options).includes("\x1b"));
	});

	it("stays readable with many calls, long names and a tiny terminal", () => {
		const many = Array.from({ length: 100 }, (_, index) =>
			call(`orders.${"long".repeat(20)}`, index, index + 10, 200),
		);
		const lines = printChart(many, { ...options, columns: 20 }).split("\n");
		assert.equal(lines.length, 42);
		assert.equal(lines[40], "and 60 more");
		assert.ok(lines.every((line) => [...line].length < 60));
		assert.equal(printChart([], options), "answered after 801 ms");
	});
});
