import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { until } from "../../kit/until.ts";
import { startWorkers } from "../../kit/workers.ts";

/** A worker that begins may take so many times the processor time of a Node that does nothing: some 10 times as source. */
const startsMax = 16;

/** The processor time of all threads of a process, in milliseconds. */
function processorMsOf(pid: number): number {
	const tasks = `/proc/${pid}/task`;
	return readdirSync(tasks).reduce((sum, task) => {
		const text = readFileSync(`${tasks}/${task}/schedstat`, "utf8");
		return sum + Number(text.split(" ")[0]) / 1e6;
	}, 0);
}

/** How much a Node takes that does nothing. The machine may be busy, so it is asked again for each worker. */
function plainMs(): number {
	const program =
		"const { user, system } = process.cpuUsage(); console.log((user + system) / 1e3)";
	return Number(execFileSync(process.execPath, ["-e", program]));
}

test("a worker that takes the place of a killed one is there soon, measured by what Node itself takes to start", async (context) => {
	const ratios: number[] = [];
	for (let round = 0; round < 3; round++) {
		await using workers = await startWorkers({
			"sluice.yaml":
				'server: { port: 0 }\nadmin: false\nroutes:\n  GET /pid: { steps: { pid: { run: "f.js#pid" } }, respond: "${pid}" }\n',
		});
		process.kill(workers.pids()[1] ?? 0, "SIGKILL");
		await until(() => workers.lines("a worker takes its place").length === 1);
		const [line] = workers.lines("a worker takes its place");
		ratios.push(processorMsOf(Number(line?.pid)) / plainMs());
	}
	context.diagnostic(`${ratios.map((ratio) => ratio.toFixed(1))}`);
	assert.ok(Math.min(...ratios) < startsMax, `${ratios} starts of Node`);
});
