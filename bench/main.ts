/** Sluice beside others, on this machine: `npm run bench`. README.md says what it shows, and what it does not. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { competitors, type Place } from "./competitors.ts";
import { measureGrowth } from "./growth.ts";
import { measureLatency } from "./latency.ts";
import { describeMachine } from "./machine.ts";
import { measureRoute, type RouteResult } from "./measure.ts";
import { luaModules } from "./nginx.ts";
import { type Options, readOptions, usage } from "./options.ts";
import { createProcesses, has } from "./processes.ts";
import {
	functionsTable,
	kindsTable,
	profileRoute,
	type RouteProfile,
} from "./profile.ts";
import {
	aimsTable,
	growthTables,
	latencyTable,
	missedRoutes,
	routeTable,
} from "./report.ts";
import { type Results, writeResults } from "./results.ts";
import { startUpstream } from "./upstream.ts";

const results = fileURLToPath(new URL("results", import.meta.url));
const options = readOptions(process.argv.slice(2), results);
if (typeof options === "string") {
	console.error(`${options}\n\n${usage}`);
	process.exitCode = 2;
} else if (!toolsAreThere()) {
	process.exitCode = 1;
} else {
	await run(options);
}

function toolsAreThere(): boolean {
	const missing = [
		["nginx", "-v"],
		["wrk", "-v"],
	].filter(([program = "", flag = ""]) => !has(program, flag));
	if (missing.length === 0) return true;
	const names = missing.map(([program]) => program).join(" and ");
	console.error(
		`${names} missing. On Debian: apt-get install nginx libnginx-mod-http-lua lua-cjson wrk`,
	);
	return false;
}

async function run(options: Options): Promise<void> {
	const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
	// Interrupted, too.
	process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
	await using processes = createProcesses();
	const upstreamUrl = await startUpstream(processes, join(folder, "upstream"));
	const place = { processes, upstreamUrl, folder };
	if (options.profile === null) await bench(place, options);
	else {
		const profile = await profileRoute(options.profile, place);
		console.log(`${kindsTable(profile)}\n\n${functionsTable(profile)}`);
	}
}

async function bench(place: Place, options: Options): Promise<void> {
	for (const { title, missing } of competitors) {
		const why = missing();
		if (why !== null) console.log(`without ${title}: ${why}`);
	}
	console.log(`${place.processes.apart}\n`);
	const { rounds } = options;
	const measured: RouteResult[] = [];
	for (const name of options.routes) {
		if (name === "slow" && luaModules() === null) {
			console.log("without the slow route: the upstream needs nginx's Lua");
			continue;
		}
		const result = await measureRoute(name, place, rounds);
		measured.push(result);
		console.log(`${routeTable(result)}\n`);
	}
	console.log(`${aimsTable(measured, null)}\n`);
	const profiles: RouteProfile[] = [];
	for (const route of missedRoutes(measured)) {
		const profile = await profileRoute(route, place);
		profiles.push(profile);
		console.log(`${kindsTable(profile)}\n`);
	}
	const results = {
		date: new Date(),
		machine: describeMachine(),
		apart: place.processes.apart,
		rounds,
		routes: measured,
		profiles,
		latency: options.latency ? await measureLatency(place, rounds) : [],
	};
	for (const one of results.latency) console.log(`${latencyTable(one)}\n`);
	// Before the curves are measured, too: what there is should not be lost with them.
	write({ ...results, growth: null }, options);
	if (!options.growth) return;
	const growth = await measureGrowth(place, growthRounds(rounds));
	console.log(`${growthTables(growth)}\n\n${aimsTable([], growth)}\n`);
	write({ ...results, growth }, options);
}

function write(results: Results, { out }: Options): void {
	if (out === null) return;
	writeResults(out, results);
	console.log(`written to ${out}\n`);
}

/** About half: there are forty points, and the whole has fifteen minutes. */
function growthRounds(rounds: number): number {
	return Math.ceil(rounds / 2);
}
