import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Agent } from "node:http";
import { describe, it } from "node:test";
import {
	busyConfig,
	busyFiles,
	busyFunctions,
} from "../../kit/busy-workers.ts";
import { ask } from "../../kit/serve.ts";
import { until } from "../../kit/until.ts";
import { json, startUpstream } from "../../kit/upstream.ts";
import { startWorkers } from "../../kit/workers.ts";

/** How many requests each worker may have in progress. */
const places = 8;

const holding = `
server: { port: 0, drain: 10s }
overload: { requests: ${places}, waiting: 2, wait: 30s, skipAt: 1m, refuseAt: 1m }
upstreams: { held: { url: "\${env.HELD_URL}" } }
routes:
  GET /held:
    steps:
      pid: { run: "f.js#pid" }
      held: { get: "held/\${pid}" }
    respond: { pid: "\${pid}", held: "\${held}" }
`;

/** The processor time that a process has taken, in milliseconds. */
function processorMsOf(pid: number): number {
	const text = readFileSync(`/proc/${pid}/stat`, "utf8");
	// The name before the bracket may have spaces. The system counts hundredths of a second.
	const fields = text.slice(text.lastIndexOf(")")).split(" ");
	return 10 * (Number(fields[12]) + Number(fields[13]));
}

/** Whether nothing waits in the system's queue of this port, after so many connections were opened to it. */
function acceptedAll(port: number, opened: number): boolean {
	const lines = readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1, -1);
	const own = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
	let waits = 0;
	let open = 0;
	for (const line of lines) {
		const [, local = "", , state, queues = ""] = line.trim().split(/\s+/);
		if (!local.endsWith(own)) continue;
		if (state === listens)
			waits += Number.parseInt(queues.split(":")[1] ?? "", 16);
		else if (state === established) open++;
	}
	return open >= opened && waits === 0;
}

/** As the system writes the states of sockets. */
const established = "01";
const listens = "0A";

describe("connections of several workers", () => {
	it("give new connections to whoever has time", async () => {
		await using workers = await startWorkers(busyFiles());
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
		await using workers = await startWorkers(busyFiles());
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
			"f.js": busyFunctions,
			"sluice.yaml": busyConfig().replace("overload: false", bounds),
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
		// More than both have places for, because connections go to whoever has one.
		await Promise.all(Array.from({ length: 256 }, client));
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

	it("refuse nobody while one of them rests, whoever of them accepts", async () => {
		const waiting = new Map<number, (() => void)[]>();
		await using upstream = await startUpstream(({ target }, response) => {
			const pid = Number(target.slice(1));
			const answers = waiting.get(pid) ?? [];
			waiting.set(pid, answers);
			answers.push(() => json(response, {}));
		});
		await using workers = await startWorkers(
			{ "f.js": busyFunctions, "sluice.yaml": holding },
			{ env: { HELD_URL: upstream.url } },
		);
		const held = (pid: number) => waiting.get(pid)?.length ?? 0;
		const heldByAll = () =>
			workers.pids().reduce((sum, pid) => sum + held(pid), 0);
		const asked = () => ask(`${workers.url}/held`).then(({ status }) => status);
		// A worker that was stopped for a second may hang, as far as anybody knows, and is given nothing.
		for (let stoppedMs = Infinity; stoppedMs > 800; ) {
			const first: Promise<number>[] = [];
			const full = () => workers.pids().find((pid) => held(pid) === places);
			while (full() === undefined) {
				first.push(asked());
				await until(() => heldByAll() === first.length);
			}
			const rests = workers.pids().find((pid) => pid !== full()) ?? 0;
			const more = Math.min(4, places - held(rests));
			const before = held(rests);
			const sinceMs = performance.now();
			process.kill(rests, "SIGSTOP");
			// Only the full one can accept them.
			const second = Array.from({ length: more }, asked);
			const { port } = new URL(workers.url);
			await until(
				() =>
					heldByAll() > first.length || acceptedAll(+port, first.length + more),
			);
			process.kill(rests, "SIGCONT");
			stoppedMs = performance.now() - sinceMs;
			if (stoppedMs <= 800) {
				await until(() => held(rests) === before + more);
			}
			const done = Promise.all([...first, ...second]);
			let over = false;
			void done.then(() => {
				over = true;
			});
			await until(() => {
				for (const answers of waiting.values()) {
					for (const answer of answers.splice(0)) answer();
				}
				return over;
			});
			if (stoppedMs <= 800) {
				assert.deepEqual(new Set(await done), new Set([200]));
			}
		}
	});
});
