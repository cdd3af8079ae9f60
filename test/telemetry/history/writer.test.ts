import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GatewayError } from "../../../src/core/errors.ts";
import type { TrailEnded } from "../../../src/core/events.ts";
import { Secrets } from "../../../src/core/secrets.ts";
import { Trail } from "../../../src/core/trail.ts";
import { virtualClock } from "../../../src/tasks/clock.ts";
import {
	type PackedRows,
	rowsOf,
} from "../../../src/telemetry/history/rows.ts";
import { HistoryWriter } from "../../../src/telemetry/history/writer.ts";

/** A writer on a virtual clock, before a thread that does what the test says. */
function testWriter() {
	const clock = virtualClock();
	const writes: PackedRows[] = [];
	const closes: number[] = [];
	const lines: [string, object][] = [];
	const tell = (fields: object, words: string) => lines.push([words, fields]);
	const thread = {
		write: (rows: PackedRows) => void writes.push(rows),
		close: async (timeoutMs: number) => void closes.push(timeoutMs),
	};
	const log = { info: tell, warn: tell } as unknown as ConstructorParameters<
		typeof HistoryWriter
	>[2];
	const writer = new HistoryWriter(thread, clock, log, new Secrets());
	const take = (count: number, message = "broken") => {
		for (let n = 0; n < count; n++) writer.take(endOf(clock, message));
	};
	/** Takes them in portions that find room before they are made into rows. */
	const takeAll = async (count: number, message?: string) => {
		for (let left = count; left > 0; left -= 1000) {
			take(Math.min(1000, left), message);
			await clock.advance(100);
		}
	};
	const written = () => writer.ended({ kind: "written", fileBytes: 4096 });
	const failed = (fault: "full" | "locked" = "full") =>
		writer.ended({ kind: "failed", fault, message: "no room" });
	return {
		...{ clock, writer, writes, closes, lines },
		...{ take, takeAll, written, failed },
	};
}

function endOf(
	clock: Pick<ReturnType<typeof virtualClock>, "now">,
	message: string,
): TrailEnded {
	const of = { requestId: "a", method: "GET", arrivedMs: clock.now() };
	return {
		...of,
		...{ route: null, status: 500, durationMs: 0, missing: [] },
		error: new GatewayError("step_failed", message),
		...{
			outlived: false,
			parts: null,
			writes: [],
			trail: new Trail(clock, of),
		},
	};
}

