import assert from "node:assert/strict";
import { test } from "node:test";
import type { Slice } from "../../bench/load.ts";
import { interleave } from "../../bench/rounds.ts";

const slice = (cpuUs: number): Slice => ({
	cpuUs,
	requests: 1,
	perSecond: 1,
	p50Us: 1,
	p99Us: 1,
});

test("every contender runs once a round, and each round begins with the next one", async () => {
	const order: string[] = [];
	await interleave(["a", "b", "c"], 4, async (name) => {
		order.push(name);
		return slice(1);
	});
	assert.equal(order.join(""), "abcbcacababc");
});

test("a contender's slices are in the order of the rounds", async () => {
	const samples = await interleave(["a", "b"], 3, async (name, round) =>
		slice(round * 10 + (name === "a" ? 1 : 2)),
	);
	const cpu = samples.get("b")?.map(({ cpuUs }) => cpuUs);
	assert.deepEqual(cpu, [2, 12, 22]);
});

test("a slice that fails ends the rounds", async () => {
	let runs = 0;
	const failing = interleave(["a", "b"], 9, async () => {
		if (++runs === 3) throw new Error("the gateway died");
		return slice(1);
	});
	await assert.rejects(failing, /the gateway died/);
	assert.equal(runs, 3);
});
