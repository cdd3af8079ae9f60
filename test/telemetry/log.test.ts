import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
	closeSync,
	constants,
	createReadStream,
	openSync,
	writeSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { virtualClock } from "../../src/tasks/clock.ts";
import { Repeats } from "../../src/telemetry/log/repeats.ts";
import {
	folderWith,
	type RunningCommand,
	runNode,
	sluice,
} from "../kit/cli.ts";
import { ask } from "../kit/serve.ts";

/** Nobody listens on its upstream's port, so each of its routes fails. */
const failing = `
admin: false
overload: false
server: { port: 0 }
upstreams: { gone: { url: "http://127.0.0.1:1" } }
routes:
${Array.from({ length: 40 }, (_, at) => `  GET /${at}: { steps: { a: { get: gone/x } } }`).join("\n")}
`;

async function urlOf(command: RunningCommand): Promise<string> {
	await command.printed("listening on ");
	return /listening on (\S+)/.exec(command.stdout())?.[1] ?? "";
}

/** Opens a pipe that nobody reads, for both ends. */
function stalledPipe(folder: string): { path: string; fd: number } {
	const path = join(folder, "pipe");
	execFileSync("mkfifo", [path]);
	return { path, fd: openSync(path, constants.O_RDWR) };
}

async function failAll(url: string): Promise<void> {
	for (let round = 0; round < 10; round++) {
		const asked = Array.from({ length: 40 }, (_, at) => ask(`${url}/${at}`));
		for (const { status } of await Promise.all(asked)) {
			assert.equal(status, 502);
		}
	}
}

describe("a log that nobody takes", () => {
	it("costs no answer and no exit code if its disk is full", async () => {
		using folder = folderWith({ "sluice.yaml": failing });
		const full = openSync("/dev/full", "w");
		const options = { cwd: folder.path, stderr: full };
		const command = sluice(["serve"], options);
		closeSync(full);
		const url = await urlOf(command);
		await failAll(url);
		assert.equal((await ask(`${url}/-/health`)).status, 200);
		command.process.kill("SIGTERM");
		assert.equal(await command.ended, 0);
	});

	it("keeps no answer waiting if its reader stalls", async () => {
		using folder = folderWith({ "sluice.yaml": failing });
		const { fd } = stalledPipe(folder.path);
		const command = sluice(["serve"], { cwd: folder.path, stderr: fd });
		const url = await urlOf(command);
		await failAll(url);
		assert.equal((await ask(`${url}/-/health`)).status, 200);
		command.process.kill("SIGTERM");
		assert.equal(await command.ended, 0);
		closeSync(fd);
	});

	it("costs nothing if its reader is gone, and ends no drain", async () => {
		using folder = folderWith({ "sluice.yaml": failing });
		const command = sluice(["serve"], { cwd: folder.path });
		const url = await urlOf(command);
		command.process.stderr?.destroy();
		await failAll(url);
		assert.equal((await ask(`${url}/-/health`)).status, 200);
		command.process.kill("SIGTERM");
		assert.equal(await command.ended, 0);
	});

	it("does not end the gateway with what was to go to stdout", async () => {
		using folder = folderWith({ "sluice.yaml": failing });
		const full = openSync("/dev/full", "w");
		const options = { cwd: folder.path, stdout: full };
		const command = sluice(["serve"], options);
		closeSync(full);
		await command.printed('"msg":"started"');
		const [, url = ""] = /"url":"([^"]+)"/.exec(command.stderr()) ?? [];
		assert.equal((await ask(`${url}/-/health`)).status, 200);
		command.process.kill("SIGTERM");
		assert.equal(await command.ended, 0);
	});

	it("ends when it is told to, although nobody takes what it printed at its start", async () => {
		using folder = folderWith({ "sluice.yaml": failing });
		const { fd, path } = stalledPipe(folder.path);
		const filling = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
		assert.throws(
			() => {
				for (;;) writeSync(filling, "x".repeat(1024));
			},
			{ code: "EAGAIN" },
		);
		closeSync(filling);
		const options = { cwd: folder.path, stdout: fd };
		const command = sluice(["serve"], options);
		await command.printed('"msg":"started"');
		command.process.kill("SIGTERM");
		assert.equal(await command.ended, 0);
		closeSync(fd);
	});

	it("is bounded, and tells how many lines were dropped when somebody reads again", async () => {
		const log = new URL("../../src/telemetry/log/log.ts", import.meta.url).href;
		const clock = new URL("../../src/tasks/clock.ts", import.meta.url).href;
		using folder = folderWith({
			"write.ts": `
import { createLog } from ${JSON.stringify(log)};
import { realClock } from ${JSON.stringify(clock)};
const log = createLog(realClock(), { fd: process.stderr.fd, format: "json", colour: false });
const text = "x".repeat(1000);
for (let at = 0; at < 3000; at++) log.info({ at, text }, "line");
console.log("written");
process.stdin.once("data", async () => {
	await log.close();
	console.log("closed");
	process.exit(0);
});
`,
		});
		const { fd, path } = stalledPipe(folder.path);
		const options = { cwd: folder.path, stderr: fd };
		const command = runNode(["write.ts"], options);
		await command.printed("written");
		const lines: { at?: number; dropped?: number }[] = [];
		const reader = createReadStream(path);
		const told = Promise.withResolvers<void>();
		createInterface({ input: reader }).on("line", (text) => {
			const line = JSON.parse(text);
			lines.push(line);
			if (line.dropped !== undefined) told.resolve();
		});
		await told.promise;
		command.process.stdin?.end("end\n");
		await command.printed("closed");
		assert.equal(await command.ended, 0);
		reader.destroy();
		closeSync(fd);
		const gap = lines.pop();
		assert.equal(lines.length + (gap?.dropped ?? 0), 3000);
		assert.ok(lines.length < 1200, `${lines.length} lines were kept`);
		assert.deepEqual(
			lines.map(({ at }) => at),
			lines.map((_, at) => at),
		);
	});

	it("gets its last lines when the process ends by an error", async () => {
		const log = new URL("../../src/telemetry/log/log.ts", import.meta.url).href;
		const clock = new URL("../../src/tasks/clock.ts", import.meta.url).href;
		using folder = folderWith({
			"fail.ts": `
import { createLog } from ${JSON.stringify(log)};
import { realClock } from ${JSON.stringify(clock)};
const log = createLog(realClock(), { fd: process.stderr.fd, format: "json", colour: false });
for (let at = 0; at < 100; at++) log.info({ at }, "line");
log.putOff(() => log.info({}, "put off"));
throw new Error("the end");
`,
		});
		const command = runNode(["fail.ts"], { cwd: folder.path });
		assert.equal(await command.ended, 1);
		const { length } = command.stderr().match(/"msg":"line"/g) ?? [];
		assert.equal(length, 100);
		assert.match(command.stderr(), /"msg":"put off"/);
	});
});

