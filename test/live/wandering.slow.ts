import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startStore, withoutStore } from "../kit/store.ts";
import { type Harm, wander } from "./wandering.ts";

describe("clients that wander among gateways that share a store", {
	skip: withoutStore(),
}, () => {
	for (const [words, harms] of [
		["is well", []],
		["is stopped, full and cut off", ["stopped", "full", "cut"]],
		["is killed, too", ["killed", "stopped", "full", "cut"]],
	] as [string, Harm[]][]) {
		it(`hear every message once and in order, or that some are lost, while the store ${words}`, async (context) => {
			await using store = await startStore();
			const all = await wander({ store, seed: 1, rounds: 40, harms });
			context.diagnostic(JSON.stringify(all));
			assert.ok(all.shared > 10 && all.moves > 20 && all.restarts > 0);
			if (harms.length > 0) assert.ok(all.apart > 0 && all.gaps > 0);
		});
	}
});
