import { readdirSync, readFileSync } from "node:fs";

/**
 * The CPU time in nanoseconds that a process has used, with all its threads and all its children that are alive: what the
 * scheduler itself adds up, without the 10 ms steps of `/proc/PID/stat`.
 */
export function cpuNs(pid: number, proc = "/proc"): number {
	let sum = 0;
	for (const thread of readdirSync(`${proc}/${pid}/task`)) {
		const task = `${proc}/${pid}/task/${thread}`;
		const [running = ""] = readFileSync(`${task}/schedstat`, "utf8").split(" ");
		sum += Number(running);
		for (const child of childrenOf(task)) sum += cpuNs(child, proc);
	}
	return sum;
}

/** Memory of the process that is in RAM, in bytes. */
export function residentBytes(pid: number, proc = "/proc"): number {
	const status = readFileSync(`${proc}/${pid}/status`, "utf8");
	const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
	return Number(kibibytes) * 1024;
}

/** As `residentBytes`, with that of all its children that are alive. What they share counts once for each. */
export function residentBytesOfAll(pid: number, proc = "/proc"): number {
	let sum = residentBytes(pid, proc);
	for (const thread of readdirSync(`${proc}/${pid}/task`)) {
		for (const child of childrenOf(`${proc}/${pid}/task/${thread}`)) {
			sum += residentBytesOfAll(child, proc);
		}
	}
	return sum;
}

/** The processes that a thread has started, by its folder in `/proc`. */
export function childrenOf(task: string): number[] {
	const pids = readFileSync(`${task}/children`, "utf8").split(" ");
	return pids.filter((pid) => pid.trim() !== "").map(Number);
}
