import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { widthOf } from "../../src/cli/columns.ts";
import { printCsv, printKept, printTable } from "../../src/cli/history-text.ts";
import type {
	KeptDetail,
	KeptSummary,
} from "../../src/telemetry/history/messages.ts";

const whole: KeptSummary = {
	id: "3f2a91c0-1111-2222-3333-444455556666",
	at: "2026-11-29T15:03:05.123Z",
	...{ method: "GET", route: "GET /weather", status: 200, durationMs: 812.34 },
	...{
		completeness: "whole",
		outlived: false,
		parts: null,
		error: null,
		missing: [],
	},
	...{ writes: [], calls: 2 },
	slowest: { step: "cities", index: [3], durationMs: 700.5 },
	record: { city: "Нижний Новгород", sky: null, hot: false },
};
const unreached = {
	code: "upstream_unreachable",
	message: "no answer",
} as const;
const partial: KeptSummary = {
	...whole,
	completeness: "partial",
	missing: [
		{ step: "cities", index: [1], error: unreached, stale: false },
		{ step: "sky", index: [], error: unreached, stale: true },
	],
};
const failed: KeptSummary = {
	...whole,
	...{ status: 502, completeness: "failed", record: null, slowest: null },
	error: { ...unreached, step: "now" },
};
const nowhere: KeptSummary = {
	...failed,
	...{ method: null, route: null, status: 404, calls: 0 },
	error: { code: "route_not_found", message: null },
};

describe("the table of kept requests", () => {
	it("says of each when it was, what it recorded, and what went wrong", () => {
		assert.equal(
			printTable([whole, partial, failed, nowhere], 80),
			`at (UTC)        id        ms   status  request
11-29 15:03:05  3f2a91c0  812  200     GET /weather
                                       city="Нижний Новгород" hot=false
11-29 15:03:05  3f2a91c0  812  200     GET /weather
                                       city="Нижний Новгород" hot=false
                                       without cities[1]: upstream_unreachable
                                       stale sky: upstream_unreachable
11-29 15:03:05  3f2a91c0  812  502     GET /weather
                                       failed: now: upstream_unreachable
11-29 15:03:05  3f2a91c0  812  404     no route
                                       failed: route_not_found`,
		);
	});

	it("stays in 80 columns and obeys nothing, whatever is recorded", () => {
		const values = ["x".repeat(500), "\u001b[31m\nred", "a b".repeat(90)];
		const requests = values.map((city) => ({
			...partial,
			id: `\u001b]0;${city}`,
			record: { city, [city.slice(0, 3)]: city },
		}));
		const table = printTable(requests, 80);
		assert.doesNotMatch(table, /[\u001b\r]/);
		for (const line of table.split("\n")) assert.ok(widthOf(line) <= 80, line);
	});
});

describe("kept requests as CSV", () => {
	it("have a line of names, the author's columns, and quotes where they must be", () => {
		const parts = { face: "ndjson", firstMs: 12.5 } as const;
		const odd = { ...whole, parts, record: { city: 'a,"b"\nc', n: 1.5 } };
		assert.deepEqual(printCsv([odd, failed]).split("\r\n"), [
			"at,id,method,route,status,duration_ms,completeness,code,faults,calls,slowest,slowest_ms,face,first_part_ms,city,n",
			'2026-11-29T15:03:05.123Z,3f2a91c0-1111-2222-3333-444455556666,GET,GET /weather,200,812.34,whole,,,2,cities[3],700.5,ndjson,12.5,"a,""b""\nc",1.5',
			"2026-11-29T15:03:05.123Z,3f2a91c0-1111-2222-3333-444455556666,GET,GET /weather,502,812.34,failed,upstream_unreachable,,2,,,,,,",
			"",
		]);
	});

	it("run no formula in a spreadsheet", () => {
		for (const text of ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]) {
			const record = { city: text, number: -1 };
			const [, line = ""] = printCsv([{ ...whole, record }]).split(/\r\n(?!=)/);
			const cells = line.slice(line.indexOf("700.5,,,") + 8);
			assert.match(cells, /^"?'/, JSON.stringify(text));
			assert.match(cells, /,-1$/);
		}
	});
});

describe("one kept request", () => {
	it("is shown with its values, its faults and its calls", () => {
		const step = {
			...{ path: "now", index: [], after: null, end: "failed" },
			...{ readyMs: 0, startedMs: 0, endedMs: 800, error: unreached },
			...{ waits: [], calls: [] },
			segments: [{ fromMs: 0, toMs: 800, spent: "upstream" }],
		};
		const detail = {
			...{ ...failed, record: { city: "Oslo", sky: null } },
			parts: { face: "events", firstMs: 12.5 },
			...{ readMs: 0, begunMs: 0, steps: [step], more: 0, criticalPath: [] },
		} as unknown as KeptDetail;
		assert.equal(
			printKept(detail, { columns: 60, colour: false }),
			`id        3f2a91c0-1111-2222-3333-444455556666
at        2026-11-29T15:03:05.123Z
request   GET /weather
status    502
city      Oslo
sky       null
in parts  events, the first after 13 ms
failed    now: upstream_unreachable: no answer

  now  ████████████████████  0–800 ms  upstream_unreachable
█upstream *critical
answered after 812 ms`,
		);
	});
});
