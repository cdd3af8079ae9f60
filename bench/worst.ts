/**
 * What one request costs others at the default limits, by kind of input: the longest turn of the event loop, in which
 * nobody else is served, and the memory by which the process grows. Run with
 * `npm run bench:worst [-- <rounds> <part of a title>]`. Writes `results/worst.md` if no title is given.
 */

import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { residentBytes } from "./cpu.ts";
import type { Listening } from "./gateways/listen.ts";
import { describeMachine } from "./machine.ts";
import { createProcesses, type Processes } from "./processes.ts";
import { markdownTable } from "./report.ts";
import { quartilesOf } from "./statistics.ts";
import {
	answerOf,
	configOf,
	type WorstKind,
	worstKinds,
} from "./worst-kinds.ts";

const [roundsText = "3", part = ""] = process.argv.slice(2);
const rounds = Number(roundsText);

/** What no turn of the loop may take. */
const turnMsMax = 100;

interface Sample {
	readonly status: number;
	readonly turnMs: number;
	readonly grownBytes: number;
}

/** What the upstream answers now. */
const now: { bytes: Uint8Array; gzip: boolean } = {
	bytes: new Uint8Array(),
	gzip: false,
};
const service = createServer((_request, response) => {
	const coding = now.gzip ? { "content-encoding": "gzip" } : {};
	response.writeHead(200, { "content-type": "application/json", ...coding });
	response.end(now.bytes);
}).listen(0, "127.0.0.1");
await once(service, "listening");
const { port } = service.address() as AddressInfo;
const serviceUrl = `http://127.0.0.1:${port}`;

const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
try {
	await using processes = createProcesses();
	const chosen = worstKinds.filter(({ group, title }) =>
		`${group} ${title}`.includes(part),
	);
	const samples = new Map<WorstKind, Sample[]>();
	for (let round = 0; round < rounds; round++) {
		for (const kind of chosen) {
			const sample = await measure(processes, kind);
			samples.set(kind, [...(samples.get(kind) ?? []), sample]);
		}
	}
	const page = pageOf(samples, processes.apart);
	console.log(page);
	if (part === "") {
		const file = new URL("results/worst.md", import.meta.url);
		writeFileSync(file, page);
	}
	const over = [...samples.values()].some(
		(of) => quartilesOf(of.map(({ turnMs }) => turnMs))[1] > turnMsMax,
	);
	if (over) process.exitCode = 1;
} finally {
	service.close();
	service.closeAllConnections();
	rmSync(folder, { recursive: true, force: true });
}

/** One request to a process of its own, which has answered another kind of request before. */
async function measure(processes: Processes, kind: WorstKind): Promise<Sample> {
	const file = join(folder, "sluice.yaml");
	writeFileSync(file, JSON.stringify(configOf(kind, serviceUrl)));
	const program = fileURLToPath(
		new URL("gateways/watched.ts", import.meta.url),
	);
	const command = [process.execPath, "--expose-gc", program, file];
	const running = await processes.start("gateway", command, "line");
	const { url, watchUrl = "" } = JSON.parse(running.line) as Listening;
	const body = kind.body?.();
	now.bytes = Buffer.from("1");
	now.gzip = false;
	for (let warm = 0; warm < 20; warm++) await ask(`${url}/warm`, {}, "[1]");
	now.bytes = answerOf(kind);
	now.gzip = kind.gzip ?? false;
	await ask(`${watchUrl}/begin`, {});
	const before = residentBytes(running.pid);
	let most = before;
	const look = setInterval(() => {
		most = Math.max(most, residentBytes(running.pid));
	}, 2);
	const { status } = await ask(url + (kind.target ?? "/x"), kind, body);
	clearInterval(look);
	most = Math.max(most, residentBytes(running.pid));
	const { text } = await ask(`${watchUrl}/end`, {});
	await running.end();
	const { longestMs } = JSON.parse(text) as { longestMs: number };
	return { status, turnMs: longestMs, grownBytes: most - before };
}

/** Sends the target as it is written. */
function ask(
	url: string,
	{ headers = [] }: Pick<WorstKind, "headers">,
	body?: string,
): Promise<{ readonly status: number; readonly text: string }> {
	const { hostname, port: to, origin } = new URL(url);
	const fields = ["host", hostname, ...headers];
	if (body !== undefined) {
		fields.push("content-type", "application/json");
		fields.push("content-length", String(Buffer.byteLength(body)));
	}
	return new Promise((resolve, reject) => {
		const request = httpRequest(
			{
				hostname,
				port: to,
				path: url.slice(origin.length),
				method: body === undefined ? "GET" : "POST",
				headers: fields,
				agent: false,
			},
			async (response) => {
				const chunks: Buffer[] = [];
				for await (const chunk of response) chunks.push(chunk as Buffer);
				const text = Buffer.concat(chunks).toString();
				resolve({ status: response.statusCode ?? 0, text });
			},
		);
		request.on("error", reject);
		request.end(body);
	});
}

function pageOf(
	samples: ReadonlyMap<WorstKind, readonly Sample[]>,
	apart: string,
): string {
	const date = new Date().toISOString().slice(0, 10);
	const groups = Map.groupBy(samples, ([{ group }]) => group);
	const parts = [
		"# The worst that one request does to others",
		[
			`${date}, ${rounds} rounds.`,
			...describeMachine().map((fact) => `${fact}.`),
			`Pinning: ${apart}.`,
		].join("\n"),
		"One request at the default limits to a process that has just begun. The longest turn of the event loop, in processor time, is how long others wait at most. Medians, in parentheses the least and the most. `npm run bench:worst` writes this page.",
		...Array.from(groups, ([group, entries]) => {
			const rows = entries.map(([{ title }, of]) => [
				title.replaceAll("|", "\\|"),
				[...new Set(of.map(({ status }) => status))].join(", "),
				spread(of.map(({ turnMs }) => turnMs)),
				spread(of.map(({ grownBytes }) => grownBytes / 2 ** 20)),
			]);
			const head = ["", "status", "longest turn, ms", "memory, MiB"];
			return `## ${group}\n\n${markdownTable(head, rows)}`;
		}),
	];
	return `${parts.join("\n\n")}\n`;
}

function spread(values: readonly number[]): string {
	const [, middle] = quartilesOf(values);
	const bounds = [Math.min(...values), Math.max(...values)];
	return `${middle.toFixed(0)} (${bounds.map((one) => one.toFixed(0)).join("–")})`;
}
