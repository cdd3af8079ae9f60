import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { storeWords } from "../../ui/src/store.ts";

const up = {
	state: "up",
	reason: null,
	forMs: 2_000,
	calls: { answered: 0, slow: 0, failed: 0 },
	local: { limits: 0, answers: 0 },
} as const;

describe("the shared store on the page", () => {
	it("says how long it has been up, and what came of its calls", () => {
		assert.deepEqual(storeWords(up), {
			tone: "good",
			text: "up for 2 s; not asked yet",
		});
		const calls = { answered: 1, slow: 0, failed: 0 };
		assert.match(
			storeWords({ ...up, calls }).text,
			/; 1 call since the start, 0 late, 0 failed$/,
		);
	});

	it("says that it is away, why, and what was decided alone", () => {
		const { tone, text } = storeWords({
			...up,
			state: "away",
			reason: "full",
			calls: { answered: 7, slow: 2, failed: 1 },
			local: { limits: 30, answers: 0, channels: 4 },
		});
		assert.equal(tone, "bad");
		assert.match(
			text,
			/^away for 2 s \(full\): each process is alone; 10 calls since the start, 2 late, 1 failed; alone: 30 of limits, 4 of channels$/,
		);
	});

	it("says that it was not reached yet", () => {
		const { tone, text } = storeWords({ ...up, state: "connecting" });
		assert.equal(tone, "warning");
		assert.match(text, /^not reached yet/);
	});
});
