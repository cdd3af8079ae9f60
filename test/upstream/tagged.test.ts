import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "./answers.ts";
import { exchangeTagged } from "./tagged.ts";

test("no answer is given to another request in 2,000 exchanges that break off and are given up anywhere", async (t) => {
	const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
	t.diagnostic(`SEED=${seed}`);
	const ends = await exchangeTagged(2_000, createRandom(seed));
	// All of the three must have happened for the test to say anything.
	assert.ok(ends.answered > 500 && ends.failed > 50 && ends.aborted > 50);
});