describe("a log of all requests", () => {
	it("is flushed at the end, as text if the config says so", async () => {
		using folder = folderWith({
			"sluice.yaml": `server: { port: 0 }
routes: { GET /x: { respond: 1 } }
log: { requests: all, format: text }
`,
		});
		const command = sluice(["serve"], { cwd: folder.path });
		const url = await urlOf(command);
		for (let count = 0; count < 100; count++) await ask(`${url}/x`);
		command.process.kill("SIGTERM");
		assert.equal(await command.ended, 0);
		const lines = command.stderr().match(/ info {2}answered .*calls=0$/gm);
		assert.equal(lines?.length, 100);
		assert.match(
			lines?.[99] ?? "",
			/route="GET \/x" status=200 durationMs=\d+ method=GET complete=true/,
		);
	});
});

describe("lines of one kind", () => {
	it("are one a second for calls that are refused, with their number", async () => {
		using folder = folderWith({
			"sluice.yaml": `
admin: false
overload: false
server: { port: 0 }
upstreams: { gone: { url: "http://127.0.0.1:1", breaker: { calls: 2, probeEvery: 60s } } }
routes: { GET /x: { steps: { a: { get: gone/x } } } }
`,
		});
		const beganMs = performance.now();
		const command = sluice(["serve"], { cwd: folder.path });
		const url = `${await urlOf(command)}/x`;
		for (let round = 0; round < 10; round++) {
			await Promise.all(Array.from({ length: 20 }, () => ask(url)));
		}
		command.process.kill("SIGTERM");
		assert.equal(await command.ended, 0);
		const refused = command
			.stderr()
			.trim()
			.split("\n")
			.map((line) => JSON.parse(line))
			.filter(({ code }) => code === "breaker_open");
		const seconds = (performance.now() - beganMs) / 1000;
		assert.ok(refused.length <= seconds + 2, `${refused.length} lines`);
		const counts = refused.map(({ count = 1 }) => count);
		// The calls of the first rounds may have failed themselves.
		const sum = counts.reduce((all, count) => all + count, 0);
		assert.ok(sum > 150 && sum < 200, `${sum} refusals were told`);
	});

	it("come once a second, and stand for those between", async () => {
		const clock = virtualClock();
		const repeats = new Repeats(clock);
		const lines: string[] = [];
		const tell = (kind: string) =>
			repeats.tell(kind, 1, (count) =>
				lines.push(`${clock.now()} ${kind} ${count}`),
			);
		for (let at = 0; at < 100; at++) tell("full");
		tell("open");
		await clock.advance(1000);
		tell("full");
		await clock.advance(500);
		tell("full");
		await clock.advance(500);
		await clock.advance(2000);
		tell("full");
		assert.deepEqual(lines, [
			"0 full 1",
			"0 open 1",
			"1000 full 99",
			"2000 full 2",
			"4000 full 1",
		]);
	});

	it("are written at the end, if they were held back", () => {
		const repeats = new Repeats(virtualClock());
		const counts: number[] = [];
		for (let at = 0; at < 12; at++)
			repeats.tell("failed", 10, (count) => counts.push(count));
		repeats.writeHeld();
		assert.deepEqual(counts, [...Array(10).fill(1), 2]);
	});
});

describe("a log to which several processes write", () => {
	it("has whole lines, each with the number of its process", async () => {
		const log = new URL("../../src/telemetry/log/log.ts", import.meta.url).href;
		const clock = new URL("../../src/tasks/clock.ts", import.meta.url).href;
		using folder = folderWith({
			"write.ts": `
import { createLog } from ${JSON.stringify(log)};
import { realClock } from ${JSON.stringify(clock)};
const worker = Number(process.argv[2]);
const log = createLog(realClock(), { fd: 2, shared: true, format: "json", colour: false, worker });
for (let at = 0; at < 2000; at++) log.info({ at, text: "ы".repeat(at % 300) }, "line");
await log.close();
`,
			"start.ts": `
import { spawn } from "node:child_process";
for (const number of ["1", "2", "3"]) spawn(process.execPath, ["write.ts", number], { stdio: "inherit" });
`,
		});
		const command = runNode(["start.ts"], { cwd: folder.path });
		assert.equal(await command.ended, 0);
		const lines = command.stderr().trim().split("\n");
		const seen = Map.groupBy(
			lines.map((line) => JSON.parse(line)),
			({ worker }) => worker,
		);
		for (const worker of [1, 2, 3]) {
			assert.deepEqual(
				seen.get(worker)?.map(({ at }) => at),
				Array.from({ length: 2000 }, (_, at) => at),
			);
		}
	});
});
