import assert from "node:assert/strict";
import { test } from "node:test";
import { LoopTurn } from "../../src/tasks/loop-turn.ts";
import { computing } from "../kit/blocked.ts";
import { slowness } from "../kit/slowness.ts";

const turnMax = 200_000;

/** A piece of computing that takes so much of a turn. */
async function piece(turn: LoopTurn, takes: number): Promise<void> {
	if (!turn.hasTimeFor()) await turn.later("client");
	turn.spent += takes;
}

test("lets pieces compute at once until a turn is spent", async () => {
	const turn = new LoopTurn();
	assert.ok(turn.hasTimeFor());
	turn.spent = turnMax - 1;
	assert.ok(turn.hasTimeFor());
	assert.ok(!turn.hasTimeFor(1));
	turn.spent = turnMax;
	assert.ok(!turn.hasTimeFor());
});

test("begins anew with each turn of the loop", async () => {
	const turn = new LoopTurn();
	turn.spent = turnMax - 1;
	assert.ok(turn.hasTimeFor());
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

test("lets nobody overtake those who wait", async () => {
	const turn = new LoopTurn();
	const first = turn.later("client");
	assert.ok(!turn.hasTimeFor());
	await first;
	assert.ok(turn.hasTimeFor());
});

test("lets begun work go on while new work waits", async () => {
	const turn = new LoopTurn();
	const begun = turn.beginLater("client");
	assert.ok(turn.waited);
	turn.spent = turnMax - 1;
	assert.ok(turn.hasTimeFor());
	assert.ok(!turn.hasTimeFor(1));
	const piece = turn.later("client");
	assert.ok(!turn.hasTimeFor());
	await Promise.all([begun, piece]);
	assert.ok(turn.hasTimeFor());
});

test("lets clients follow each other", async () => {
	const turn = new LoopTurn();
	const order: string[] = [];
	await Promise.all(
		["a1", "a2", "a3", "b1", "c1", "b2"].map(async (name) => {
			await turn.later(name.slice(0, 1));
			order.push(name);
			turn.spent += turnMax;
		}),
	);
	assert.deepEqual(order, ["a1", "b1", "c1", "a2", "b2", "a3"]);
});

test("tells a client with many pieces of their wait, and no other", async () => {
	let nowMs = 0;
	const turn = new LoopTurn(() => nowMs);
	assert.equal(turn.waitOf("few"), 0);
	const pieces = Array.from({ length: 20 }, async () => {
		await turn.later("many");
		assert.equal(turn.waitOf("few"), 0);
		nowMs += 10;
		turn.spent += turnMax;
	});
	nowMs = 100;
	assert.equal(turn.waitOf("few"), 100);
	await pieces[9];
	assert.equal(turn.waitOf("many"), 200);
	assert.equal(turn.waitOf("few"), 0);
	await Promise.all(pieces);
	assert.equal(turn.waitOf("many"), 0);
});

test("lets the client go on whose pieces have taken the least time", async () => {
	const turn = new LoopTurn();
	const order: string[] = [];
	const compute = async (name: string, ms: number) => {
		await turn.later(name.slice(0, 1));
		order.push(name);
		const beganMs = performance.now();
		while (performance.now() - beganMs < ms);
	};
	await Promise.all([
		...["a1", "a2", "a3"].map((name) => compute(name, 30)),
		...["b1", "b2", "b3", "b4"].map((name) => compute(name, 0)),
	]);
	assert.deepEqual(order, ["a1", "b1", "b2", "b3", "b4", "a2", "a3"]);
});

test("lets a client that comes go on before one that has taken much", async () => {
	const turn = new LoopTurn();
	const order: string[] = [];
	const much = ["a1", "a2", "a3", "a4"].map(async (name) => {
		await turn.later("a");
		order.push(name);
		turn.spent += turnMax;
	});
	await much[1];
	await turn.later("b");
	order.push("b1");
	await Promise.all(much);
	assert.equal(order.indexOf("b1"), 2);
});

test("lets a client's new work and its other pieces go on in turn", async () => {
	const turn = new LoopTurn();
	const order: string[] = [];
	await Promise.all(
		["1", "2", "3"].map(async (name) => {
			await turn.beginLater("client");
			order.push(`begin ${name}`);
			await turn.later("client");
			order.push(`middle ${name}`);
			await turn.later("client");
			order.push(`end ${name}`);
		}),
	);
	assert.deepEqual(order, [
		...["begin 1", "middle 1"],
		...["begin 2", "end 1"],
		...["begin 3", "middle 2", "middle 3", "end 2", "end 3"],
	]);
});

test("tells everybody of the wait of those who have come and had nothing yet", async () => {
	let nowMs = 0;
	const turn = new LoopTurn(() => nowMs);
	const crowd = Array.from({ length: 20 }, async (_, at) => {
		await turn.later(`client ${at}`);
		nowMs += 10;
		turn.spent += turnMax;
	});
	await crowd[4];
	assert.equal(turn.waitOf("another"), 50);
	await Promise.all(crowd);
	assert.equal(turn.waitOf("another"), 0);
});

test("lets no more go on in a turn that has taken long by what nobody counts", async () => {
	const turn = new LoopTurn();
	const turns: string[][] = [];
	let looking = true;
	const look = () => {
		turns.push([]);
		if (looking) setImmediate(look);
	};
	look();
	await Promise.all(
		["a", "b", "c", "d"].map(async (name) => {
			await turn.later(name);
			turns.at(-1)?.push(name);
			const beganMs = performance.now();
			while (performance.now() - beganMs < 6);
		}),
	);
	looking = false;
	assert.deepEqual(
		turns.filter((names) => names.length > 0),
		[["a"], ["b"], ["c"], ["d"]],
	);
});

test("takes a crowd of clients in a time that grows as the crowd does", async () => {
	const turn = new LoopTurn();
	const slow = slowness();
	const computed = computing();
	const crowd = Array.from({ length: 10_000 }, (_, at) => turn.later(`${at}`));
	await Promise.all(crowd);
	const tookMs = computed();
	assert.ok(tookMs < 400 * slow, `${tookMs} ms`);
});
