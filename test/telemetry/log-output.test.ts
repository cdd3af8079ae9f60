import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { shown } from "../../src/core/shown.ts";
import { virtualClock } from "../../src/tasks/clock.ts";
import { createLog } from "../../src/telemetry/log/log.ts";
import { writeLine } from "../../src/telemetry/log/log-line.ts";
import { LogOutput } from "../../src/telemetry/log/log-output.ts";
import { JsonBytes } from "../../src/telemetry/trail/json-bytes.ts";
import { folderWith } from "../kit/cli.ts";

/** Writes of the system end when they end, whatever the virtual clock says. */
async function until(holds: () => boolean): Promise<void> {
	while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

async function turns(): Promise<void> {
	for (let count = 0; count < 20; count++) {
		await new Promise((resolve) => setImmediate(resolve));
	}
}

describe("lines of the log", () => {
	it("are one write in a tenth of a second, and a line after a pause is written at once", async () => {
		using folder = folderWith({ log: "" });
		const path = join(folder.path, "log");
		const fd = openSync(path, "a");
		const clock = virtualClock();
		const output = new LogOutput(fd, clock, () => {});
		const written = () => readFileSync(path, "utf8");
		await clock.advance(1_000);
		output.write("1\n");
		await clock.advance(9);
		await turns();
		assert.equal(written(), "");
		await clock.advance(1);
		await until(() => written() === "1\n");
		await turns();
		for (const line of ["2\n", "3\n", "4\n"]) {
			output.write(line);
			await clock.advance(33);
			await turns();
			assert.equal(written(), "1\n");
		}
		await clock.advance(1);
		await until(() => written() === "1\n2\n3\n4\n");
		await turns();
		// As much as one write takes waits for no time.
		const long = `${"x".repeat(64 * 1024)}\n`;
		output.write(long);
		await until(() => written().endsWith(long));
		closeSync(fd);
	});

	it("that were put off come before any other line, before the next write, and have the time of what they tell", async () => {
		using folder = folderWith({ log: "" });
		const path = join(folder.path, "log");
		const fd = openSync(path, "a");
		const clock = virtualClock();
		const log = createLog(clock, { fd, format: "json", colour: false });
		// A read may see the half of a write that is under way: what has no end is no line yet.
		const told = () =>
			readFileSync(path, "utf8")
				.split("\n")
				.slice(0, -1)
				.map((line) => JSON.parse(line) as { msg: string; time: string });
		const words = () => told().map(({ msg }) => msg);
		await clock.advance(1_000);
		log.putOff(() => log.info({}, "put off", 1_000));
		log.info({}, "at once");
		await clock.advance(10);
		await until(() => words().length === 2);
		assert.deepEqual(words(), ["put off", "at once"]);
		assert.equal(told()[0]?.time, "1970-01-01T00:00:01.000Z");
		// The write is over for the disk, but not yet for the log.
		log.putOff(() => log.info({}, "meanwhile"));
		await turns();
		await clock.advance(99);
		await turns();
		assert.equal(words().length, 2);
		await clock.advance(1);
		await until(() => words().length === 3);
		// As much as several writes take.
		log.putOff(() => {
			for (let count = 0; count < 3; count++) {
				log.info({ long: "x".repeat(64 * 1024) }, `long ${count}`);
			}
		});
		await turns();
		await clock.advance(100);
		await until(() => words().length >= 4);
		await turns();
		await clock.advance(100);
		await until(() => words().length === 6);
		assert.deepEqual(words().slice(3), ["long 0", "long 1", "long 2"]);
		log.putOff(() => log.info({}, "last"));
		await log.close();
		assert.equal(words().at(-1), "last");
		assert.equal(words().length, 7);
		assert.ok(readFileSync(path, "utf8").endsWith("\n"));
		closeSync(fd);
	});

	it("are JSON in the order of their fields, and show what a terminal would obey", async () => {
		using folder = folderWith({ log: "" });
		const path = join(folder.path, "log");
		const fd = openSync(path, "a");
		const log = createLog(virtualClock(), {
			fd,
			format: "json",
			colour: false,
		});
		const text = 'a "quoted" \u001b[2K\u009b2K \u202e\n\ud800';
		log.warn({ text, none: undefined, list: [1], nan: Number.NaN }, "words");
		log.info({}, "nothing");
		await log.close();
		closeSync(fd);
		const lines = readFileSync(path, "utf8").split("\n");
		assert.match(
			lines[0] ?? "",
			/^\{"level":40,"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","text":"[ -~]*","list":\[1\],"nan":null,"msg":"words"\}$/,
		);
		assert.equal(JSON.parse(lines[0] ?? "").text, text);
		assert.match(
			lines[1] ?? "",
			/^\{"level":30,"time":"[^"]*","msg":"nothing"\}$/,
		);
		assert.equal(lines.length, 3);
	});

	it("are what the standard makes of their fields, whatever stands in them", () => {
		const out = new JsonBytes();
		const text = fc.oneof(
			fc.string({ unit: "binary", maxLength: 100 }),
			fc.constantFrom('a "b" \\c', "\u007f", "x".repeat(100), ""),
		);
		const value = fc.oneof(
			text,
			fc.integer(),
			fc.double(),
			fc.boolean(),
			fc.constantFrom(null, undefined),
			fc.array(text, { maxLength: 3 }),
		);
		const fields = fc.dictionary(text, value, { maxKeys: 5 });
		fc.assert(
			fc.property(fields, text, (given, words) => {
				writeLine(out, 30, given, words, 7);
				const line = out.slice(0, out.length).toString();
				out.cut(0);
				const { time } = JSON.parse(line);
				const inner = JSON.stringify(given).slice(1, -1);
				const before = inner && `${inner},`;
				assert.equal(
					line,
					shown(
						`{"level":30,"time":"${time}","worker":7,${before}"msg":${JSON.stringify(words)}}\n`,
					),
				);
			}),
		);
	});

	it("have the time that they are given, as the standard prints it", () => {
		const out = new JsonBytes();
		const given = [0, 1, 99, 100, 999, 1_000, -1, Date.UTC(2026, 11, 31)];
		for (const atMs of [...given, ...given.toReversed()]) {
			writeLine(out, 30, {}, "x", null, atMs);
			const line = out.slice(0, out.length).toString();
			out.cut(0);
			assert.equal(JSON.parse(line).time, new Date(atMs).toISOString());
		}
	});

	it("have the time at which they were made", async () => {
		const out = new JsonBytes();
		const timeOf = () => {
			writeLine(out, 30, {}, "x");
			const line = out.slice(0, out.length).toString();
			out.cut(0);
			return Date.parse(JSON.parse(line).time);
		};
		for (let round = 0; round < 3; round++) {
			const beforeMs = Date.now();
			const ms = timeOf();
			assert.ok(ms >= beforeMs && ms <= Date.now());
			await until(() => Date.now() > ms);
		}
	});
});
