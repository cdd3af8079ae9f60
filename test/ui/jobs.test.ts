import assert from "node:assert/strict";
import { test } from "node:test";
import { jobsWords } from "../../ui/src/jobs.ts";

test("jobs are told by what an operator does about them", () => {
	const counts = { queued: 2, running: 4, done: 15, failed: 1, interrupted: 1 };
	assert.equal(
		jobsWords({ counts, running: 1 }),
		"2 queued, 4 running, 17 kept, 2 of them failed; 1 job runs here",
	);
	assert.equal(
		jobsWords({ counts: null, running: 0 }),
		"cannot be counted now; 0 jobs run here",
	);
});
