import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { Agent } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { folderWith, sluice } from "../../kit/cli.ts";
import { readEvents } from "../../kit/events.ts";
import { ask, type HttpAnswer } from "../../kit/serve.ts";
import { until } from "../../kit/until.ts";
import { json, startUpstream } from "../../kit/upstream.ts";
import {
	gone,
	pidFile,
	type RunningWorkers,
	startWorkers,
} from "../../kit/workers.ts";

const simple = `
admin: { port: 0 }
server: { port: 0, drainDelay: 250ms, drain: 10s }
overload: false
routes:
  GET /pid: { steps: { pid: { run: "f.js#pid" } }, respond: "\${pid}" }
  GET /version: { respond: one }
`;

const holding = `
admin: { port: 0 }
server: { port: 0, drain: 10s }
overload: false
upstreams: { held: { url: "\${env.HELD_URL}", timeout: 30s } }
routes:
  GET /held:
    steps:
      pid: { run: "f.js#pid" }
      held: { get: "held/\${pid}" }
    respond: "\${held.pid}"
`;

/** Requests that each worker has begun, and that the upstream answers when it is told. */
async function held(workers: RunningWorkers, seen: () => readonly string[]) {
	const asked: Promise<HttpAnswer | "cut">[] = [];
	const pids = () => new Set(seen());
	while (pids().size < workers.pids().length) {
		asked.push(ask(`${workers.url}/held`).catch(() => "cut" as const));
		await until(() => seen().length >= asked.length);
	}
	return asked;
}

