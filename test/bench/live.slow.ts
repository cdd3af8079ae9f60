import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { liveContenders } from "../../bench/live-contenders.ts";
import { createProcesses, has, type Processes } from "../../bench/processes.ts";

let processes: Processes;
let folder = "";

before(() => {
	processes = createProcesses();
	folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
});

after(async () => {
	await processes[Symbol.asyncDispose]();
	rmSync(folder, { recursive: true, force: true });
});

const hasNginx = has("nginx", "-v");

for (const contender of liveContenders) {
	const { title, form, missing } = contender;
	const skip = (title.startsWith("nginx") && !hasNginx) || missing() !== null;
	test(`all listeners hear each message once: ${title}, ${form}`, {
		skip,
	}, async () => {
		const live = await contender.start(processes, folder);
		await live.open(3);
		await live.say(2);
		await live.open(5);
		await live.say(2);
		const { residentBytes, heapBytes } = await live.memory();
		assert.ok(residentBytes > 2 ** 20);
		const isNode = !title.startsWith("nginx") && contender.role !== "system";
		assert.equal(heapBytes !== null, isNode);
		await live.close();
		await live.open(1);
		await live.say(1);
		await live.end();
	});
}

test("a listener that is lost ends the bench, and says what it was answered", async () => {
	const [ours] = liveContenders;
	const live = await ours?.start(processes, folder, { listeners: 2 });
	await live?.open(2);
	await assert.rejects(async () => live?.open(3), /1 lost, refused with 503/);
	await live?.end();
});
