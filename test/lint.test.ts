import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** What only src/tasks may write, a line each. */
const reserved = [
	"setTimeout(() => {}, 1);",
	"setInterval(() => {}, 1);",
	"globalThis.setTimeout(() => {}, 1);",
	"new AbortController();",
	"AbortSignal.any([]);",
	"AbortSignal.timeout(1);",
	'import { setTimeout as wait } from "node:timers/promises";',
	'import timers from "node:timers";',
	'import { once } from "node:events";',
	'import { on } from "node:events";',
	"events.once(socket, `close`);",
	"EventEmitter.once(socket, `close`);",
];

/** What everybody may. */
const allowed = [
	"export type Given = { signal: AbortSignal };",
	'import { EventEmitter } from "node:events";',
	'socket.once("close", () => {});',
	"socket.setTimeout(1);",
	"setImmediate(() => {});",
];

let folder: string;

before(async () => {
	folder = await mkdtemp(join(tmpdir(), "sluice-lint-"));
	const config = JSON.parse(await readFile(join(root, "biome.json"), "utf8"));
	// There is no repository around the copy.
	delete config.vcs;
	await writeFile(join(folder, "biome.json"), JSON.stringify(config));
	await cp(join(root, "tools"), join(folder, "tools"), {
		recursive: true,
		filter: (path) => !path.includes("node_modules"),
	});
});

after(() => rm(folder, { recursive: true }));

/** The lines of a file that lint refuses, were it at this place. */
async function refusedLines(path: string, lines: string[]): Promise<string[]> {
	const file = join(folder, path);
	await mkdir(join(file, ".."), { recursive: true });
	await writeFile(file, `${lines.join("\n")}\n`);
	const command = join(root, "node_modules/.bin/biome");
	const only = ["style/noRestrictedGlobals", "style/noRestrictedImports"];
	const args = ["lint", "--reporter=json", "--max-diagnostics=none"];
	const report = await new Promise<string>((resolve) => {
		execFile(command, [...args, file], { cwd: folder }, (_error, stdout) =>
			resolve(stdout),
		);
	});
	const { diagnostics } = JSON.parse(report) as {
		diagnostics: { category: string; location: { start: { line: number } } }[];
	};
	const refused = diagnostics
		.filter(({ category }) => {
			return (
				category === "plugin" || only.some((one) => category.endsWith(one))
			);
		})
		.map(({ location }) => location.start.line - 1);
	return lines.filter((_, line) => refused.includes(line));
}

describe("lint", () => {
	test("refuses timers and abort signals everywhere in src", async () => {
		const lines = [...reserved, ...allowed];
		assert.deepEqual(await refusedLines("src/run/a.ts", lines), reserved);
		assert.deepEqual(await refusedLines("src/a.ts", lines), reserved);
	});

	test("but in src/tasks, where they are made", async () => {
		assert.deepEqual(await refusedLines("src/tasks/a.ts", reserved), []);
	});
});
