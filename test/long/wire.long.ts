import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "../upstream/parser/answers.ts";
import { compareSpoiled } from "../upstream/parser/compare.ts";

test("1,000,000 spoiled answers are read as undici reads them, or refused where that is listed", async (t) => {
	const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
	t.diagnostic(`SEED=${seed}`);
	const seen = await compareSpoiled(1_000_000, createRandom(seed));
	for (const [word, times] of seen) t.diagnostic(`${times} ${word}`);
	assert.ok((seen.get("same answer") ?? 0) > 100_000);
});
