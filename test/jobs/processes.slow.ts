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
import { lastingPort, startStore, withoutStore } from "../kit/store.ts";

/** A process that is killed is started at once, and the next is killed when the clients have gone on. */
async function killAt(
	counts: readonly number[],
	processes: readonly JobProcess[],
	url: string,
	jobs: number,
) {
	const kills: Promise<void>[] = [];
	const all = await askForAll(url, jobs, (taken) => {
		const at = counts.indexOf(taken);
		const one = processes[at % processes.length];
		if (at >= 0 && one) kills.push(one.killAndRestart());
	});
	await Promise.all(kills);
	return all;
}

describe("jobs whose processes are killed", () => {
	test("in a database: none is lost, and none that writes is done twice", async () => {
		await using shop = await startCounted();
		const port = await lastingPort();
		using folder = folderWith({
			"sluice.yaml": jobsConfig(shop.url, port, ""),
		});
		const gateway = new JobProcess(["serve"], folder.path);
		try {
			const url = await gateway.ready();
			const jobs = await killAt([40], [gateway], url, 80);
			const { wrong, interrupted } = await checkJobs(url, jobs, shop.asked);
			assert.deepEqual(wrong, nothingWrong);
			// A process runs no more than four at once.
			assert.ok(interrupted.length <= 4, `${interrupted}`);
		} finally {
			await gateway.end("SIGKILL");
		}
	});

	test("in a store, by three processes: none is lost, and none that writes is done twice", {
		skip: withoutStore(),
	}, async () => {
		await using store = await startStore();
		await using shop = await startCounted();
		const port = await lastingPort();
		const more = `store: ${store.url}\njobs: { queued: 2000 }`;
		using folder = folderWith({
			"sluice.yaml": jobsConfig(shop.url, port, more),
		});
		const gateway = new JobProcess(["serve"], folder.path);
		const workers = [1, 2].map(() => new JobProcess(["work"], folder.path));
		const all = [...workers, gateway];
		try {
			const url = (await Promise.all(all.map((one) => one.ready())))[2] ?? "";
			const jobs = await killAt([60, 120, 180], all, url, 240);
			const { wrong, interrupted } = await checkJobs(url, jobs, shop.asked);
			assert.deepEqual(wrong, nothingWrong);
			assert.ok(interrupted.length <= 12, `${interrupted}`);
		} finally {
			await Promise.all(all.map((one) => one.end("SIGKILL")));
		}
	});
});
