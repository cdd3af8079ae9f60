import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Agent } from "node:http";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { ask } from "../../kit/serve.ts";
import { until } from "../../kit/until.ts";
import { pidFile, startWorkers } from "../../kit/workers.ts";

const functions = `${pidFile}
// Nothing turns the loop, and others may compute meanwhile.
export const hang = () => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); };
export const burn = () => {
	const endMs = performance.now() + 300;
	while (performance.now() < endMs);
	return process.pid;
};
export const work = () => {
	const endMs = performance.now() + 4;
	while (performance.now() < endMs);
	return process.pid;
};
`;

const config = (more = "", headersTimeout = "15s") => `
admin: { port: 0 }
server: { port: 0, drainDelay: 1s, drain: 20s, headersTimeout: ${headersTimeout} }
overload: false
${more}
routes:
  GET /pid: { steps: { pid: { run: "f.js#pid" } }, respond: "\${pid}" }
  GET /work: { steps: { pid: { run: "f.js#work" } }, respond: "\${pid}" }
  GET /burn: { steps: { pid: { run: "f.js#burn" } }, respond: "\${pid}" }
  GET /hang: { steps: { never: { run: "f.js#hang" } }, respond: "\${never}" }
`;

const files = (more?: string) => ({
	"f.js": functions,
	"sluice.yaml": config(more),
});

/** The processor time that a process has taken, in milliseconds. */
function processorMsOf(pid: number): number {
	const text = readFileSync(`/proc/${pid}/stat`, "utf8");
	// The name before the bracket may have spaces. The system counts hundredths of a second.
	const fields = text.slice(text.lastIndexOf(")")).split(" ");
	return 10 * (Number(fields[12]) + Number(fields[13]));
}

