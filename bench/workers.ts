/**
 * What a second worker brings: three answers merged by one process, and by two workers on the same port; what a worker that
 * is killed costs; and who is refused when places are missing. Run with
 * `npm run bench:workers [-- <rounds> <seconds> <share>]`; needs nginx and wrk. Writes `results/workers.md` if no argument is given, or
 * with `write` behind the others.
 *
 * The loader and the upstream need processor time, too. So each process of the gateway is held to a share of a core, if the
 * system lets us (`shares.ts`): then the gateway is what is short, and the ratio says what a worker brings. `0` as the share
 * lets all have all cores.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { policiesOn } from "./competitors.ts";
import { childrenOf } from "./cpu.ts";
import { load, type Slice } from "./load.ts";
import { describeMachine } from "./machine.ts";
import { createProcesses, type Processes, type Running } from "./processes.ts";
import { markdownTable } from "./report.ts";
import { interleave } from "./rounds.ts";
import { routes, sluiceConfig } from "./routes.ts";
import { createShares, type Shares } from "./shares.ts";
import { medianOf, pairedRatios, quartilesOf } from "./statistics.ts";
import { startUpstream } from "./upstream.ts";
import { measureKills, measureRefusals } from "./workers-failing.ts";

const words = process.argv.slice(2).filter((word) => word !== "write");
const writes = process.argv.length === 2 || process.argv.includes("write");
const [rounds = 7, seconds = 2, share = 0.25] = words.map(Number);
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

/** Starts a gateway with so many workers, and waits until all of them are there. */
async function start(
	processes: Processes,
	file: string,
	count: number,
): Promise<Running & { readonly url: string }> {
	const serve = ["serve", file, "--workers", `${count}`];
	const command = [process.execPath, bin, ...serve];
	const running = await processes.start("gateway", command, "line");
	const [url = ""] = /http:[^ ,]+/.exec(running.line) ?? [];
	return { ...running, url };
}

/** The share of the machine's processor time in which it did nothing, since the last call. */
function idleShare(): () => number {
	const sums = () => {
		const all = cpus().map(({ times }) => times);
		const idle = all.reduce((sum, times) => sum + times.idle, 0);
		const whole = all.reduce(
			(sum, { user, nice, sys, idle, irq }) =>
				sum + user + nice + sys + idle + irq,
			0,
		);
		return [idle, whole] as const;
	};
	let before = sums();
	return () => {
		const now = sums();
		const share = (now[0] - before[0]) / Math.max(1, now[1] - before[1]);
		before = now;
		return share;
	};
}

/** With less left, the gateway was not the only one that was short of time. */
const idleMin = 0.1;

interface Measured extends Slice {
	/** Of the machine. */
	readonly idle: number;
	/** How often the processes that take requests were out of time; null without shares. */
	readonly out: number | null;
}

