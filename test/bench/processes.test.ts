import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { createProcesses } from "../../bench/processes.ts";

const module = new URL("../../bench/processes.ts", import.meta.url).href;
const forever = "console.log(process.pid); setInterval(() => {}, 1000)";

function isAlive(pid: number): boolean {
	try {
		return process.kill(pid, 0);
	} catch {
		return false;
	}
}

test("what was started is gone when the processes are left", async () => {
	let pid = 0;
	{
		await using processes = createProcesses();
		const command = [process.execPath, "-e", forever];
		const running = await processes.start("gateway", command, "line");
		pid = running.pid;
		assert.equal(running.line, `${pid}`, "it runs under the pid that is told");
		assert.ok(isAlive(pid));
	}
	assert.ok(!isAlive(pid));
});

test("an interrupt ends what was started, too", async () => {
	const program = `
		import { createProcesses } from ${JSON.stringify(module)};
		const processes = createProcesses();
		const command = [process.execPath, "-e", ${JSON.stringify(forever)}];
		const { pid } = await processes.start("load", command, "line");
		console.log(pid);
		setInterval(() => {}, 1000);
	`;
	const args = ["--input-type=module", "-e", program];
	const child = spawn(process.execPath, args, { stdio: "pipe" });
	const [line] = await once(child.stdout, "data");
	const pid = Number(line);
	assert.ok(isAlive(pid));
	child.kill("SIGINT");
	const [code] = await once(child, "exit");
	assert.equal(code, 130);
	assert.ok(!isAlive(pid));
});

test("a program that fails is told with what it said", async () => {
	await using processes = createProcesses();
	const script = "console.error('no wrk'); process.exit(3)";
	const failing = processes.run("load", [process.execPath, "-e", script]);
	await assert.rejects(failing, /ended with 3: no wrk/);
});
