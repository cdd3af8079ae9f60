import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, it } from "node:test";
import { folderWith, type RunningCommand, sluice } from "../kit/cli.ts";

const jobs = `jobs: { run: work }
routes: { POST /a: { job: true, respond: 1 } }
`;

/** The gateway of the same config, which has the port of the admin server. */
async function beside(
	work: (cwd: string, port: string) => Promise<void>,
): Promise<void> {
	const gateway = createServer().listen(0, "127.0.0.1");
	await once(gateway, "listening");
	const port = String((gateway.address() as AddressInfo).port);
	using folder = folderWith({
		"sluice.yaml": `admin: { port: ${port} }\n${jobs}`,
	});
	try {
		await work(folder.path, port);
	} finally {
		gateway.close();
	}
}

async function stopped(worker: RunningCommand): Promise<void> {
	worker.process.kill("SIGTERM");
	assert.equal(await worker.ended, 0, worker.stderr());
}

describe("`sluice work` beside a gateway on one machine", () => {
	it("works without an admin server, and says so", () =>
		beside(async (cwd) => {
			const worker = sluice(["work"], { cwd });
			await worker.printed('"working"');
			assert.match(worker.stdout(), /^working: \d+ jobs at once\n$/);
			assert.match(
				worker.stderr(),
				/there is no admin server: its port is taken, so choose another with --admin-port/,
			);
			await stopped(worker);
		}));

	it("has an admin server on another port", () =>
		beside(async (cwd) => {
			const worker = sluice(["work", "--admin-port", "0"], { cwd });
			await worker.printed('"working"');
			const [, url = ""] = /^admin page: (.*)$/m.exec(worker.stdout()) ?? [];
			assert.equal((await fetch(`${url}/health/live`)).status, 200);
			await stopped(worker);
		}));

	it("does not work without the port that it was told", () =>
		beside(async (cwd, port) => {
			const worker = sluice(["work", "--admin-port", port], { cwd });
			assert.equal(await worker.ended, 1);
			assert.equal(
				worker.stderr(),
				`the admin server cannot listen on \`admin.host\` and port ${port}: EADDRINUSE\n`,
			);
		}));

	it("says what is wrong with how it is used", async () => {
		using folder = folderWith({ "sluice.yaml": `admin: false\n${jobs}` });
		for (const [port, words] of [
			["80a", "--admin-port takes a number from 0 to 65535, not 80a\n"],
			["0", "--admin-port: the config has no admin server\n"],
		] as const) {
			const args = ["work", "--admin-port", port];
			const worker = sluice(args, { cwd: folder.path });
			assert.equal(await worker.ended, 1);
			assert.equal(worker.stderr(), words);
		}
	});
});
