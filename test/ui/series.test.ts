import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Rate } from "../../src/telemetry/traffic/rate.ts";
import type { Rates } from "../../src/telemetry/traffic/rates.ts";
import {
	countPoints,
	latencyPoints,
	pointsMax,
	rateNow,
	type Subject,
	withRates,
} from "../../ui/src/series.ts";

const none = { count: 0, partial: 0, errors: 0 };
const noTimes = { p50Ms: null, p95Ms: null, p99Ms: null };
const some: Rate = {
	...{ count: 4, partial: 1, errors: 2 },
	...{ p50Ms: 10, p95Ms: 20, p99Ms: 30 },
};

/** A second in which route `a` had requests, and the next one, in which none had. */
const busy: Rates = {
	at: "2026-01-01T00:00:01Z",
	forMs: 1000,
	requests: some,
	routes: [{ route: "a", ...some }],
	upstreams: [{ upstream: "u", ...some, count: 8, partial: 0 }],
};
const quiet: Rates = {
	at: "2026-01-01T00:00:03Z",
	forMs: 2000,
	requests: { ...none, ...noTimes },
	routes: [],
	upstreams: [],
};
const both = [busy, quiet];
const at = Date.parse(busy.at) / 1000;

describe("the points of a chart", () => {
	it("are counts a second, 0 where nothing happened", () => {
		const all: Subject = { of: "all" };
		assert.deepEqual(countPoints(both, all), [
			...[
				[at, at + 2],
				[4, 0],
				[2, 0],
				[1, 0],
			],
		]);
		const route: Subject = { of: "route", name: "a" };
		assert.deepEqual(countPoints(both, route)[1], [4, 0]);
		const other: Subject = { of: "route", name: "b" };
		assert.deepEqual(countPoints(both, other)[1], [0, 0]);
	});

	it("have no line of partial answers for an upstream", () => {
		const points = countPoints(both, { of: "upstream", name: "u" });
		assert.deepEqual(points.slice(1), [
			[8, 0],
			[2, 0],
		]);
	});

	it("have a gap where nothing took time", () => {
		assert.deepEqual(latencyPoints(both, { of: "all" }).slice(1), [
			...[
				[10, null],
				[20, null],
				[30, null],
			],
		]);
	});

	it("are those of the last five minutes", () => {
		let all: readonly Rates[] = [];
		for (let second = 0; second < pointsMax + 5; second++) {
			all = withRates(all, { ...busy, forMs: second });
			assert.ok(all.length <= pointsMax);
		}
		assert.equal(all.length, pointsMax);
		assert.equal(all[0]?.forMs, 5);
	});

	it("give the rate of now by the time that was counted", () => {
		assert.equal(rateNow(both, { of: "all" }), 4 / 3);
		assert.equal(rateNow([], { of: "all" }), 0);
	});
});
