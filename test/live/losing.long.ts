import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loseAndComeBack } from "./losing.ts";

describe("a thousand clients that lose their connection at random", () => {
	it("hear each of 20,000 messages once and in order, or exactly what is lost", async () => {
		const clients = 1_000;
		const messages = 20_000;
		const all = await loseAndComeBack({
			...{ clients, messages, seed: 7, cutting: 0.005 },
		});
		assert.equal(all.heard + all.lost, clients * messages);
		assert.ok(all.cuts > 2_000 && all.lost > 10_000 && all.slow > 100);
	});
});
