import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "../upstream/answers.ts";
import { compareSpoiled } from "../upstream/compare.ts";
import { exchangeTagged } from "../upstream/tagged.ts";

test("1,000,000 spoiled answers are read as undici reads them, or refused where that is listed", async (t) => {
	const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
	t.diagnostic(`SEED=${seed}`);
	const seen = await compareSpoiled(1_000_000, createRandom(seed));
	for (const [word, times] of seen) t.diagnostic(`${times} ${word}`);
	assert.ok((seen.get("same answer") ?? 0) > 100_000);
});

test("no answer is given to another request in 100,000 exchanges that break off and are given up anywhere", async (t) => {
	const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
	t.diagnostic(`SEED=${seed}`);
	const ends = await exchangeTagged(100_000, createRandom(seed));
	t.diagnostic(JSON.stringify(ends));
	assert.ok(ends.answered > 30_000);
});
