import assert from "node:assert/strict";
import { test } from "node:test";
import { printTable } from "../../../src/cli/history-text.ts";
import { keptDetail, keptSummary } from "../../../src/telemetry/history/row.ts";

const row = {
	...{ n: 1, id: "a-request", at_ms: 0, route: "GET /x", status: 200 },
	...{ duration_ms: 1, record: '{"city":"Oslo"}' },
};

test("a row whose trail cannot be read is shown without its steps", () => {
	for (const trail of ['"***"', "null", "[]", '["GET","***"]', "[1,", ""]) {
		const kept = keptSummary({ ...row, trail });
		assert.equal(kept.id, "a-request");
		assert.deepEqual(kept.record, { city: "Oslo" });
		assert.match(printTable([kept], 80), /GET \/x/);
		assert.deepEqual(keptDetail({ ...row, trail }).steps, []);
	}
});
