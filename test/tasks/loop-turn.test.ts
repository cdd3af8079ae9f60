import assert from "node:assert/strict";
import { test } from "node:test";
import { LoopTurn } from "../../src/tasks/loop-turn.ts";

const turnMax = 200_000;

/** A piece of computing that takes so much of a turn. */
async function piece(turn: LoopTurn, takes: number): Promise<void> {
	await turn.next();
	turn.spent += takes;
}

test("lets pieces compute at once until a turn is spent", async () => {
	const turn = new LoopTurn();
	assert.equal(turn.next(), null);
	turn.spent = turnMax - 1;
	assert.equal(turn.next(), null);
	turn.spent = turnMax;
	assert.ok(turn.next() instanceof Promise);
	assert.ok(turn.waited);
});

test("begins anew with each turn of the loop", async () => {
	const turn = new LoopTurn();
	turn.spent = turnMax - 1;
	assert.equal(turn.next(), null);
	await new Promise((resolve) => setImmediate(resolve));
	assert.equal(turn.spent, 0);
});

test("lets those who wait compute in the order they came, a turn's worth in each turn", async () => {
	const turn = new LoopTurn();
	turn.spent = turnMax;
	const turns: number[][] = [];
	let looking = true;
	const look = () => {
		turns.push([]);
		if (looking) setImmediate(look);
	};
	look();
	await Promise.all(
		Array.from({ length: 8 }, async (_, index) => {
			await piece(turn, turnMax / 3);
			turns.at(-1)?.push(index);
		}),
	);
	looking = false;
	assert.deepEqual(
		turns.filter((begun) => begun.length > 0),
		[
			[0, 1, 2],
			[3, 4, 5],
			[6, 7],
		],
	);
});

test("lets timers and immediates in between", async () => {
	const turn = new LoopTurn();
	const events: string[] = [];
	turn.spent = turnMax;
	const pieces = (async () => {
		for (let index = 0; index < 3; index++) await piece(turn, turnMax);
		events.push("computed");
	})();
	setImmediate(() => events.push("another"));
	await pieces;
	assert.deepEqual(events, ["another", "computed"]);
});