describe("`sluice serve --workers 2`", () => {
	it("serves on one port, adds up what the workers count, and leaves nothing behind", async () => {
		await using workers = await startWorkers(
			{
				"sluice.yaml": simple.replace(
					"port: 0, drainDelay",
					"port: 1, drainDelay",
				),
			},
			{ args: ["--workers", "2", "--port", "0"] },
		);
		const { command } = workers;
		assert.match(
			command.stdout(),
			/^listening on http:\/\/127\.0\.0\.1:\d+ with 2 workers\n/,
		);
		assert.equal(workers.pids().length, 2);
		const asked = Array.from({ length: 40 }, () => workers.get("/pid"));
		const answers = await Promise.all(asked);
		for (const { json } of answers) {
			assert.ok(workers.pids().includes(json as number));
		}
		assert.equal(await workers.metric("sluice_workers"), 2);
		assert.equal(await workers.metric("sluice_workers_silent"), 0);
		assert.equal(
			await workers.metric("http_server_request_duration_seconds_count"),
			40,
		);
		assert.equal(await workers.metric("process_start_time_seconds{worker"), 0);
		const health = await ask(`${workers.admin}/health/ready`);
		assert.deepEqual([health.status, health.json], [200, { status: "ok" }]);
		const { plan } = (await ask(`${workers.admin}/config`)).json as {
			plan: { routes: object; server: Record<string, unknown> };
		};
		assert.deepEqual(
			[plan.server.workers, plan.server.host, plan.server.port],
			[2, "127.0.0.1", 0],
		);
		assert.deepEqual(Object.keys(plan.routes), ["GET /pid", "GET /version"]);
		const state = await ask(`${workers.admin}/state`);
		const shown = (state.json as { workers: { worker: number }[] }).workers;
		assert.deepEqual(
			shown.map(({ worker }) => worker),
			[1, 2],
		);
		const traffic = await ask(`${workers.admin}/traffic?limit=3`);
		const { ended, requests } = traffic.json as {
			ended: number;
			requests: { id: string }[];
		};
		assert.deepEqual([ended, requests.length], [40, 3]);
		const detail = await ask(`${workers.admin}/traffic/${requests[0]?.id}`);
		assert.equal((detail.json as { steps: unknown[] }).steps.length, 1);
		const events = await readEvents(`${workers.admin}/traffic`);
		await workers.get("/version");
		assert.equal((await events.next("request")).data.route, "GET /version");
		events.leave();
		const pids = workers.pids();
		command.process.kill("SIGTERM");
		assert.equal(await command.ended, 0);
		for (const pid of pids) await gone(pid);
		assert.equal(workers.lines("stopped")[0]?.finished, true);
	});

	it("loses the requests of a killed worker alone, and starts another", async () => {
		let release = () => {};
		const released = new Promise<void>((resolve) => {
			release = resolve;
		});
		await using upstream = await startUpstream(({ target }, response) => {
			void released.then(() =>
				json(response, { pid: Number(target.slice(1)) }),
			);
		});
		await using workers = await startWorkers(
			{ "sluice.yaml": holding },
			{ env: { HELD_URL: upstream.url } },
		);
		const seen = () => upstream.seen.map(({ target }) => target.slice(1));
		const asked = await held(workers, seen);
		const [killed = 0] = workers.pids();
		process.kill(killed, "SIGKILL");
		await workers.command.printed('"msg":"a worker takes its place"');
		release();
		const answers = await Promise.all(asked);
		const whose = seen().map(Number);
		for (const [at, answer] of answers.entries()) {
			const expected = whose[at] === killed ? "cut" : whose[at];
			assert.equal(answer === "cut" ? answer : answer.json, expected);
		}
		const [line] = workers.lines("a worker ended");
		assert.deepEqual(
			[line?.pid, line?.signal, line?.againMs],
			[killed, "SIGKILL", 0],
		);
		// Whoever takes its place serves, too.
		const [next] = workers.lines("a worker takes its place");
		await until(async () => (await workers.get("/held")).json === next?.pid);
		assert.equal(await workers.metric("sluice_worker_restarts_total"), 1);
		assert.equal(await workers.metric("sluice_workers"), 2);
	});

	it("drains and leaves nothing behind if the process that watches is killed", async () => {
		let release = () => {};
		const released = new Promise<void>((resolve) => {
			release = resolve;
		});
		await using upstream = await startUpstream(({ target }, response) => {
			void released.then(() =>
				json(response, { pid: Number(target.slice(1)) }),
			);
		});
		await using workers = await startWorkers(
			{ "sluice.yaml": holding },
			{ env: { HELD_URL: upstream.url } },
		);
		const seen = () => upstream.seen.map(({ target }) => target.slice(1));
		const asked = await held(workers, seen);
		const pids = workers.pids();
		workers.command.process.kill("SIGKILL");
		release();
		for (const answer of await Promise.all(asked)) {
			assert.notEqual(answer, "cut");
		}
		// Their pipes close when they have ended.
		await workers.command.ended;
		for (const pid of pids) await gone(pid);
	});

	it("cuts what runs at a second signal", async () => {
		await using upstream = await startUpstream(() => {});
		await using workers = await startWorkers(
			{ "sluice.yaml": holding },
			{ env: { HELD_URL: upstream.url } },
		);
		const seen = () => upstream.seen.map(({ target }) => target.slice(1));
		const asked = await held(workers, seen);
		workers.command.process.kill("SIGTERM");
		await workers.command.printed('"msg":"draining"');
		workers.command.process.kill("SIGINT");
		assert.equal(await workers.command.ended, 1);
		for (const answer of await Promise.all(asked)) assert.equal(answer, "cut");
	});

	it("ends at once with the words of one process if its port is taken or its config is wrong", async () => {
		const taken = createServer().listen(0, "127.0.0.1");
		await new Promise((resolve) => taken.once("listening", resolve));
		const { port } = taken.address() as AddressInfo;
		using folder = folderWith({
			"sluice.yaml": simple.replace("drain: 10s", "workers: auto"),
			"f.js": pidFile,
			"bad.yaml": 'routes: { GET /x: { respond: "${nothing}" } }\n',
		});
		const { path: cwd } = folder;
		const one = sluice(["serve", "--workers", "2", "--port", `${port}`], {
			cwd,
		});
		const bad = sluice(["serve", "bad.yaml", "--workers", "2"], { cwd });
		const wrong = sluice(["serve", "bad.yaml", "--workers", "0"], { cwd });
		const told = sluice(["check"], { cwd });
		const codes = await Promise.all([one.ended, bad.ended, wrong.ended]);
		assert.equal(await told.ended, 0);
		assert.match(
			told.stdout(),
			/^each worker has its own: server\.connections \(docs\/scaling\.md\)$/m,
		);
		taken.close();
		assert.match(
			wrong.stderr(),
			/^--workers takes a number from 1 to 64, or `auto`, not 0\n$/,
		);
		assert.match(bad.stderr(), /bad\.yaml.*nothing/);
		assert.equal(bad.stderr().trim().split("\n").length, 1);
		const words = `port ${port} is taken by another process: stop it, or choose another with --port\n`;
		assert.equal(one.stderr(), words);
		assert.deepEqual(codes, [1, 2, 1]);
	});
});

