import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { toLetGo, type WorkerLoad } from "../../../src/cli/workers/balance.ts";

const loads = (...all: readonly (readonly [number, number])[]): WorkerLoad[] =>
	all.map(([connections, busy]) => ({ connections, busy }));

describe("connections that workers let go", () => {
	it("are half of what the busier one has beyond its share", () => {
		assert.deepEqual(toLetGo(loads([32, 1], [0, 0])), [8, 0]);
		assert.deepEqual(toLetGo(loads([24, 0.9], [8, 0.4])), [4, 0]);
		assert.deepEqual(toLetGo(loads([30, 1], [30, 0.9], [0, 0.1])), [5, 5, 0]);
		assert.deepEqual(toLetGo(loads([2, 1], [0, 0])), [1, 0]);
	});

	it("are none where nobody is busy, all are, or the busy one has no more than its share", () => {
		assert.deepEqual(toLetGo(loads([32, 0.49], [0, 0])), [0, 0]);
		assert.deepEqual(toLetGo(loads([32, 1], [0, 0.76])), [0, 0]);
		assert.deepEqual(toLetGo(loads([16, 1], [16, 0])), [0, 0]);
		assert.deepEqual(toLetGo(loads([8, 1], [24, 0])), [0, 0]);
		assert.deepEqual(toLetGo(loads([1, 1])), [0]);
	});
});