describe("the writer of a history", () => {
	test("writes the requests of 50 ms together", async () => {
		const { clock, writer, writes, take, written } = testWriter();
		take(2);
		await clock.advance(49);
		assert.equal(writes.length, 0);
		take(1);
		await clock.advance(1);
		assert.deepEqual(
			writes.map((rows) => rows.count),
			[3],
		);
		assert.equal(writer.state().written, 0);
		written();
		assert.equal(writer.state().written, 3);
		assert.equal(writer.state().fileBytes, 4096);
	});

	test("begins transactions 250 ms apart while requests come, and 50 ms after a request that came alone", async () => {
		const { clock, writer, writes, take, written } = testWriter();
		const counts = () => writes.map((rows) => rows.count);
		take(1);
		await clock.advance(50);
		assert.deepEqual(counts(), [1]);
		written();
		await clock.advance(10);
		take(2);
		await clock.advance(100);
		take(3);
		await clock.advance(139);
		assert.deepEqual(counts(), [1]);
		assert.equal(writer.state().waiting, 5);
		await clock.advance(1);
		assert.deepEqual(counts(), [1, 5]);
		written();
		await clock.advance(250);
		take(1);
		await clock.advance(49);
		assert.deepEqual(counts(), [1, 5]);
		await clock.advance(1);
		assert.deepEqual(counts(), [1, 5, 1]);
	});

	test("writes 500 at once, one transaction after the other", async () => {
		const { clock, writer, writes, take, written } = testWriter();
		take(1000);
		await clock.advance(0);
		assert.equal(writes.length, 1);
		await clock.advance(100);
		assert.deepEqual(
			writes.map((rows) => rows.count),
			[500],
		);
		written();
		assert.deepEqual(
			writes.map((rows) => rows.count),
			[500, 500],
		);
		written();
		assert.deepEqual(writer.state().waiting, 0);
	});

	test("makes no row before the answer, and evaluates what is recorded once", async () => {
		const { clock, writer, writes } = testWriter();
		const end = endOf(clock, "broken");
		let evaluated = 0;
		end.trail.recorded = () => {
			evaluated++;
			return { values: { city: "Oslo" }, faults: 2 };
		};
		writer.take(end);
		end.trail.recorded = null;
		assert.equal(evaluated, 0);
		await clock.advance(50);
		assert.equal(evaluated, 1);
		const [row] = rowsOf(writes[0] as PackedRows);
		assert.equal(row?.at(-1), '{"city":"Oslo"}');
		assert.equal(writer.state().recordFaults, 2);
	});

	test("tries rows that could not be written again each second", async () => {
		const { clock, writer, writes, take, failed, written } = testWriter();
		take(1);
		await clock.advance(50);
		failed();
		take(1);
		await clock.advance(999);
		assert.equal(writes.length, 1);
		await clock.advance(1);
		assert.deepEqual(
			writes.map((rows) => rows.count),
			[1, 2],
		);
		written();
		assert.equal(writer.state().written, 2);
	});

	for (const [count, lost] of [
		[9_999, 0],
		[10_000, 0],
		[10_001, 1],
	] as const) {
		test(`loses ${lost} of ${count} that wait for a file that is full`, async () => {
			const { clock, writer, take, takeAll, failed } = testWriter();
			take(1);
			await clock.advance(50);
			failed();
			await takeAll(count - 1);
			const { dropped, waiting } = writer.state();
			assert.equal(dropped.full, lost);
			assert.equal(waiting, count - lost);
		});
	}

	test("holds no more than 16 MiB", async () => {
		const { writer, takeAll } = testWriter();
		await takeAll(100, "x".repeat(200_000));
		const { dropped, waiting } = writer.state();
		assert.equal(waiting + dropped.queue, 100);
		assert.ok(
			waiting > 70 && waiting <= (16 * 1024 ** 2) / 200_000,
			String(waiting),
		);
	});

	test("holds the values of 32 requests at most, and makes rows of them before another comes", () => {
		const { clock, writer } = testWriter();
		let evaluated = 0;
		const take = () => {
			const end = endOf(clock, "broken");
			end.trail.recorded = () => {
				evaluated++;
				return { values: {}, faults: 0 };
			};
			writer.take(end);
		};
		for (let n = 0; n < 32; n++) take();
		assert.equal(evaluated, 0);
		take();
		assert.equal(evaluated, 32);
		assert.equal(writer.state().waiting, 33);
	});

	test("tells of what is lost once a minute, and of a new fault once", async () => {
		const { clock, lines, take, takeAll, failed } = testWriter();
		take(1);
		await clock.advance(50);
		failed();
		failed();
		assert.deepEqual(lines, [
			[
				"the history cannot be written now",
				{ reason: "full", message: "no room" },
			],
		]);
		await takeAll(9_999);
		take(2);
		await clock.advance(100);
		const lost = "requests are missing in the history";
		assert.deepEqual(lines[1], [lost, { count: 2, reason: "full" }]);
		await takeAll(3);
		assert.equal(lines.length, 2);
		await clock.advance(60_000);
		assert.deepEqual(lines[2], [lost, { count: 3, reason: "full" }]);
		await clock.advance(600_000);
		assert.equal(lines.length, 3);
	});

	test("writes at the end what waits, and counts what cannot be written within two seconds", async () => {
		const { clock, writer, writes, closes, take, written, failed } =
			testWriter();
		take(700);
		const closing = writer.close();
		assert.deepEqual(
			writes.map((rows) => rows.count),
			[500],
		);
		written();
		failed("locked");
		await clock.advance(2000);
		await closing;
		const { dropped, waiting } = writer.state();
		assert.deepEqual(
			[dropped.locked, waiting, writer.state().written],
			[200, 0, 500],
		);
		assert.deepEqual(closes, [100]);
		assert.equal(clock.pending, 0);
	});

	test("tells what is lost because the gateway ended, and nothing of its thread's end after that", async () => {
		const { clock, writer, lines, take } = testWriter();
		take(2);
		const closing = writer.close();
		await clock.advance(2000);
		await closing;
		const message = "its thread has ended";
		writer.ended({ kind: "failed", fault: "unwritable", message });
		assert.deepEqual(lines, [
			["requests are missing in the history", { count: 2, reason: "closed" }],
		]);
		assert.equal(clock.pending, 0);
	});

	test("tells of each reason for which requests are lost", async () => {
		const { clock, writer, lines, take, takeAll, failed } = testWriter();
		await takeAll(10_001);
		failed();
		take(2);
		await clock.advance(60_000);
		const lost = "requests are missing in the history";
		assert.deepEqual(
			lines.filter(([words]) => words === lost),
			[
				[lost, { count: 1, reason: "queue" }],
				[lost, { count: 2, reason: "full" }],
			],
		);
		const closing = writer.close();
		await clock.advance(2000);
		await closing;
	});
});
