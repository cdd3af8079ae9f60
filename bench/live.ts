/**
 * What a listener costs: memory while it is idle, and CPU time for each message that it is sent, beside the same by hand and
 * nginx's push. Run with `npm run bench:live [-- <rounds> <most listeners> <part of a title>]`. Writes `results/live.md` if
 * no argument is given. It takes some six minutes.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
	type LiveContender,
	type LiveMemory,
	liveContenders,
	type StartedLive,
} from "./live-contenders.ts";
import {
	type CpuResult,
	livePage,
	type MemoryPerListener,
} from "./live-report.ts";
import { describeMachine } from "./machine.ts";
import { createProcesses, has, type Processes } from "./processes.ts";
import { interleave } from "./rounds.ts";

const [roundsText = "9", mostText = "10000", part = ""] = process.argv.slice(2);
const whole = process.argv.length === 2;
const rounds = Number(roundsText);
const most = Number(mostText);

/** How many listeners are idle when memory is looked at. */
const memoryCounts = [2_000, 10_000].filter((count) => count <= most);
/** How many listen when messages are sent. */
const cpuCounts = [100, 1_000, 10_000].filter((count) => count <= most);

/** In a slice so many messages reach a listener, all together. */
const heardEach = 40_000;
const messagesMax = 400;

/**
 * A process that had so many listeners before has made what it needs for the first of them. The memory of more would be
 * there for those that are counted.
 */
const warmUpListeners = 50;

const warmUpSlices = 3;

/** Each process has a file for every listener, and some of its own. */
const filesMore = 500;

const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
await using processes = createProcesses();
const why = whyNot();
if (why === null) {
	await bench(processes);
} else {
	console.error(why);
	process.exitCode = 1;
}

function whyNot(): string | null {
	const limit = execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" });
	const files = limit.trim() === "unlimited" ? Infinity : Number(limit);
	if (!(rounds >= 1 && most >= 100)) {
		return "rounds and listeners are numbers: at least one round and 100 listeners";
	}
	if (files >= most + filesMore) return null;
	return `${most} listeners need ${most + filesMore} open files, and \`ulimit -Hn\` is ${files}`;
}

async function bench(processes: Processes): Promise<void> {
	const chosen = liveContenders.filter(
		({ form, title, missing }) =>
			`${form} ${title}`.includes(part) && !isMissing(title, missing),
	);
	const listened = chosen.filter(
		({ role }) => role !== "system" && role !== "node",
	);
	const memory = await interleave(listened, Math.ceil(rounds / 3), (one) =>
		measureMemory(processes, one),
	);
	const cpu: CpuResult[] = [];
	for (const count of cpuCounts) {
		cpu.push({ count, samples: await measureCpu(processes, chosen, count) });
	}
	const page = livePage({
		date: new Date(),
		machine: describeMachine(),
		apart: processes.apart,
		...{ rounds, memoryCounts, memory, cpu },
	});
	console.log(page);
	const file = new URL("results/live.md", import.meta.url);
	if (whole) writeFileSync(file, page);
}

function isMissing(title: string, missing: LiveContender["missing"]): boolean {
	if (title.startsWith("nginx") && !has("nginx", "-v")) {
		console.log(`without ${title}: apt-get install nginx libnginx-mod-nchan`);
		return true;
	}
	const why = missing();
	if (why !== null) console.log(`without ${title}: ${why}`);
	return why !== null;
}

/** A process of its own for each round, because one that had many listeners keeps some of their memory. */
async function measureMemory(
	processes: Processes,
	contender: LiveContender,
): Promise<readonly MemoryPerListener[]> {
	const started = await contender.start(processes, folder);
	try {
		await started.open(warmUpListeners);
		await started.say(2);
		await started.close();
		const before = await started.memory();
		const result: MemoryPerListener[] = [];
		for (const count of memoryCounts) {
			await started.open(count);
			await started.say(2);
			result.push(perListener(before, await started.memory(), count));
		}
		return result;
	} finally {
		await started.end();
	}
}

function perListener(
	before: LiveMemory,
	after: LiveMemory,
	count: number,
): MemoryPerListener {
	const of = (from: number | null, to: number | null) =>
		from === null || to === null ? null : (to - from) / count;
	return {
		residentBytes: of(before.residentBytes, after.residentBytes) ?? 0,
		heapBytes: of(before.heapBytes, after.heapBytes),
	};
}

/** CPU microseconds of each contender per listener and message. All run side by side, and one at a time is sent anything. */
async function measureCpu(
	processes: Processes,
	chosen: readonly LiveContender[],
	count: number,
): Promise<ReadonlyMap<LiveContender, readonly number[]>> {
	const messages = Math.min(messagesMax, Math.ceil(heardEach / count));
	const started = new Map<LiveContender, StartedLive>();
	try {
		for (const one of chosen) {
			const live = await one.start(processes, folder);
			started.set(one, live);
			await live.open(count);
		}
		const slice = async (one: LiveContender) => {
			const live = started.get(one) as StartedLive;
			const beforeNs = live.cpuNs();
			await live.say(messages);
			return (live.cpuNs() - beforeNs) / 1_000 / messages / count;
		};
		for (let round = 0; round < warmUpSlices; round++) {
			for (const one of chosen) await slice(one);
		}
		return await interleave(chosen, rounds, slice);
	} finally {
		for (const live of started.values()) await live.end();
	}
}
