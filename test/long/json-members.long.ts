import assert from "node:assert/strict";
import { test } from "node:test";
import { compareSpoiled } from "../core/spoiled-json.ts";

test("members of 400,000 spoiled documents are the values that the whole has", (t) => {
	const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
	t.diagnostic(`SEED=${seed}`);
	const seen = compareSpoiled(400_000, seed);
	for (const [word, times] of seen) t.diagnostic(`${times} ${word}`);
	assert.ok((seen.get("as the reader") ?? 0) > 80_000);
});
