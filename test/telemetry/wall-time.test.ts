import assert from "node:assert/strict";
import { afterEach, describe, it, mock } from "node:test";
import { WallTime } from "../../src/telemetry/trail/wall-time.ts";

/** Two clocks that are moved by hand; the wall clock shows whole milliseconds. */
function clocks() {
	const state = { nowMs: 5, wallMs: 1_000_000.9 };
	mock.method(Date, "now", () => Math.floor(state.wallMs));
	const wall = new WallTime({ now: () => state.nowMs });
	return {
		wall,
		pass(ms: number) {
			state.nowMs += ms;
			state.wallMs += ms;
		},
		set(ms: number) {
			state.wallMs += ms;
		},
		now: () => state.nowMs,
	};
}

describe("the wall clock's time of an instant", () => {
	afterEach(() => mock.restoreAll());

	it("never goes back, however often the clocks are compared", () => {
		const { wall, pass, now } = clocks();
		let last = 0;
		for (let count = 0; count < 10_000; count++) {
			pass((count * 7) % 1.3);
			if (count % 3 === 0) wall.compare();
			const time = wall.at(now());
			assert.ok(time >= last, `${time} came after ${last}`);
			assert.ok(Math.abs(time - Date.now()) <= 1);
			last = time;
		}
	});

	it("follows a wall clock that is set on, and one that is set back", () => {
		for (const ms of [3_600_000, -3_600_000, 3, -3.5]) {
			const { wall, pass, set, now } = clocks();
			wall.compare();
			set(ms);
			pass(1);
			wall.compare();
			assert.ok(Math.abs(wall.at(now()) - Date.now()) <= 2, `${ms}`);
			mock.restoreAll();
		}
	});

	it("is that of an instant which is past", () => {
		const { wall, pass, now } = clocks();
		wall.compare();
		const instant = now();
		const before = Date.now();
		pass(250);
		wall.compare();
		assert.ok(Math.abs(wall.at(instant) - before) <= 1);
	});
});
