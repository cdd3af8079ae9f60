/** Sluice beside others, on this machine: `npm run bench`. Of what is read where, see README.md. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { competitors, type Place } from "./competitors.ts";
import { measureRoute, type RouteResult } from "./measure.ts";
import { luaModules } from "./nginx.ts";
import { type Options, readOptions, usage } from "./options.ts";
import { createProcesses, has } from "./processes.ts";
import { profileRoute } from "./profile.ts";
import { aimsTable, routeTable } from "./report.ts";
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
	try {
		await using processes = createProcesses();
		const upstreamUrl = await startUpstream(
			processes,
			join(folder, "upstream"),
		);
		const place = { processes, upstreamUrl, folder };
		if (options.profile === null) await bench(place, options);
		else console.log(await profileRoute(options.profile, place));
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

async function bench(place: Place, options: Options): Promise<void> {
	for (const { title, missing } of competitors) {
		const why = missing();
		if (why !== null) console.log(`without ${title}: ${why}`);
	}
	console.log(`${place.processes.apart}\n`);
	const { rounds, seconds } = options;
	const measured: RouteResult[] = [];
	for (const name of options.routes) {
		if (name === "slow" && luaModules() === null) {
			console.log("without the slow route: the upstream needs nginx's Lua");
			continue;
		}
		const result = await measureRoute(name, { place, rounds, seconds });
		measured.push(result);
		console.log(`${routeTable(result)}\n`);
	}
	console.log(aimsTable(measured));
}