describe("SIGUSR2 to the process that watches workers", () => {
	/** Asks all the time until it is told to stop: on kept connections, and on new ones. */
	function asking(url: string) {
		const agent = new Agent({ keepAlive: true, maxSockets: 4 });
		const answers: string[] = [];
		const faults: unknown[] = [];
		let goes = true;
		const loop = async (own: Agent | null) => {
			while (goes) {
				try {
					const { status, text } = await ask(
						`${url}/version`,
						own ? { agent: own } : {},
					);
					answers.push(`${status} ${text}`);
				} catch (error) {
					faults.push(error);
				}
			}
		};
		const loops = [agent, agent, agent, agent, null, null].map(loop);
		return {
			answers,
			async stop() {
				goes = false;
				await Promise.all(loops);
				agent.destroy();
				return { answers, faults };
			},
		};
	}

	it("starts each anew without a failed request, and reads the config again", async () => {
		await using workers = await startWorkers({ "sluice.yaml": simple });
		const before = workers.pids();
		const load = asking(workers.url);
		writeFileSync(
			join(workers.folder, "sluice.yaml"),
			simple.replace("respond: one", "respond: two"),
		);
		workers.command.process.kill("SIGUSR2");
		await workers.command.printed('"msg":"restarted the workers"');
		const { text } = await workers.get("/version");
		assert.equal(text, '"two"');
		const { answers, faults } = await load.stop();
		assert.deepEqual(faults, []);
		assert.deepEqual(new Set(answers), new Set(['200 "one"', '200 "two"']));
		assert.ok(answers.length > 20);
		assert.equal(workers.pids().length, 2);
		assert.deepEqual(
			before.filter((pid) => workers.pids().includes(pid)),
			[],
		);
		// What the old ones counted is not lost.
		assert.equal(
			await workers.metric("http_server_request_duration_seconds_count"),
			answers.length + 1,
		);
		assert.equal(await workers.metric("sluice_worker_restarts_total"), 0);
	});

	it("leaves the old workers where they are if the config has become wrong", async () => {
		await using workers = await startWorkers({ "sluice.yaml": simple });
		const before = workers.pids();
		writeFileSync(join(workers.folder, "sluice.yaml"), "routes: 7\n");
		workers.command.process.kill("SIGUSR2");
		await workers.command.printed("the restart was given up");
		assert.deepEqual(workers.pids(), before);
		assert.equal((await workers.get("/version")).text, '"one"');
		const [line] = workers.lines("a worker did not begin");
		assert.match(String(line?.fault), /sluice\.yaml:1:9/);
		assert.deepEqual([line?.worker, line?.code, line?.level], [1, 2, 50]);
		assertJson(workers);
	});
});

describe("workers that cannot begin", () => {
	it("say why in lines of the log, and in nothing else", async () => {
		await using workers = await startWorkers({
			"sluice.yaml": `${simple}auth: { partners: { keys: { file: ./keys.yaml } } }\ndefaults: { auth: partners }\n`,
			"keys.yaml": "[]\n",
		});
		const { command, folder } = workers;
		rmSync(join(folder, "keys.yaml"));
		command.process.kill("SIGUSR2");
		await command.printed("the restart was given up");
		const [gone] = workers.lines("a worker did not begin");
		assert.match(String(gone?.fault), /keys\.yaml/);
		writeFileSync(join(folder, "keys.yaml"), "[]\n");
		const secret = "planted-and-secret";
		writeFileSync(
			join(folder, "sluice.yaml"),
			`${simple}nonsense: 1\nmore: "${secret}"\n`,
		);
		const [pid = 0] = workers.pids();
		process.kill(pid, "SIGKILL");
		await until(
			() => workers.lines("a worker ended").at(-1)?.fault !== undefined,
		);
		const line = workers.lines("a worker ended").at(-1);
		assert.match(String(line?.fault), /sluice\.yaml:\d+:1: unknown key/);
		assert.deepEqual([line?.code, line?.faultsMore], [2, 1]);
		assertJson(workers);
	});

	it("leave an admin server that says so, and does not speak of load or of a drain", async () => {
		await using workers = await startWorkers({ "sluice.yaml": simple });
		writeFileSync(join(workers.folder, "sluice.yaml"), "routes: 7\n");
		for (const pid of workers.pids()) process.kill(pid, "SIGKILL");
		await until(
			() =>
				workers.lines("a worker ended").filter(({ fault }) => fault).length > 1,
		);
		await until(async () => (await workers.metric("sluice_workers")) === 0);
		const ready = await ask(`${workers.admin}/health/ready`);
		assert.deepEqual(
			[ready.status, ready.json],
			[503, { status: "no worker is ready" }],
		);
		for (const path of ["/state", "/history", "/config"]) {
			const { status, json } = await ask(`${workers.admin}${path}`);
			const { code, title } = json as { code: string; title: string };
			assert.deepEqual(
				[path, status, code, title],
				[path, 503, "admin_unavailable", "This cannot be shown at the moment"],
			);
		}
		assertJson(workers);
	});
});

/** Whoever reads the log reads a line of JSON each time, with its instant and its level. */
function assertJson({ command }: RunningWorkers): void {
	for (const line of command.stderr().trim().split("\n")) {
		const { time, level, msg } = JSON.parse(line);
		assert.ok(time && level && msg, line);
	}
}
