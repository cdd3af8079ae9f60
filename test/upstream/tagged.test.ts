import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "./http1/answers.ts";
import { exchangeTagged } from "./tagged.ts";

test("no answer is given to another request in 4,000 exchanges that break off and are given up anywhere", async (t) => {
	const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
	t.diagnostic(`SEED=${seed}`);
	const ends = await exchangeTagged(4_000, createRandom(seed));
	// All of the three must have happened for the test to say anything.
	assert.ok(ends.answered > 1_000 && ends.failed > 100 && ends.aborted > 100);
});
