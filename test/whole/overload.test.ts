import assert from "node:assert/strict";
import { Agent } from "node:http";
import { test } from "node:test";
import { folderWith, sluice } from "../kit/cli.ts";
import { ask, serve } from "../kit/serve.ts";
import { json, startUpstream } from "../kit/upstream.ts";

const config = `
upstreams:
  users: { url: "\${env.USERS_URL}", timeout: 5s }
routes:
  GET /x: { steps: { user: { get: users/x } } }
server: { port: 0 }
overload: { requests: 1, waiting: 0 }
admin: false
`;

test("a full gateway refuses at once, answers its health check, and writes one line of it", async () => {
	let finish = () => {};
	await using users = await startUpstream((_, response) => {
		finish = () => json(response, "done");
	});
	using folder = folderWith({ "sluice.yaml": config });
	const command = sluice(["serve"], {
		cwd: folder.path,
		env: { USERS_URL: users.url },
	});
	await command.printed("listening on");
	const [, url = ""] = /listening on (\S+)/.exec(command.stdout()) ?? [];
	const first = ask(`${url}/x`);
	await users.arrived(1);
	for (let count = 0; count < 20; count++) {
		const { status, headers } = await ask(`${url}/x`);
		assert.equal(status, 503);
		assert.equal(headers["retry-after"], "1");
		assert.equal((await ask(`${url}/-/health`)).status, 200);
	}
	finish();
	assert.equal((await first).json, "done");
	await command.printed("load is normal again");
	command.process.kill("SIGTERM");
	assert.equal(await command.ended, 0);
	const lines = command.stderr().trim().split("\n");
	const said = lines.map((line) => JSON.parse(line)).map(({ msg }) => msg);
	assert.deepEqual(said, [
		"started",
		"too much load: optional parts are left out",
		"too much load: requests are refused",
		"load is normal again",
		"draining",
		"stopped",
	]);
});

test("a gateway that computes too much refuses in the middle of it, and finishes what it began", async () => {
	await using gateway = await serve({
		routes: {
			"GET /x": {
				steps: { sum: { run: () => compute(20) } },
			},
		},
		overload: { skipAt: "20ms", refuseAt: "40ms" },
	});
	const levels: string[] = [];
	gateway.gateway.events.loadChanged.push(({ level }) => levels.push(level));
	using agent = new AgentOf(30);
	const wave = () =>
		Promise.all(
			Array.from({ length: 30 }, () => gateway.get("/x", { agent: agent.it })),
		);
	const statuses: number[] = [];
	// The first wave makes the loop late, a later one finds it so.
	for (let waves = 0; waves < 10 && !statuses.includes(503); waves++) {
		for (const { status } of await wave()) statuses.push(status);
	}
	assert.deepEqual(levels.slice(0, 2), ["skipping", "refusing"]);
	assert.ok(statuses.every((status) => status === 200 || status === 503));
	assert.equal((await gateway.get("/-/health")).status, 200);
});

/** Computes for so long, so that nothing else gets its turn. */
function compute(ms: number): number {
	const end = performance.now() + ms;
	let sum = 0;
	while (performance.now() < end) sum++;
	return sum;
}

class AgentOf implements Disposable {
	readonly it: Agent;
	constructor(connections: number) {
		this.it = new Agent({ keepAlive: true, maxSockets: connections });
	}
	[Symbol.dispose](): void {
		this.it.destroy();
	}
}
