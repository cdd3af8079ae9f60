import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, it } from "node:test";
import {
	busyConfig,
	busyFiles,
	busyFunctions,
} from "../../kit/busy-workers.ts";
import { ask } from "../../kit/serve.ts";
import { until } from "../../kit/until.ts";
import { startWorkers } from "../../kit/workers.ts";

describe("several workers", () => {
	it("tell of one that hangs, kill it, and go on without it meanwhile", async () => {
		await using workers = await startWorkers(busyFiles());
		const hangs = ask(`${workers.url}/hang`).catch(() => "cut");
		await workers.command.printed('"msg":"a worker does not answer"');
		const [told] = workers.lines("a worker does not answer");
		for (let at = 0; at < 50; at++) {
			const { json } = await workers.get("/pid");
			assert.notEqual(json, told?.pid);
		}
		assert.equal(await workers.metric("sluice_workers_silent"), 1);
		await workers.command.printed('"msg":"a worker hangs, and is killed"');
		assert.equal(await hangs, "cut");
		await workers.command.printed('"msg":"a worker takes its place"');
		assert.equal(await workers.metric("sluice_workers_silent"), 0);
		assert.equal(await workers.metric("sluice_worker_restarts_total"), 1);
	});

	it("time clients as one process does", async () => {
		await using workers = await startWorkers({
			"f.js": busyFunctions,
			"sluice.yaml": busyConfig("", "1s"),
		});
		const { port, hostname } = new URL(workers.url);
		const socket = connect(Number(port), hostname);
		socket.write("GET / HTTP/1.1\r\n");
		let text = "";
		for await (const chunk of socket) text += chunk;
		assert.match(text, /^HTTP\/1\.1 408 /);
	});

	it("are started again however often they die, while the others answer", async () => {
		await using workers = await startWorkers(busyFiles());
		const [first] = workers.pids();
		const survivor = workers.pids()[1];
		process.kill(first ?? 0, "SIGKILL");
		for (const deaths of [1, 2]) {
			await until(async () => {
				await workers.get("/pid").catch(() => {});
				return workers.lines("a worker takes its place").length >= deaths;
			});
			const next = workers.pids().find((pid) => pid !== survivor);
			process.kill(next ?? 0, "SIGKILL");
		}
		await until(async () => {
			assert.equal((await workers.get("/pid")).status, 200);
			return workers.lines("a worker ended").length >= 3;
		});
		assert.deepEqual(
			workers.lines("a worker ended").map(({ againMs }) => againMs),
			[0, 1_000, 2_000],
		);
		assert.ok(survivor && workers.pids().includes(survivor));
	});
});
