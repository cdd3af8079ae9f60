import { fileURLToPath } from "node:url";
import { cpuNs } from "./cpu.ts";
import type { Processes } from "./processes.ts";

/** What one slice of load showed. */
export interface Slice {
	/** CPU time of the gateway's process per request. */
	readonly cpuUs: number;
	readonly requests: number;
	readonly perSecond: number;
	readonly p50Us: number;
	readonly p99Us: number;
}

export interface Target {
	/** The gateway's process. */
	readonly pid: number;
	readonly url: string;
	/** How many connections ask at once, each again as soon as it has its answer. */
	readonly connections: number;
	readonly seconds: number;
	/** Header fields that each request has besides, as wrk takes them: `connection: close`. */
	readonly headers?: readonly string[];
	/** Over so many routes the requests go: `N` in the path is the route's number. Default: the path as it is. */
	readonly routes?: number;
}

/** What wrk has counted: `failed` of the requests had another status than 2xx or 3xx. */
interface Counted {
	readonly requests: number;
	readonly microseconds: number;
	readonly p50Us: number;
	readonly p99Us: number;
	readonly failed: number;
	readonly broken: number;
}

const script = fileURLToPath(new URL("load.lua", import.meta.url));
const rotating = fileURLToPath(new URL("rotate.lua", import.meta.url));

/** Where a busy machine gave no answer at all in a slice, it is taken longer, up to this. */
const secondsMax = 8;

/** Asks a gateway for a while, by wrk, and tells what became of it. */
export async function count(
	processes: Processes,
	{ url, connections, seconds, headers = [], routes }: Target,
): Promise<Counted> {
	const output = await processes.run("load", [
		...["wrk", "--threads", "1", "--connections", `${connections}`],
		...["--duration", `${seconds}s`, "--timeout", "10s"],
		...headers.flatMap((field) => ["--header", field]),
		...["--script", routes === undefined ? script : rotating, url],
		...(routes === undefined ? [] : ["--", `${routes}`]),
	]);
	return JSON.parse(output.trim().split("\n").at(-1) ?? "") as Counted;
}

/** Asks a gateway for a while, by wrk. Fails where any request failed: a figure of failures says nothing. */
export async function load(
	processes: Processes,
	target: Target,
): Promise<Slice> {
	const { pid, url, seconds } = target;
	const beforeNs = cpuNs(pid);
	const counted = await count(processes, target);
	const usedNs = cpuNs(pid) - beforeNs;
	const { requests, microseconds, p50Us, p99Us, failed, broken } = counted;
	if (requests + failed + broken === 0 && seconds < secondsMax) {
		return load(processes, { ...target, seconds: seconds * 2 });
	}
	if (requests === 0 || failed + broken > 0) {
		throw new Error(
			`${url}: ${requests} answers, ${failed} of them failures; ${broken} connections broke or timed out`,
		);
	}
	return {
		cpuUs: usedNs / 1_000 / requests,
		requests,
		perSecond: requests / (microseconds / 1e6),
		p50Us,
		p99Us,
	};
}
