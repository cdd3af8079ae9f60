import { mkdirSync, readdirSync, readFileSync } from "node:fs";
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

/** Runs Sluice, features on, alone on a route under V8's profiler; a table of where its time went. */
export async function profileRoute(
	name: RouteName,
	place: Place,
): Promise<string> {
	const folder = join(place.folder, "profile");
	mkdirSync(folder, { recursive: true });
	const gateway = await startSluice(
		place,
		sluiceConfig(place.upstreamUrl, policiesOn),
		{ listen: true, flags: ["--cpu-prof", "--cpu-prof-dir", folder] },
	);
	const { target, connections } = routes[name];
	const { pid, url } = gateway;
	const asked = { pid, url: url + target, connections, seconds };
	await load(place.processes, { ...asked, seconds: warmUpSeconds });
	const { requests, cpuUs } = await load(place.processes, asked);
	await gateway.end();
	const file = join(folder, readdirSync(folder)[0] ?? "");
	const profile = JSON.parse(readFileSync(file, "utf8")) as CpuProfile;
	const rows = selfTimes(profile, seconds * 1_000)
		.slice(0, rowsMax)
		.map(({ name, place, ms }) => [
			name,
			place,
			((ms * 1_000) / requests).toFixed(2),
		]);
	return `${cpuUs.toFixed(1)} µs CPU per request, under the profiler\n\n${markdownTable(["function", "at", "self µs per request"], rows)}`;
}

/** Time in each function itself during the last so many milliseconds, the largest first; idle time is no time. */
export function selfTimes(
	{ nodes, samples, timeDeltas }: CpuProfile,
	lastMs = Infinity,
): {
	readonly name: string;
	readonly place: string;
	readonly ms: number;
}[] {
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
