import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import {
	startLibreTranslate,
	startOpenWeather,
} from "../../examples/weather/upstreams.ts";
import { printChart } from "../../src/cli/chart.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { folderWith, sluice } from "../kit/cli.ts";

const root = new URL("../../", import.meta.url).pathname;
const file = `${root}docs/cli.md`;
const page = readFileSync(file, "utf8");

/** Commands of the page with what they print: first to stderr, then to stdout. */
const shown = [
	...page.matchAll(/^```console\n\$ sluice (.*)\n([^]*?)^```$/gm),
].map(([, command = "", output = ""]) => ({ command, output }));

/** Words as a shell reads them, where single quotes are all that is quoted. */
function wordsOf(command: string): string[] {
	return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(
		([, quoted, plain]) => quoted ?? plain ?? "",
	);
}

const call = (step: string, startedMs: number, endedMs: number) => ({
	requestId: "id",
	route: "GET /weather",
	step,
	index: [],
	upstream: "up",
	startedMs,
	durationMs: endedMs - startedMs,
	status: 200,
	error: null,
});
const chart = printChart(
	[
		call("city_en", 2, 281),
		call("now", 281, 512),
		{
			...call("weather", 512, 1312),
			status: null,
			error: new GatewayError("upstream_timeout", "not done within 800 ms"),
		},
	],
	{ totalMs: 1313, columns: 100, colour: false },
);

describe("docs/cli.md", () => {
	it("shows what the commands print", async () => {
		assert.ok(shown.length >= 6);
		const latencyMs = [0, 5] as const;
		const openweather = await startOpenWeather({ latencyMs });
		const translate = await startLibreTranslate({ latencyMs });
		const env = {
			OPENWEATHER_URL: openweather.url,
			OPENWEATHER_KEY: "demo-key",
			TRANSLATE_URL: translate.url,
		};
		try {
			for (const { command, output } of shown) {
				const running = sluice(wordsOf(command), { cwd: root, env });
				assert.equal(await running.ended, 0, command);
				// How much of its time is left depends on how long the machine took.
				const printed = (running.stderr() + running.stdout()).replace(
					/max-age=5\d/,
					"max-age=59",
				);
				assert.equal(printed.trimEnd(), output.trimEnd(), command);
			}
		} finally {
			await Promise.all([openweather.close(), translate.close()]);
		}
	});

	it("has the README explain its own config as it stands there", async () => {
		const readme = readFileSync(`${root}README.md`, "utf8");
		const own = readme.slice(readme.indexOf("## Your own config"));
		const [, config = ""] = /^```yaml\n([^]*?)^```$/m.exec(own) ?? [];
		const [, output] =
			/^\$ npm run -s sluice -- explain sluice.yaml\n([^]*?)^```$/m.exec(own) ??
			[];
		using folder = folderWith({ "sluice.yaml": config });
		const running = sluice(["explain", "sluice.yaml"], { cwd: folder.path });
		assert.equal(await running.ended, 0);
		assert.equal(running.stdout(), output);
	});

	it("shows the chart as it is drawn", () => {
		if (process.env.UPDATE_GOLDEN) {
			writeFileSync(
				file,
				page.replace(/(^```text\n)[^]*?(\n```$)/m, `$1${chart}$2`),
			);
		}
		assert.ok(readFileSync(file, "utf8").includes(`\n${chart}\n`));
	});

	it("says of every key of the JSON what it holds", () => {
		const json = shown.find(({ command }) => command.endsWith("--json"));
		const keys = new Set<string>();
		JSON.parse(json?.output ?? "", (key, value) => {
			if (/^[a-z]/i.test(key)) keys.add(key);
			return value;
		});
		assert.ok(keys.size > 20);
		for (const key of keys) assert.ok(page.includes(`\`${key}\``), key);
	});
});
