import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import {
	startLibreTranslate,
	startOpenWeather,
} from "../../examples/weather/upstreams.ts";
import { folderWith, sluice } from "../kit/cli.ts";

const root = new URL("../../", import.meta.url).pathname;
const page = readFileSync(`${root}docs/cli.md`, "utf8");

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

describe("docs/cli.md", () => {
	it("shows what the commands print", async () => {
		assert.ok(shown.length >= 6);
		const latencyMs = [0, 5] as const;
		const openweather = await startOpenWeather({ latencyMs });
		const translate = await startLibreTranslate({ latencyMs });
		const env = {
			OPENWEATHER_URL: openweather.url,
			OPENWEATHER_KEY: "demo-key-1",
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
