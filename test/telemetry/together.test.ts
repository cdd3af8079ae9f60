import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { virtualClock } from "../../src/tasks/clock.ts";
import { createTraffic } from "../../src/telemetry/traffic/traffic.ts";
import { Together } from "../../src/telemetry/trail/together.ts";
import { testRoute } from "../kit/gateway.ts";

const numbers = (from: number, to: number) =>
	Array.from({ length: to - from + 1 }, (_, at) => from + at);

describe("what is handed on together", () => {
	it("is so in its order: 32 when another comes, the rest when the loop comes round", async () => {
		const clock = virtualClock();
		const taken: number[][] = [];
		const together = new Together<number>(clock, (all) => taken.push([...all]));
		for (const one of numbers(1, 32)) together.add(one);
		assert.deepEqual(taken, []);
		assert.equal(together.length, 32);
		together.add(33);
		assert.deepEqual(taken, [numbers(1, 32)]);
		await clock.advance(0);
		assert.deepEqual(taken, [numbers(1, 32), [33]]);
		together.handOn();
		together.add(34);
		together.handOn();
		await clock.advance(100);
		assert.deepEqual(taken.slice(2), [[34]]);
		assert.equal(together.length, 0);
	});

	it("may be added to while it is handed on", async () => {
		const clock = virtualClock();
		const taken: number[] = [];
		const together = new Together<number>(clock, (all) => {
			taken.push(...all);
			if (all.includes(1)) together.add(2);
		});
		together.add(1);
		await clock.advance(0);
		await clock.advance(8);
		assert.deepEqual(taken, [1, 2]);
	});
});

describe("requests that have ended", () => {
	it("are in the last requests and their rates for whoever asks right after", async () => {
		const test = testRoute({ respond: 1 });
		const traffic = createTraffic(test.gateway);
		for (const id of ["a", "b"]) await test.ask("/x", { id });
		assert.equal(traffic.recentOfRoute("GET /x").recent.count, 2);
		await test.ask("/x", { id: "c" });
		assert.equal(traffic.newest(), 3);
		await test.ask("/x", { id: "d" });
		assert.equal(traffic.detail("d")?.route, "GET /x");
		await test.ask("/x", { id: "e" });
		assert.equal(traffic.after(4).found.length, 1);
		await test.ask("/x", { id: "f" });
		const heard: number[] = [];
		traffic.listen({
			ended: ({ number }) => heard.push(number) > 0,
			rates: () => {},
		});
		await test.ask("/x", { id: "g" });
		assert.deepEqual(heard, [7]);
		traffic.detach();
	});
});
