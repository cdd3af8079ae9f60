import assert from "node:assert/strict";
import sqlite from "node:sqlite";
import { describe, test } from "node:test";
import type { HistoryQuery } from "../../../src/telemetry/history/messages.ts";
import { everything, keptGateway } from "../../kit/history.ts";

describe("the search in a history", () => {
	test("finds what the filter says, the newest first", async () => {
		await using kept = keptGateway();
		await kept.ask("/whole/Oslo");
		await kept.ask("/partial");
		await kept.ask("/failed");
		await kept.history.close();
		await using again = keptGateway({ file: kept.file });
		const found = async (filter: Partial<HistoryQuery>) => {
			const page = await again.history.search({ ...everything, ...filter });
			return page.requests.map(({ route }) => route?.slice(5)).join(" ");
		};
		const expected: [Partial<HistoryQuery>, string][] = [
			[{}, "failed partial whole/{id}"],
			[{ route: "GET /partial" }, "partial"],
			[{ route: "GET /part" }, ""],
			[{ upstream: "orders" }, "failed"],
			[{ upstream: "users" }, "failed partial"],
			[{ completeness: "whole" }, "whole/{id}"],
			[{ status: [200, 299] }, "partial whole/{id}"],
			[{ status: [502, 502] }, "failed"],
			[{ slowMs: 0 }, "failed partial whole/{id}"],
			[{ slowMs: 60_000 }, ""],
			[{ error: "upstream_unreachable" }, "failed partial"],
			[{ error: "upstream_unreachable", step: "user" }, "partial"],
			[{ step: "order" }, "failed"],
			[{ sinceMs: Date.now() - 60_000 }, "failed partial whole/{id}"],
			[{ sinceMs: Date.now() + 1 }, ""],
		];
		for (const [filter, routes] of expected) {
			assert.equal(await found(filter), routes, JSON.stringify(filter));
		}
	});

	test("gives summaries with the author's columns, and one request in full", async () => {
		await using kept = keptGateway();
		await kept.ask("/whole/Oslo");
		await kept.ask("/partial");
		await kept.history.close();
		await using again = keptGateway({ file: kept.file });
		const { requests } = await again.history.search(everything);
		const [partial, whole] = requests;
		assert.deepEqual(whole?.record, { city: "Oslo" });
		assert.equal(partial?.record, null);
		assert.ok(partial && !("steps" in partial));
		const detail = await again.history.detail(partial.id.slice(0, 8));
		assert.equal(detail?.id, partial.id);
		assert.deepEqual(
			detail?.steps.map(({ path }) => path),
			["user"],
		);
		assert.equal(await again.history.detail("none"), null);
	});

	test("goes on from page to page, also over rows that were dropped", async () => {
		await using kept = keptGateway();
		await kept.ask("/whole/1");
		await kept.history.close();
		fill(kept.file, 20_000);
		await using again = keptGateway({ file: kept.file });
		const seen: string[] = [];
		let before: number | null = null;
		let pages = 0;
		do {
			const page = await again.history.search({
				...everything,
				limit: 150,
				route: "GET /rare",
				before,
			});
			seen.push(...page.requests.map(({ id }) => id));
			before = page.next === null ? null : Number(page.next);
			pages++;
		} while (before !== null);
		assert.equal(seen.length, 199);
		assert.equal(new Set(seen).size, 199);
		assert.equal(seen[0], "id-19999");
		assert.ok(pages >= 2 && pages < 10, String(pages));
	});
});

/** Rows of which each hundredth is of a rare route; the first 100 are gone. */
function fill(file: string, count: number): void {
	const db = new sqlite.DatabaseSync(file);
	db.exec(`BEGIN;
WITH RECURSIVE row (value) AS (SELECT 100 UNION ALL SELECT value + 1 FROM row WHERE value < ${count - 1})
INSERT INTO request (n, id, at_ms, route, status, duration_ms, completeness, trail)
SELECT value, 'id-' || value, 1000 * value, iif(value % 100 = 99, 'GET /rare', 'GET /x'), 200, 1, 'whole', '["GET",0,0,0,0,-1,null,[],[],[]]'
FROM row;
DELETE FROM request WHERE n = 1;
COMMIT;`);
	db.close();
}
