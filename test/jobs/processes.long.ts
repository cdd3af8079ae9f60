import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { folderWith } from "../kit/cli.ts";
import { JobProcess } from "../kit/job-processes.ts";
import {
	askForAll,
	checkJobs,
	jobsConfig,
	nothingWrong,
	startCounted,
} from "../kit/killed-jobs.ts";
import { freePort, startStore, withoutStore } from "../kit/store.ts";

/** Kills one after the other, each two seconds after the last one serves again, until it is told to stop. */
function killEach2s(processes: readonly JobProcess[]) {
	let over = false;
	const killing = (async () => {
		let kills = 0;
		while (!over) {
			await new Promise((resolve) => setTimeout(resolve, 2_000));
			const one = processes[kills % processes.length] as JobProcess;
			await one.killAndRestart();
			await one.ready();
			kills++;
		}
		return kills;
	})();
	return async () => {
		over = true;
		return await killing;
	};
}

/** As a report: what went wrong is none of it. */
async function run(
	args: readonly (readonly string[])[],
	count: number,
	more: string,
) {
	await using shop = await startCounted();
	const port = await freePort();
	using folder = folderWith({
		"sluice.yaml": jobsConfig(shop.url, port, more),
	});
	const all = args.map((words) => new JobProcess(words, folder.path));
	try {
		const url = (await Promise.all(all.map((one) => one.ready()))).join("");
		const stop = killEach2s(all);
		const jobs = await askForAll(url, count);
		const { wrong, interrupted } = await checkJobs(url, jobs, shop.asked);
		const kills = await stop();
		console.log(
			`${count} jobs, ${kills} kills: ${JSON.stringify(wrong)}, interrupted ${interrupted.length}`,
		);
		assert.deepEqual(wrong, nothingWrong);
	} finally {
		await Promise.all(all.map((one) => one.end("SIGKILL")));
	}
}

describe("a thousand jobs while processes are killed every two seconds", () => {
	test("in a database", async () => {
		await run([["serve"]], 1_000, "jobs: { queued: 2000 }");
	});

	test("in a store, by three processes", { skip: withoutStore() }, async () => {
		await using store = await startStore();
		const more = `store: ${store.url}\njobs: { queued: 2000, parallel: 1 }`;
		await run([["work"], ["work"], ["serve"]], 1_000, more);
	});
});
