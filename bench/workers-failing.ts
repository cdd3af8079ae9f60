import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { Agent, createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { policiesOn } from "./competitors.ts";
import { childrenOf } from "./cpu.ts";
import { count } from "./load.ts";
import type { Processes } from "./processes.ts";
import { markdownTable } from "./report.ts";
import { routes, sluiceConfig } from "./routes.ts";
import { quartilesOf } from "./statistics.ts";

interface Kills {
	readonly bin: string;
	readonly folder: string;
	readonly upstreamUrl: string;
	readonly rounds: number;
}

/** How long clients ask around a kill. */
const loadSeconds = 6;

const ms = (values: readonly number[]) => {
	const [low, middle, high] = quartilesOf(values);
	return `${middle.toFixed(0)} (${low.toFixed(0)}–${high.toFixed(0)})`;
};

/** Kills a worker of a gateway that rests, and of one that is busy. Each time it is a new gateway, of which no worker has died before. */
export async function measureKills(
	processes: Processes,
	{ bin, folder, upstreamUrl, rounds }: Kills,
): Promise<string> {
	writeFileSync(
		join(folder, "pid.js"),
		"export const pid = () => process.pid;",
	);
	const config = sluiceConfig(upstreamUrl, policiesOn) as { routes: object };
	const file = join(folder, "killed.json");
	const route = { steps: { pid: { run: "pid.js#pid" } }, respond: "${pid}" };
	writeFileSync(
		file,
		JSON.stringify({
			...config,
			routes: { ...config.routes, "GET /pid": route },
			...{ admin: false, overload: false, server: { port: 0 } },
		}),
	);
	const rows: string[][] = [];
	for (const connections of [0, 32]) {
		const back: number[] = [];
		const plain: number[] = [];
		const lost: number[] = [];
		let asked = 0;
		for (let round = 0; round < rounds; round++) {
			const command = [process.execPath, bin, "serve", file, "--workers", "2"];
			const gateway = await processes.start("gateway", command, "line");
			const [url = ""] = /http:[^ ,]+/.exec(gateway.line) ?? [];
			const target = {
				...{ pid: gateway.pid, url: url + routes.three.target, connections },
				...{ seconds: loadSeconds, headers: ["connection: close"] },
			};
			const loading = Promise.all(
				connections > 0 ? [count(processes, target)] : [],
			);
			await pause(1_000);
			const began = performance.now();
			await processes.run("load", [process.execPath, "-e", "0"]);
			plain.push(performance.now() - began);
			back.push(await killOne(gateway.pid, url));
			for (const { requests, broken } of await loading) {
				lost.push(broken);
				asked += requests;
			}
			await gateway.end();
		}
		rows.push([
			connections === 0
				? "at rest"
				: `${connections} clients at once, a connection for each request`,
			...[ms(back), ms(plain)],
			...(lost.length > 0
				? [`${Math.max(...lost)}`, (asked / rounds).toFixed(0)]
				: ["", ""]),
		]);
	}
	return markdownTable(
		[
			"the gateway",
			"until another answers, ms",
			"`node -e 0`, ms",
			"requests lost, at most",
			"of",
		],
		rows,
	);
}

/** How long it takes until a new worker answers. */
async function killOne(primary: number, url: string): Promise<number> {
	const workers = () => childrenOf(`/proc/${primary}/task/${primary}`);
	const [, killed = 0] = workers();
	const before = new Set(workers());
	const began = performance.now();
	process.kill(killed, "SIGKILL");
	for (;;) {
		const pid = Number(await textOf(`${url}/pid`).catch(() => ""));
		if (pid > 0 && !before.has(pid)) return performance.now() - began;
		await pause(5);
	}
}

async function textOf(url: string): Promise<string> {
	const [response] = await once(get(url, { agent: new Agent() }), "response");
	let text = "";
	for await (const chunk of response) text += chunk;
	return text;
}

/** How many requests find no place, with one process and with two workers. */
export async function measureRefusals(
	processes: Processes,
	{ bin, folder, seconds }: { bin: string; folder: string; seconds: number },
): Promise<string> {
	const upstream = createServer((_, response) => {
		setTimeout(() => response.end("{}"), 50);
	});
	upstream.listen(0, "127.0.0.1");
	await once(upstream, "listening");
	const { port } = upstream.address() as AddressInfo;
	const file = join(folder, "places.json");
	const route = { steps: { it: { get: "slow/x" } }, respond: "${it}" };
	writeFileSync(
		file,
		JSON.stringify({
			upstreams: { slow: { url: `http://127.0.0.1:${port}` } },
			overload: { requests: 16, waiting: 8, wait: "5s" },
			routes: { "GET /x": route },
			...{ admin: false, server: { port: 0 } },
		}),
	);
	const rows: string[][] = [];
	for (const workers of [1, 2]) {
		const command = [process.execPath, bin, "serve", file];
		const gateway = await processes.start(
			"gateway",
			[...command, "--workers", `${workers}`],
			"line",
		);
		const [url = ""] = /http:[^ ,]+/.exec(gateway.line) ?? [];
		const { requests, failed, broken, microseconds } = await count(processes, {
			...{ pid: gateway.pid, url: `${url}/x`, connections: 40 },
			...{ seconds, headers: ["connection: close"] },
		});
		await gateway.end();
		const good = requests - failed;
		rows.push([
			workers === 1 ? "1 process" : `${workers} workers`,
			...[(good / (microseconds / 1e6)).toFixed(0), `${failed}`, `${broken}`],
		]);
	}
	upstream.closeAllConnections();
	upstream.close();
	return markdownTable(["", "answered a second", "refused", "broken"], rows);
}
