import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loseAndComeBack } from "./losing.ts";

describe("clients that lose their connection at random", () => {
	for (const seed of [1, 2, 3]) {
		it(`hear every message once and in order, or exactly what is lost (${seed})`, async () => {
			const all = await loseAndComeBack({
				...{ clients: 60, messages: 3_000, seed, cutting: 0.02 },
			});
			// Each of these has happened, or the test has tried nothing.
			assert.ok(all.cuts > 100, `${all.cuts} cuts`);
			assert.ok(all.lost > 100, `${all.lost} lost`);
			assert.ok(all.slow > 3, `${all.slow} too slow`);
			assert.equal(all.heard + all.lost, 60 * 3_000);
		});
	}
});
