/**
 * What a second worker brings: three answers merged by one process, and by two workers on the same port. Run with
 * `npm run bench:workers [-- <rounds> <seconds>]`; needs nginx and wrk. The loader and the upstream need processor time, too,
 * so the ratio of requests says what workers bring only if cores are left for all. CPU for a request is that of all
 * processes of the gateway, and says what sharing costs on any machine.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { policiesOn } from "./competitors.ts";
import { load, type Slice } from "./load.ts";
import { createProcesses, type Running } from "./processes.ts";
import { markdownTable } from "./report.ts";
import { interleave } from "./rounds.ts";
import { routes, sluiceConfig } from "./routes.ts";
import { medianOf, pairedRatios, quartilesOf } from "./statistics.ts";
import { startUpstream } from "./upstream.ts";

const [rounds = 7, seconds = 2] = process.argv.slice(2).map(Number);
const { target } = routes.three;
const counts = [1, 2] as const;
type Count = (typeof counts)[number];

/** How clients come. */
const kinds = [
	{ title: "32 connections, kept", connections: 32, headers: [] },
	{
		title: "32 at once, a connection for each request",
		connections: 32,
		headers: ["connection: close"],
	},
	{
		title: "512 at once, a connection for each request",
		connections: 512,
		headers: ["connection: close"],
	},
] as const;

const bin = fileURLToPath(new URL("../bin/sluice.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
try {
	await using processes = createProcesses({ together: true });
	const upstreamUrl = await startUpstream(processes, join(folder, "upstream"));
	const file = join(folder, "sluice.json");
	const config = {
		...sluiceConfig(upstreamUrl, policiesOn),
		...{ admin: false, overload: false, server: { port: 0 } },
	};
	writeFileSync(file, JSON.stringify(config));
	const started = new Map<number, Running>();
	for (const count of counts) {
		const serve = ["serve", file, "--workers", `${count}`];
		const command = [process.execPath, bin, ...serve];
		started.set(count, await processes.start("gateway", command, "line"));
	}
	const rows: string[][] = [];
	for (const { title, connections, headers } of kinds) {
		const slice = (count: Count) => {
			const { pid, line } = started.get(count) as Running;
			const [url = ""] = /http:[^ ,]+/.exec(line) ?? [];
			const to = { pid, url: url + target, connections, headers, seconds };
			return load(processes, to);
		};
		for (const count of counts) await slice(count);
		const samples = await interleave(counts, rounds, slice);
		const of = (count: Count, value: (slice: Slice) => number) =>
			(samples.get(count) ?? []).map(value);
		const perSecond = (count: Count) => of(count, (one) => one.perSecond);
		const cpuUs = (count: Count) => of(count, (one) => one.cpuUs);
		const p99Ms = (count: Count) => of(count, (one) => one.p99Us / 1_000);
		rows.push([
			title,
			...counts.map((count) => spread(perSecond(count), 0)),
			spread(pairedRatios(perSecond(2), perSecond(1)), 2),
			...counts.map((count) => medianOf(cpuUs(count)).toFixed(1)),
			...counts.map((count) => medianOf(p99Ms(count)).toFixed(1)),
		]);
	}
	console.log(
		`${availableParallelism()} cores for the gateway, the loader and the upstream together; ${rounds} rounds of ${seconds} s\n`,
	);
	console.log(
		markdownTable(
			[
				...["clients", "requests/s: 1 process", "2 workers", "ratio"],
				...["CPU µs a request: 1", "2", "p99 ms: 1", "2"],
			],
			rows,
		),
	);
} finally {
	rmSync(folder, { recursive: true, force: true });
}

function spread(values: readonly number[], digits: number): string {
	const [low, middle, high] = quartilesOf(values);
	return `${middle.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
}
