import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ClientQueue } from "../../src/policy/client-queue.ts";
import { virtualClock } from "../../src/tasks/index.ts";
import { openScope } from "../../src/tasks/scope.ts";

const few = "192.0.2.1";
const many = "192.0.2.2";

function queueOf(...waiters: readonly (readonly [string, string])[]) {
	const clock = virtualClock();
	const queue = new ClientQueue(clock);
	const order: string[] = [];
	const add = (name: string, address: string) => {
		const scope = openScope({ clock });
		queue.wait(address, scope).then(
			() => order.push(name),
			(reason) => order.push(`${name}: ${reason}`),
		);
		return scope;
	};
	for (const [name, address] of waiters) add(name, address);
	return { clock, queue, order, add };
}

describe("a queue that clients share", () => {
	it("gives them turns one after another", async () => {
		const { clock, queue, order } = queueOf(
			["a1", few],
			["a2", few],
			["a3", few],
			["b1", many],
			["c1", "192.0.2.3"],
			["b2", many],
		);
		while (queue.letIn("oldest")) await clock.advance(0);
		assert.deepEqual(order, ["a1", "b1", "c1", "a2", "b2", "a3"]);
		assert.equal(queue.size, 0);
	});

	it("tells a client with many waiters of their wait, and others of the wait for one turn", async () => {
		const { clock, queue } = queueOf(
			...Array.from({ length: 100 }, (_, at) => [`a${at}`, many] as const),
		);
		assert.equal(queue.waitOf(few), 0);
		for (let turn = 0; turn < 50; turn++) {
			await clock.advance(10);
			assert.equal(queue.waitOf(few), 10);
			assert.equal(queue.waitOf(many), 10 * (turn + 1));
			queue.letIn("oldest");
		}
	});

	it("tells everybody of the wait where nobody has a turn", async () => {
		const { clock, queue } = queueOf(["a", many]);
		await clock.advance(300);
		assert.equal(queue.waitOf(few), 300);
		queue.letIn("oldest");
		assert.equal(queue.waitOf(few), 0);
	});

	it("forgets whoever leaves", async () => {
		const { clock, queue, order, add } = queueOf(["a", few]);
		add("b", many).cancel("left");
		await clock.advance(0);
		assert.equal(queue.size, 1);
		assert.equal(queue.letIn("oldest"), true);
		assert.equal(queue.letIn("oldest"), false);
		await clock.advance(0);
		assert.deepEqual(order, ["b: left", "a"]);
	});
});
