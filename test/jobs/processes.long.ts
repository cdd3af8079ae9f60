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

const jobs = 1_000;

/** How often one is killed, whatever the others do. */
const killEveryMs = 2_000;

/** Kills one after the other, by the clock, until it is told to stop. Gives the instants. */
function killByTheClock(processes: readonly JobProcess[]) {
	const kills: number[] = [];
	const restarts: Promise<void>[] = [];
	const timer = setInterval(() => {
		const one = processes[kills.length % processes.length] as JobProcess;
		kills.push(Date.now());
		restarts.push(one.killAndRestart());
	}, killEveryMs);
	return async () => {
		clearInterval(timer);
		await Promise.all(restarts);
		return kills;
	};
}

async function run(
	args: readonly (readonly string[])[],
	count: number,
	more: string,
) {
	await using shop = await startCounted();
	const port = await lastingPort();
	using folder = folderWith({
		"sluice.yaml": jobsConfig(shop.url, port, more),
	});
	const all = args.map((words) => new JobProcess(words, folder.path));
	try {
		const url = (await Promise.all(all.map((one) => one.ready()))).join("");
		const began = Date.now();
		const stop = killByTheClock(all);
		const jobs = await askForAll(url, count);
		const { wrong, interrupted, givenUp } = await checkJobs(
			url,
			jobs,
			shop.asked,
		);
		const kills = await stop();
		const told = { wrong, interrupted, givenUp };
		console.log(
			`${count} jobs, ${kills.length} kills: ${JSON.stringify(told)}`,
		);
		if (wrong.jobs.length > 0) {
			for (const one of all) console.log(one.log());
		}
		assert.deepEqual(wrong, nothingWrong, `killed at ${kills}`);
		const due = Math.floor((Date.now() - began) / killEveryMs);
		assert.ok(kills.length >= due - 1, `${kills.length} kills of ${due}`);
	} finally {
		await Promise.all(all.map((one) => one.end("SIGKILL")));
	}
}

describe("a thousand jobs while a process is killed every two seconds", () => {
	test("in a database, by three processes", async () => {
		const args = [["work"], ["work"], ["serve"]];
		await run(args, jobs, "jobs: { queued: 2000, parallel: 1 }");
	});

	test("in a store, by three processes", { skip: withoutStore() }, async () => {
		await using store = await startStore();
		const more = `store: ${store.url}\njobs: { queued: 2000, parallel: 1 }`;
		await run([["work"], ["work"], ["serve"]], jobs, more);
	});
});