describe("several workers", () => {
	it("tell of one that hangs, kill it, and go on without it meanwhile", async () => {
		await using workers = await startWorkers(files());
		const hangs = ask(`${workers.url}/hang`).catch(() => "cut");
		await workers.command.printed('"msg":"a worker does not answer"');
		const [told] = workers.lines("a worker does not answer");
		for (let at = 0; at < 50; at++) {
			const { json } = await workers.get("/pid");
			assert.notEqual(json, told?.pid);
		}
		assert.equal(await workers.metric("sluice_workers_silent"), 1);
		await workers.command.printed('"msg":"a worker hangs, and is killed"');
		assert.equal(await hangs, "cut");
		await workers.command.printed('"msg":"a worker takes its place"');
		assert.equal(await workers.metric("sluice_workers_silent"), 0);
		assert.equal(await workers.metric("sluice_worker_restarts_total"), 1);
	});

	it("give new connections to whoever has time", async () => {
		await using workers = await startWorkers(files());
		const agent = new Agent({ keepAlive: true, maxSockets: 1 });
		let goes = true;
		const busy = new Set<unknown>();
		const loop = (async () => {
			while (goes) {
				busy.add((await ask(`${workers.url}/burn`, { agent })).json);
			}
		})();
		await until(() => busy.size > 0);
		let byOther = 0;
		for (let at = 0; at < 100; at++) {
			if (!busy.has((await workers.get("/pid")).json)) byOther++;
		}
		goes = false;
		await loop;
		agent.destroy();
		assert.ok(byOther >= 80, `${byOther} of 100`);
	});

	it("share connections that all were opened to one of them", async () => {
		await using workers = await startWorkers(files());
		const agents = Array.from(
			{ length: 12 },
			() => new Agent({ keepAlive: true, maxSockets: 1 }),
		);
		// One after the other, so that the same worker may take them all.
		for (const agent of agents) await ask(`${workers.url}/pid`, { agent });
		let goes = true;
		const faults: unknown[] = [];
		const last = new Map<Agent, number>();
		const loops = agents.map(async (agent) => {
			while (goes) {
				try {
					const { json } = await ask(`${workers.url}/work`, { agent });
					last.set(agent, json as number);
				} catch (error) {
					faults.push(error);
				}
			}
		});
		const isShared = () => {
			const all = Map.groupBy(last.values(), (pid) => pid);
			return (
				all.size === 2 && [...all.values()].every((some) => some.length > 2)
			);
		};
		await until(isShared);
		goes = false;
		await Promise.all(loops);
		for (const agent of agents) agent.destroy();
		assert.deepEqual(faults, []);
	});

	it("all work before one of them refuses, if clients bring a connection each", async (context) => {
		const bounds = "overload: { requests: 4, waiting: 8 }";
		await using workers = await startWorkers({
			"f.js": functions,
			"sluice.yaml": config().replace("overload: false", bounds),
		});
		const pids = workers.pids();
		const before = pids.map(processorMsOf);
		const answered = new Map<number, number>();
		let refused = 0;
		let left = 2_000;
		const client = async () => {
			while (left-- > 0) {
				const { status, text } = await ask(`${workers.url}/work`);
				if (status === 503) refused++;
				else answered.set(+text, (answered.get(+text) ?? 0) + 1);
			}
		};
		await Promise.all(Array.from({ length: 64 }, client));
		const worked = pids.map(
			(pid, at) => processorMsOf(pid) - (before[at] ?? 0),
		);
		context.diagnostic(
			`refused ${refused}; answered ${[...answered.values()]}; worked ${worked} ms`,
		);
		assert.ok(refused > 100, "there was no overload");
		// How much time the machine has for them is the same for both.
		assert.ok(Math.min(...worked) >= Math.max(...worked) / 2);
		const counts = pids.map((pid) => answered.get(pid) ?? 0);
		assert.ok(Math.min(...counts) >= Math.max(...counts) / 3);
	});

	it("lose no request in three restarts under load", async () => {
		await using workers = await startWorkers(files());
		const agent = new Agent({ keepAlive: true, maxSockets: 16 });
		let goes = true;
		let answered = 0;
		const faults: unknown[] = [];
		const loop = async (path: string, own: Agent | null, restMs = 0) => {
			while (goes) {
				if (restMs > 0) await pause(restMs);
				try {
					const { status } = await ask(
						workers.url + path,
						own ? { agent: own } : {},
					);
					if (status === 200) answered++;
					else faults.push(status);
				} catch (error) {
					faults.push(error);
				}
			}
		};
		const loops = Array.from({ length: 24 }, (_, at) =>
			loop(at % 8 === 0 ? "/work" : "/pid", at < 16 ? agent : null),
		);
		// Their connections are at rest now and then, which is when a server that leaves may close them.
		const resting = new Agent({ keepAlive: true });
		for (let at = 0; at < 4; at++) loops.push(loop("/pid", resting, 10));
		for (let round = 1; round <= 3; round++) {
			workers.command.process.kill("SIGUSR2");
			await until(() => workers.lines("restarted the workers").length >= round);
		}
		goes = false;
		await Promise.all(loops);
		agent.destroy();
		resting.destroy();
		assert.deepEqual(faults, []);
		assert.ok(answered > 300, `${answered} were answered`);
		assert.equal(
			await workers.metric("http_server_request_duration_seconds_count"),
			answered,
		);
	});

	it("write one history, and lose none of it", async () => {
		await using workers = await startWorkers(
			files("history: { file: ./kept.db, requests: all }"),
		);
		const agent = new Agent({ keepAlive: true, maxSockets: 8 });
		const count = 2_000;
		const pids = new Set<unknown>();
		const loop = async () => {
			for (let at = 0; at < count / 8; at++) {
				// A connection for each, so that both have some.
				const own = at % 2 === 0 ? { agent } : {};
				pids.add((await ask(`${workers.url}/pid`, own)).json);
			}
		};
		await Promise.all(Array.from({ length: 8 }, loop));
		agent.destroy();
		assert.equal(pids.size, 2);
		workers.command.process.kill("SIGTERM");
		assert.equal(await workers.command.ended, 0);
		const { default: sqlite } = await import("node:sqlite");
		using db = new sqlite.DatabaseSync(`${workers.folder}/kept.db`, {
			readOnly: true,
		});
		const rows = db
			.prepare("SELECT count(DISTINCT id) AS n FROM request")
			.get();
		assert.equal(rows?.n, count);
		assert.equal(
			workers.lines("requests are missing in the history").length,
			0,
		);
	});

	it("time clients as one process does", async () => {
		await using workers = await startWorkers({
			"f.js": functions,
			"sluice.yaml": config("", "1s"),
		});
		const { port, hostname } = new URL(workers.url);
		const socket = connect(Number(port), hostname);
		socket.write("GET / HTTP/1.1\r\n");
		let text = "";
		for await (const chunk of socket) text += chunk;
		assert.match(text, /^HTTP\/1\.1 408 /);
	});

	it("are started again however often they die, while the others answer", async () => {
		await using workers = await startWorkers(files());
		const [first] = workers.pids();
		const survivor = workers.pids()[1];
		process.kill(first ?? 0, "SIGKILL");
		for (const deaths of [1, 2]) {
			await until(async () => {
				await workers.get("/pid").catch(() => {});
				return workers.lines("a worker takes its place").length >= deaths;
			});
			const next = workers.pids().find((pid) => pid !== survivor);
			process.kill(next ?? 0, "SIGKILL");
		}
		await until(async () => {
			assert.equal((await workers.get("/pid")).status, 200);
			return workers.lines("a worker ended").length >= 3;
		});
		assert.deepEqual(
			workers.lines("a worker ended").map(({ againMs }) => againMs),
			[0, 1_000, 2_000],
		);
		assert.ok(survivor && workers.pids().includes(survivor));
	});
});
