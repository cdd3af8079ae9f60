import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { solutions } from "../../examples/tasks/equation.ts";
import { loadConfig } from "../../src/config/load.ts";
import { folderWith } from "../kit/cli.ts";
import { JobProcess } from "../kit/job-processes.ts";
import { begin, ended, jobsFolder, type ShownJob } from "../kit/jobs.ts";
import { ask, serve } from "../kit/serve.ts";
import { freePort } from "../kit/store.ts";

const file = new URL("../../examples/equations/sluice.yaml", import.meta.url)
	.pathname;

/** The answer of a job, however long that takes. */
async function answerOf(job: string): Promise<unknown> {
	for (;;) {
		const headers = { prefer: "wait=50" };
		const { status, json } = await ask(`${job}/answer`, { headers });
		if (status !== 409) return json;
	}
}

describe("the example of equations", () => {
	test("solves a hundred as one job, and tells how far it is", async () => {
		using folder = jobsFolder();
		const { config } = await loadConfig(file, {});
		assert.ok(config?.jobs);
		const jobs = { ...config.jobs, file: folder.file };
		await using served = await serve({ ...config, jobs });
		const numbers = Array.from({ length: 100 }, (_, at) => 10_000 + at);
		const job = await begin(served, "/equations", {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify({ numbers }),
		});
		const after = await ended(served, job);
		assert.equal(after.state, "done");
		assert.deepEqual(after.steps, [
			{ step: "solved", state: "ended", items: [100, 100] },
		]);
		const answer = await served.get(after.answer ?? "");
		assert.deepEqual(answer.json, {
			numbers,
			solutions: numbers.map(solutions),
		});
	});

	test("spreads them over two processes that only work, while the gateway answers", async () => {
		const port = await freePort();
		const equation = new URL(
			"../../examples/tasks/equation.ts",
			import.meta.url,
		);
		const yaml = readFileSync(file, "utf8");
		const more = `\nserver: { port: ${port} }\nadmin: false\noverload: false\njobs: { parallel: 2 }\n`;
		using folder = folderWith({
			"sluice.yaml": yaml + more,
			"equation.ts": `export { solutions } from "${equation.href}";`,
		});
		const all = [["serve"], ["work"], ["work"]].map(
			(args) => new JobProcess(args, folder.path),
		);
		try {
			const [url = ""] = await Promise.all(all.map((one) => one.ready()));
			const jobs = await Promise.all(
				Array.from({ length: 100 }, async (_, at) => {
					const path = `${url}/equations/${10_000 + at}`;
					const { json } = await ask(path, { method: "POST" });
					return json as ShownJob;
				}),
			);
			assert.equal((await ask(`${url}/-/health`)).status, 200);
			for (const [at, { url: path }] of jobs.entries()) {
				const n = 10_000 + at;
				const answer = await answerOf(url + path);
				assert.deepEqual(answer, { n, solutions: solutions(n) });
			}
		} finally {
			await Promise.all(all.map((one) => one.end("SIGKILL")));
		}
	});
});
