import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { luaModules, startNginx } from "./nginx.ts";
import type { Processes } from "./processes.ts";
import { echoAnswer, recordedAnswers } from "./weather.ts";

/** Sizes of the bodies under `/bodies/<bytes>`. */
export const bodySizes = [1, 64, 4096].map((kib) => kib * 1024);

/**
 * Starts the upstream, an nginx: `/weather/<city>` a recorded answer, `/slow/<city>` the same after 50 ms (by Lua's
 * `ngx.sleep`, so only where the module is), `/echo/<text>` an answer that holds the text, `/bodies/<bytes>` a file.
 */
export async function startUpstream(
	processes: Processes,
	folder: string,
): Promise<string> {
	const bodies = join(folder, "bodies");
	mkdirSync(bodies, { recursive: true });
	for (const bytes of bodySizes) {
		writeFileSync(join(bodies, `${bytes}`), bodyOf(bytes));
	}
	const lua = luaModules() !== null;
	const { url } = await startNginx(processes, "load", folder, {
		lua,
		http: "open_file_cache max=100;",
		server: [
			...Array.from(recordedAnswers(), ([city, text]) =>
				locations(city, text, lua),
			),
			`location ~ ^/echo/([^/]*)$ { return 200 '${echoAnswer("$1")}'; }`,
			`location /bodies/ { root ${folder}; }`,
		].join("\n\t\t"),
	});
	return url;
}

function locations(city: string, text: string, lua: boolean): string {
	const path = encodeURIComponent(city);
	const quick = `location = "/weather/${city}" { return 200 '${text}'; }`;
	if (!lua || path !== city) return quick;
	const later = `ngx.sleep(0.05) ngx.header.content_length = ${Buffer.byteLength(text)} ngx.print([[${text}]])`;
	return `${quick}
		location = /slow/${city} { content_by_lua_block { ${later} } }`;
}

/** A JSON document of so many bytes: recorded answers in a list, and a text that fills it up. */
export function bodyOf(bytes: number): string {
	const answers = [...recordedAnswers().values()];
	const head = '{"name":"bodies","list":[';
	const tail = (filling: number) => `],"rest":"${"x".repeat(filling)}"}`;
	let list = "";
	for (let index = 0; ; index++) {
		const next = `${list}${list && ","}${answers[index % answers.length]}`;
		if (head.length + next.length + tail(0).length > bytes) break;
		list = next;
	}
	return head + list + tail(bytes - head.length - list.length - tail(0).length);
}
