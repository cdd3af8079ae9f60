import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Place, policiesOn, startSluice } from "./competitors.ts";
import { load } from "./load.ts";
import { markdownTable } from "./report.ts";
import { type RouteName, routes, sluiceConfig } from "./routes.ts";

/** What V8 writes with `--cpu-prof`, as far as it is read here. */
export interface CpuProfile {
	readonly nodes: readonly {
		readonly id: number;
		readonly callFrame: {
			readonly functionName: string;
			readonly url: string;
			readonly lineNumber: number;
		};
	}[];
	readonly samples: readonly number[];
	readonly timeDeltas: readonly number[];
}

const warmUpSeconds = 4;
const seconds = 10;
const rowsMax = 40;

/** Where the time of one route went. */
export interface RouteProfile {
	readonly route: RouteName;
	/** CPU time of the whole process, in microseconds per request, under the profiler. */
	readonly cpuUs: number;
	/** By function, the largest first. */
	readonly times: readonly SelfTime[];
}

/** Time in one function itself. */
interface SelfTime {
	readonly name: string;
	readonly place: string;
	readonly ms: number;
}

/** Runs Sluice, features on, alone on a route under V8's profiler. */
export async function profileRoute(
	route: RouteName,
	place: Place,
): Promise<RouteProfile> {
	const folder = mkdtempSync(join(place.folder, "profile-"));
	const gateway = await startSluice(
		place,
		sluiceConfig(place.upstreamUrl, policiesOn),
		{ listen: true, flags: ["--cpu-prof", "--cpu-prof-dir", folder] },
	);
	const { target, connections } = routes[route];
	const { pid, url } = gateway;
	const asked = { pid, url: url + target, connections, seconds };
	await load(place.processes, { ...asked, seconds: warmUpSeconds });
	const { cpuUs } = await load(place.processes, asked);
	await gateway.end();
	const file = join(folder, readdirSync(folder)[0] ?? "");
	const profile = JSON.parse(readFileSync(file, "utf8")) as CpuProfile;
	return { route, cpuUs, times: selfTimes(profile, seconds * 1_000) };
}

/** A profile function by function. */
export function functionsTable(profile: RouteProfile): string {
	const rows = profile.times
		.slice(0, rowsMax)
		.map(({ name, place, ms }) => [name, place, shareOf(profile, ms)]);
	return `${titleOf(profile)}\n\n${markdownTable(["function", "at", "µs per request"], rows)}`;
}

/** A profile by kinds of work, the largest first, with the largest functions of each. */
export function kindsTable(profile: RouteProfile): string {
	const kinds = Map.groupBy(profile.times, kindOf);
	const rows = Array.from(kinds, ([kind, times]) => ({
		kind,
		ms: times.reduce((sum, { ms }) => sum + ms, 0),
		most: times.slice(0, namedMax).map(({ name }) => name),
	}))
		.toSorted((a, b) => b.ms - a.ms)
		.map(({ kind, ms, most }) => [kind, shareOf(profile, ms), most.join(", ")]);
	return `${titleOf(profile)}\n\n${markdownTable(["kind", "µs per request", "most of it in"], rows)}`;
}

const namedMax = 4;

function titleOf({ route, cpuUs }: RouteProfile): string {
	return `### ${routes[route].title}: where the time goes\n\n${cpuUs.toFixed(1)} µs of CPU per request under V8's profiler, which costs some of it.`;
}

/** The share of the process's CPU time: samples also count time in which the process waits for the processor. */
function shareOf({ cpuUs, times }: RouteProfile, ms: number): string {
	const all = times.reduce((sum, time) => sum + time.ms, 0);
	return ((ms / all) * cpuUs).toFixed(2);
}

/** What V8's functions for a socket are called. */
const writes =
	/^(?:write|writev|shutdown)(?:Latin1|Utf8|Ascii|Ucs2)?(?:String|Buffer)?$/;

/** The kind of work of a function. */
function kindOf({ name, place }: SelfTime): string {
	if (name === "(garbage collector)") return "garbage collection";
	// It has no JavaScript on its stack: the event loop waits, and sockets are read before anybody is called.
	if (name === "(program)") return "event loop: epoll, reads";
	if (place === "") {
		if (writes.test(name)) return "system's writes, with their glue";
		if (name === "parse" || name === "stringify") return "JSON, V8's";
		return "V8's and Node's functions in C++";
	}
	if (place.startsWith("node:")) return "Node's JavaScript";
	if (place.startsWith("node_modules/")) return "libraries";
	if (/^src\/core\/json/.test(place)) return "JSON, ours";
	return `ours: ${/^(src\/[^/:]+|[^/:]+)/.exec(place)?.[1]}`;
}

/** Time in each function itself during the last so many milliseconds, the largest first; idle time is no time. */
export function selfTimes(
	{ nodes, samples, timeDeltas }: CpuProfile,
	lastMs = Infinity,
): SelfTime[] {
	const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
	let leftMs = timeDeltas.reduce((sum, delta) => sum + delta, 0) / 1_000;
	const times = new Map<string, { name: string; place: string; ms: number }>();
	for (const [index, id] of samples.entries()) {
		const ms = (timeDeltas[index] ?? 0) / 1_000;
		leftMs -= ms;
		const frame = frames.get(id);
		if (leftMs >= lastMs || !frame) continue;
		if (frame.functionName === "(idle)") continue;
		const name = frame.functionName || "(anonymous)";
		const place = placeOf(frame);
		const key = `${name} ${place}`;
		const entry = times.get(key) ?? { name, place, ms: 0 };
		entry.ms += ms;
		times.set(key, entry);
	}
	return [...times.values()].toSorted((a, b) => b.ms - a.ms);
}

/** File and line, from the folder on where the project or the package stands. */
function placeOf({
	url,
	lineNumber,
}: CpuProfile["nodes"][number]["callFrame"]): string {
	if (url === "") return "";
	const short = url.replace(/^.*\/(?=node_modules\/|src\/|bench\/)/, "");
	return `${short}:${lineNumber + 1}`;
}
