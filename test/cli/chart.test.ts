import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { printChart } from "../../src/cli/chart.ts";
import type { TrailEnded } from "../../src/core/events.ts";
import { type StepTrail, Trail } from "../../src/core/trail.ts";
import {
	detailOf,
	type RequestDetail,
} from "../../src/telemetry/trail/shown-request.ts";
import { byPath, type Reply, testRoute } from "../kit/gateway.ts";

const options = { columns: 80, colour: false };

/** The record of one request. */
async function endOf(
	route: object,
	replies: Record<string, Reply> | (() => Reply),
	upstreams?: object,
): Promise<RequestDetail> {
	const behaviour = typeof replies === "function" ? replies : byPath(replies);
	const more = upstreams === undefined ? {} : { upstreams };
	const test = testRoute(route, behaviour, more as never);
	let end: TrailEnded | null = null;
	test.gateway.events.trailEnded.push((event) => {
		end = event;
	});
	await test.ask("/x");
	assert.ok(end);
	return detailOf(end, 0);
}

const weather = {
	steps: {
		city: { get: "users/city" },
		now: { get: "users/now", query: { city: "${city}" } },
		sky: { get: "users/sky", query: { now: "${now}" }, optional: true },
		late: { get: "users/late", when: "${city === 2}", optional: true },
		other: { get: "users/other" },
	},
	respond: ["${now}", "${sky}", "${late}", "${other}"],
};
const replies = {
	"/city": { json: 1, afterMs: 200 },
	"/now": { json: 2, afterMs: 400 },
	"/sky": { status: 503, afterMs: 200 },
	"/other": { json: 3, afterMs: 100 },
};

describe("the chart of a request", () => {
	it("shows each step at its time, the critical path, and steps that were skipped or filled in", async () => {
		const chart = printChart(await endOf(weather, replies), options);
		assert.equal(
			chart,
			[
				"* city   ████████                          0–200 ms  200",
				"  other  ████                              0–100 ms  200",
				"* now            ███████████████         200–600 ms  200",
				"  late                                               skipped",
				"* sky                           ███████  600–800 ms  upstream_status, filled in",
				"█upstream *critical",
				"answered after 800 ms",
			].join("\n"),
		);
		const page = new URL("../../docs/cli.md", import.meta.url);
		assert.ok(readFileSync(page, "utf8").includes(`\n${chart}\n`));
	});

	it("is as wide as the terminal at most", async () => {
		const end = await endOf(weather, replies);
		for (const columns of [72, 80, 200]) {
			const lines = printChart(end, { ...options, columns }).split("\n");
			const widest = Math.max(...lines.map((line) => [...line].length));
			assert.ok(widest <= columns - 1, `${widest} of ${columns}`);
		}
	});

	it("tells a pause before another attempt from the attempts", async () => {
		let attempts = 0;
		const end = await endOf(
			{ steps: { a: { get: "users/a" } }, respond: "${a}" },
			() => ({ status: attempts++ === 0 ? 503 : 200, json: 1, afterMs: 100 }),
			{ users: { url: "http://users.test", retry: { attempts: 2 } } },
		);
		const [row, legend] = printChart(end, options).split("\n");
		assert.match(row ?? "", /^\* a {2}█+~+█+ +0–\d+ ms {2}200$/);
		assert.equal(legend, "█upstream ~pause *critical");
	});

	it("tells a place, a connection, a hedge, a body, a kept answer and a wait apart", () => {
		let nowMs = 0;
		const clock = { now: () => nowMs };
		const at = (ms: number, act: () => void) => {
			nowMs = ms;
			act();
		};
		const of = { requestId: "1", method: "GET", arrivedMs: 0 };
		const trail = new Trail(clock, of);
		const a = trail.step("a", [], null) as StepTrail;
		a.started();
		const called = { upstream: "up", method: "GET", template: "/" };
		const call = a.call(called);
		const first = call.attempt();
		at(100, () => first.placed(0));
		at(200, () => first.sent(false));
		let second = first;
		at(300, () => {
			second = call.attempt();
			second.placed(0);
			second.sent(true);
		});
		at(400, () => second.head(200));
		at(500, () => {
			second.ended(null);
			call.answered(200);
			a.ended("ok");
			trail.last = a;
		});
		const b = trail.step("b", [], null, 0) as StepTrail;
		at(250, () => {
			b.started();
			b.call(called);
		});
		at(500, () => {
			b.calls[0]?.answered(200);
			b.ended("ok");
			trail.close();
		});
		const end = detailOf(
			{
				...{ trail, durationMs: 500, error: null, missing: [], writes: [] },
				...{ requestId: "a", method: "GET", route: "GET /x", status: 200 },
				outlived: false,
				parts: null,
			},
			500,
		);
		const columns = 3 + 2 + 50 + 2 + 8 + 2 + 3 + 1;
		assert.equal(
			printChart(end, { ...options, columns }),
			[
				`* a  ${"░".repeat(10)}${"▒".repeat(10)}${"█".repeat(10)}${"▚".repeat(10)}${"▓".repeat(10)}  0–500 ms  200`,
				`  b  ${"·".repeat(25)}${"≈".repeat(25)}  0–500 ms  200`,
				"█upstream ▓body ▚hedge ▒connects ░place ≈kept ·waits *critical",
				"answered after 500 ms",
			].join("\n"),
		);
	});

	it("has a row for each item, for what never began, and for what was cut", async () => {
		const end = await endOf(
			{
				steps: {
					all: {
						each: "${[1, 2]}",
						as: "n",
						get: "users/${n}",
						optional: true,
					},
					bad: { get: "users/bad" },
					after: { get: "users/after", query: { a: "${all}" } },
				},
				respond: ["${after}", "${bad}"],
			},
			{
				"/1": { json: 1, afterMs: 500 },
				"/2": { json: 1, afterMs: 50 },
				"/bad": { status: 500, afterMs: 100 },
			},
		);
		const rows = printChart(end, options)
			.split("\n")
			.map((line) =>
				line
					.slice(2)
					.replaceAll(/[█·-]+/g, "")
					.split(/ {2,}/),
			);
		const told = new Map(rows.map(([name, ...row]) => [name, row.at(-1)]));
		assert.equal(told.get("all[0]"), "cut");
		assert.equal(told.get("all[1]"), "200");
		assert.equal(told.get("bad"), "upstream_status");
		assert.equal(told.get("after"), "never begun");
	});

	it("colours by how a step ended, and only if colours are wanted", async () => {
		const end = await endOf(weather, replies);
		const chart = printChart(end, { ...options, colour: true });
		assert.match(chart, /\x1b\[32m█/);
		assert.match(chart, /\x1b\[33mupstream_status, filled in/);
		assert.match(chart, /\x1b\[90mskipped|\x1b\[90m/);
		assert.ok(!printChart(end, options).includes("\x1b"));
	});

	it("stays readable with many items, long names and a tiny terminal", async () => {
		const items = Array.from({ length: 100 }, (_, at) => at);
		const name = "long".repeat(15);
		const end = await endOf(
			{
				steps: { [name]: { each: items, as: "n", get: "users/a" } },
				respond: `\${${name}}`,
			},
			() => ({ json: 1, afterMs: 10 }),
		);
		const lines = printChart(end, { ...options, columns: 20 }).split("\n");
		assert.equal(lines[40], "and 61 more");
		assert.ok(lines.every((line) => [...line].length < 70));
		assert.match(lines[1] ?? "", /long…\[0\]/);
	});
});
