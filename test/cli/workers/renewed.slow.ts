import assert from "node:assert/strict";
import { Agent } from "node:http";
import { describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { busyFiles } from "../../kit/busy-workers.ts";
import { ask } from "../../kit/serve.ts";
import { until } from "../../kit/until.ts";
import { startWorkers } from "../../kit/workers.ts";

describe("several workers under load", () => {
	it("lose no request in three restarts under load", async () => {
		await using workers = await startWorkers(busyFiles());
		const agent = new Agent({ keepAlive: true, maxSockets: 16 });
		let goes = true;
		let answered = 0;
		const faults: unknown[] = [];
		const loop = async (path: string, own: Agent | null, restMs = 0) => {
			while (goes) {
				if (restMs > 0) await pause(restMs);
				try {
					const { status } = await ask(
						workers.url + path,
						own ? { agent: own } : {},
					);
					if (status === 200) answered++;
					else faults.push(status);
				} catch (error) {
					faults.push(error);
				}
			}
		};
		const loops = Array.from({ length: 24 }, (_, at) =>
			loop(at % 8 === 0 ? "/work" : "/pid", at < 16 ? agent : null),
		);
		// Their connections are at rest now and then, which is when a server that leaves may close them.
		const resting = new Agent({ keepAlive: true });
		for (let at = 0; at < 4; at++) loops.push(loop("/pid", resting, 10));
		for (let round = 1; round <= 3; round++) {
			workers.command.process.kill("SIGUSR2");
			await until(() => workers.lines("restarted the workers").length >= round);
		}
		goes = false;
		await Promise.all(loops);
		agent.destroy();
		resting.destroy();
		assert.deepEqual(faults, []);
		assert.ok(answered > 300, `${answered} were answered`);
		assert.equal(
			await workers.metric("http_server_request_duration_seconds_count"),
			answered,
		);
	});

	it("write one history, and lose none of it", async () => {
		await using workers = await startWorkers(
			busyFiles("history: { file: ./kept.db, requests: all }"),
		);
		const agent = new Agent({ keepAlive: true, maxSockets: 8 });
		const count = 2_000;
		const pids = new Set<unknown>();
		const loop = async () => {
			for (let at = 0; at < count / 8; at++) {
				// A connection for each, so that both have some.
				const own = at % 2 === 0 ? { agent } : {};
				pids.add((await ask(`${workers.url}/pid`, own)).json);
			}
		};
		await Promise.all(Array.from({ length: 8 }, loop));
		agent.destroy();
		assert.equal(pids.size, 2);
		workers.command.process.kill("SIGTERM");
		assert.equal(await workers.command.ended, 0);
		const { default: sqlite } = await import("node:sqlite");
		using db = new sqlite.DatabaseSync(`${workers.folder}/kept.db`, {
			readOnly: true,
		});
		const rows = db
			.prepare("SELECT count(DISTINCT id) AS n FROM request")
			.get();
		assert.equal(rows?.n, count);
		assert.equal(
			workers.lines("requests are missing in the history").length,
			0,
		);
	});
});
