/**
 * What an answer from the cache costs: CPU microseconds of the process per request, of a route of one step beside a bare
 * `node:http` server that writes the same bytes. Run with `npm run bench:cache [-- <rounds> <seconds>]`; needs wrk.
 */

import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Listening } from "./gateways/listen.ts";
import { load } from "./load.ts";
import { createProcesses, type Processes, type Running } from "./processes.ts";
import { markdownTable } from "./report.ts";
import { interleave } from "./rounds.ts";
import { medianOf, pairedRatios, quartilesOf } from "./statistics.ts";

const [rounds = 7, seconds = 3] = process.argv.slice(2).map(Number);
const atMost = 1.3;
const connections = 32;
const target = "/users/7";

/** 521 bytes, as those of the other benches. */
const user = { id: 7, name: "Ann", text: "x".repeat(487) };

const config = (url: string) => `
upstreams:
  users: { url: "${url}", cache: true }
routes:
  GET /users/{id}:
    steps:
      user: { get: "users/users/\${params.id}" }
server: { health: false }
`;

/** Answers once for an hour, and counts. */
const upstream = { asked: 0 };
const origin = createServer((_request, response) => {
	upstream.asked++;
	response.setHeader("content-type", "application/json");
	response.setHeader("cache-control", "max-age=3600");
	response.end(JSON.stringify(user));
}).listen(0, "127.0.0.1");
await once(origin, "listening");

const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
try {
	await using processes = createProcesses();
	const { port } = origin.address() as AddressInfo;
	const file = join(folder, "sluice.yaml");
	writeFileSync(file, config(`http://127.0.0.1:${port}`));
	const sluice = await start(processes, "sluice.ts", file);
	const { headers, body } = await answerOf(sluice.url);
	const answer = join(folder, "answer.json");
	writeFileSync(answer, JSON.stringify({ headers, body }));
	const bare = await start(processes, "bare.ts", answer);
	const slice = ({ url, pid }: Started, seconds: number) =>
		load(processes, { pid, url: url + target, connections, seconds });
	for (const one of [sluice, bare, sluice, bare]) await slice(one, 2);
	const samples = await interleave([bare, sluice], rounds, (one) =>
		slice(one, seconds),
	);
	const [bareUs, ownUs] = [bare, sluice].map((one) =>
		(samples.get(one) ?? []).map(({ cpuUs }) => cpuUs),
	) as [number[], number[]];
	const ratios = pairedRatios(ownUs, bareUs);
	const spread = (values: readonly number[], digits: number) => {
		const [low, middle, high] = quartilesOf(values);
		const bounds = `${low.toFixed(digits)}–${high.toFixed(digits)}`;
		return `${middle.toFixed(digits)} (${bounds})`;
	};
	console.log(
		markdownTable(
			["", "CPU µs a request"],
			[
				["a bare node:http server", spread(bareUs, 1)],
				["one step, from the cache", spread(ownUs, 1)],
				["ratio", `${spread(ratios, 2)}; at most ${atMost}`],
			],
		),
	);
	console.log(
		`\n${body.length} bytes; the upstream was asked ${upstream.asked} time(s)`,
	);
	if (upstream.asked !== 1 || medianOf(ratios) > atMost) process.exitCode = 1;
} finally {
	origin.close();
	origin.closeAllConnections();
	rmSync(folder, { recursive: true, force: true });
}

interface Started extends Running {
	readonly url: string;
}

async function start(
	processes: Processes,
	name: string,
	argument: string,
): Promise<Started> {
	const program = fileURLToPath(new URL(`gateways/${name}`, import.meta.url));
	const flags = process.env.CPU_PROF
		? ["--cpu-prof", "--cpu-prof-dir", process.env.CPU_PROF]
		: [];
	const command = [process.execPath, ...flags, program, argument];
	const running = await processes.start("gateway", command, "line");
	const { url } = JSON.parse(running.line) as Listening;
	return { ...running, url };
}

/** What a client gets, but for the fields that node adds to each answer by itself. */
function answerOf(url: string): Promise<{ headers: string[]; body: string }> {
	return new Promise((resolve, reject) => {
		get(url + target, (response) => {
			let body = "";
			response.setEncoding("utf8");
			response.on("data", (piece: string) => {
				body += piece;
			});
			response.on("end", () => {
				const own = ["date", "connection", "keep-alive"];
				const headers = response.rawHeaders.filter((_, at, raw) => {
					return !own.includes((raw[at - (at % 2)] ?? "").toLowerCase());
				});
				resolve({ headers, body });
			});
		}).on("error", reject);
	});
}
