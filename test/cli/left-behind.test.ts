import assert from "node:assert/strict";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { folderWith, runNode } from "../kit/cli.ts";

const kit = (name: string) =>
	fileURLToPath(new URL(`../kit/${name}`, import.meta.url));

/** Starts a gateway and a store as tests do, says which processes they are, and waits. */
const starter = `
import { sluice } from ${JSON.stringify(kit("cli.ts"))};
import { startStore, withoutStore } from ${JSON.stringify(kit("store.ts"))};
const gateway = sluice(["serve"], { cwd: process.argv[2] });
await gateway.printed("listening on");
const pids = [gateway.process.pid];
if (!withoutStore()) {
	const store = await startStore();
	const info = await store.command("INFO", "server");
	pids.push(Number(/process_id:(\\d+)/.exec(info)?.[1]));
}
console.log("started", pids.join(" "), "all");
setInterval(() => {}, 1000);
`;

it("what a test has started ends when the test is killed", async () => {
	using folder = folderWith({
		"sluice.yaml":
			"admin: false\nserver: { port: 0 }\nroutes: { GET /a: { respond: 1 } }",
		"starter.ts": starter,
	});
	const test = runNode([`${folder.path}/starter.ts`, folder.path], {
		cwd: folder.path,
	});
	await test.printed("all");
	const [, words = ""] = /started ([\d ]+) all/.exec(test.stdout()) ?? [];
	const pids = words.split(" ").map(Number);
	assert.ok(pids.length > 0 && pids.every((pid) => pid > 1), words);
	assert.ok(pids.every(lives), words);
	test.process.kill("SIGKILL");
	await test.ended;
	// The test's time is the bound.
	while (pids.some(lives)) {
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
});

function lives(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch {
		return false;
	}
}
