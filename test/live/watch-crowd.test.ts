import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isStream } from "../../src/core/body/byte-stream.ts";
import { RequestMemory } from "../../src/core/memory.ts";
import { openScope, type Scope } from "../../src/tasks/scope.ts";
import { testRoute } from "../kit/gateway.ts";

const count = 3_000;

describe("three thousand who watch", () => {
	it("are told in many turns of the loop, and each in the end", async () => {
		let run = 0;
		const kit = testRoute(
			{
				live: { every: "10s", watchers: count },
				steps: { a: { get: "users/a" } },
			},
			() => ({ json: run++ }),
		);
		const { gateway, clock } = kit;
		/** How many were told since the loop came round. */
		let turn = 0;
		let most = 0;
		const told = new Array<number>(count).fill(0);
		const scopes: Scope[] = [];
		const read = async (at: number) => {
			const scope = openScope({ clock });
			scopes.push(scope);
			const { body } = await gateway.handle(
				{
					...{ id: "crowd", method: "GET", target: "/x", ip: "127.0.0.1" },
					headers: ["accept", "text/event-stream"],
					arrivedMs: clock.now(),
					memory: new RequestMemory(gateway.memory),
					readBody: async () => new Uint8Array(),
					streamBody: () => null,
				},
				scope,
			);
			assert.ok(isStream(body));
			for await (const _ of body) {
				turn++;
				told[at] = (told[at] ?? 0) + 1;
			}
		};
		const all = Promise.all(told.map((_, at) => read(at)));
		const countTurns = () => {
			most = Math.max(most, turn);
			turn = 0;
			if (told.some((times) => times < 2)) setImmediate(countTurns);
		};
		await clock.advance(0);
		assert.equal(
			told.findIndex((times) => times !== 1),
			-1,
		);
		countTurns();
		turn = 0;
		most = 0;
		await clock.advance(10_000);
		most = Math.max(most, turn);
		assert.equal(
			told.findIndex((times) => times !== 2),
			-1,
		);
		// At 30 µs for each, that is 20 ms.
		assert.ok(most <= 700, `${most} in one turn`);
		assert.ok(most > 100, `${most} in one turn`);
		assert.equal(kit.calls.length, 2);
		for (const scope of scopes) scope.cancel("left");
		await assert.rejects(all, (reason) => reason === "left");
	});
});