async function measureThroughput(
	processes: Processes,
	file: string,
	shares: Shares | null,
): Promise<string> {
	const started = new Map<Count, Running & { url: string; takers: number[] }>();
	for (const count of counts) {
		const one = await start(processes, file, count);
		const workers = childrenOf(`/proc/${one.pid}/task/${one.pid}`);
		const all = [one.pid, ...workers];
		for (const pid of all) shares?.hold(pid);
		started.set(count, { ...one, takers: count === 1 ? [one.pid] : workers });
	}
	const rows: string[][] = [];
	let leastIdle = 1;
	for (const { title, connections, headers } of kinds) {
		const slice = async (count: Count): Promise<Measured> => {
			const { pid, url, takers } = started.get(count) as Running & {
				url: string;
				takers: number[];
			};
			const idle = idleShare();
			shares?.outOfTime(takers);
			const to = { pid, url: url + target, connections, headers, seconds };
			const measured = await load(processes, to);
			const out = shares?.outOfTime(takers) ?? null;
			return { ...measured, idle: idle(), out };
		};
		for (const count of counts) await slice(count);
		const samples = await interleave(counts, rounds, slice);
		const of = (count: Count, value: (slice: Measured) => number) =>
			(samples.get(count) ?? []).map(value);
		const percent = (value: (slice: Measured) => number) =>
			counts
				.map((count) => (100 * medianOf(of(count, value))).toFixed(0))
				.join(" · ");
		for (const count of counts) {
			leastIdle = Math.min(leastIdle, medianOf(of(count, (one) => one.idle)));
		}
		const perSecond = (count: Count) => of(count, (one) => one.perSecond);
		const cpuUs = (count: Count) => of(count, (one) => one.cpuUs);
		const p99Ms = (count: Count) => of(count, (one) => one.p99Us / 1_000);
		rows.push([
			title,
			...counts.map((count) => spread(perSecond(count), 0)),
			spread(pairedRatios(perSecond(2), perSecond(1)), 2),
			counts.map((count) => medianOf(cpuUs(count)).toFixed(1)).join(" · "),
			spread(pairedRatios(cpuUs(2), cpuUs(1)), 2),
			counts.map((count) => medianOf(p99Ms(count)).toFixed(1)).join(" · "),
			shares ? percent((one) => one.out ?? 0) : "",
			percent((one) => one.idle),
		]);
	}
	const table = markdownTable(
		[
			...["clients", "requests/s: 1 process", "2 workers", "ratio"],
			...["CPU µs a request: 1 · 2", "ratio", "p99 ms: 1 · 2"],
			...["out of time %: 1 · 2", "machine idle %: 1 · 2"],
		],
		rows,
	);
	if (shares === null || leastIdle >= idleMin) return table;
	return `${table}\n\n**The machine had nothing left: something else than the gateway was short, too, so these ratios say little.** Run it on a machine that rests.`;
}

function spread(values: readonly number[], digits: number): string {
	const [low, middle, high] = quartilesOf(values);
	return `${middle.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
}

const made = share > 0 ? createShares(share) : { why: "none was asked for" };
const shares = "why" in made ? null : made;
const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
// Also if the program is interrupted, and after its processes have ended.
process.once("exit", () => {
	shares?.[Symbol.dispose]();
	rmSync(folder, { recursive: true, force: true });
});
{
	await using processes = createProcesses({ together: true });
	const upstreamUrl = await startUpstream(processes, join(folder, "upstream"));
	const file = join(folder, "sluice.json");
	const config = {
		...sluiceConfig(upstreamUrl, policiesOn),
		...{ admin: false, overload: false, server: { port: 0 } },
	};
	writeFileSync(file, JSON.stringify(config));
	const how = shares
		? `each process of the gateway has ${share} of a core`
		: `the gateway, the loader and the upstream share all cores, so the ratio of requests is not what workers bring (no shares: ${"why" in made ? made.why : ""})`;
	const page = `# What workers bring

${new Date().toISOString().slice(0, 10)}. ${describeMachine().join(". ")}. ${availableParallelism()} cores.

\`npm run bench:workers\`. In brackets are the first and the third quartile.

## Throughput: ${how}

${rounds} rounds of ${seconds} s, in turns. Three calls merged, features on. CPU for a request is that of all processes of the gateway, and says what sharing costs on any machine.${shares ? " Out of time: in how many periods of 20 ms a process had used its share, so that nothing but the gateway was short." : ""}

${await measureThroughput(processes, file, shares)}

## A worker is killed by SIGKILL

Two workers, all cores. Until another takes its place: by the clock, from the signal until it has answered its first request. Beside it is the start of \`node -e 0\` at the same time.

${await measureKills(processes, { bin, folder, upstreamUrl, rounds: Math.min(rounds, 5) })}

## Places are missing

Each process has places for 16 requests, and 8 more may wait. An upstream takes 50 ms. Forty clients bring a connection for each request, and come again at once.

${await measureRefusals(processes, { bin, folder, seconds })}
`;
	console.log(page);
	const result = new URL("results/workers.md", import.meta.url);
	if (writes) writeFileSync(result, page);
}
