import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import * as exported from "../src/tasks/index.ts";
import { folderWith } from "./kit/cli.ts";
import { type Fence, fencesOf } from "./kit/markdown.ts";

/**
 * The programs of the pages that tell of `sluice/tasks`, run as a reader would run them: each a file of its own, in a
 * project that has the package. A block `ts name.ts` is a file that others use; a block `ts` is a program, and what it
 * prints is the block `text` behind it.
 */
const run = promisify(execFile);
const root = fileURLToPath(new URL("../", import.meta.url));
const tasks = join(root, "src/tasks/index.ts");

/** A project's files, but for the programs: the package is the source here, so that nothing needs to be built. */
const project = {
	"package.json": '{ "type": "module" }',
	"tsconfig.json": JSON.stringify({
		extends: join(root, "tsconfig.json"),
		compilerOptions: {
			paths: { "sluice/tasks": [tasks] },
			typeRoots: [join(root, "node_modules/@types")],
		},
		include: ["*.ts"],
	}),
	"node_modules/sluice/package.json":
		'{ "type": "module", "exports": { "./tasks": "./tasks.js" } }',
	"node_modules/sluice/tasks.js": `export * from ${JSON.stringify(pathToFileURL(tasks).href)};\n`,
};

const pages = ["docs/concurrency.md", "docs/concurrency.ru.md"];

for (const page of pages) {
	tryPrograms(page, () => true);

	test(`${page} names all that sluice/tasks exports`, () => {
		const text = readFileSync(join(root, page), "utf8");
		const names = text.slice(text.lastIndexOf("\n## "));
		for (const name of Object.keys(exported)) {
			assert.ok(names.includes(`\`${name}\``), name);
		}
	});
}
tryPrograms("README.md", ({ text }) => text.includes('"sluice/tasks"'));

function tryPrograms(page: string, isOne: (fence: Fence) => boolean): void {
	const fences = fencesOf(readFileSync(join(root, page), "utf8"));
	const blocks = fences.flatMap((fence, index) => {
		const [language, name = `line-${fence.line}.ts`] = fence.info.split(" ");
		if (language !== "ts" || !isOne(fence)) return [];
		const isProgram = fence.info === "ts";
		return [{ ...fence, name, isProgram, next: fences[index + 1] }];
	});
	const folder = folderWith({
		...project,
		...Object.fromEntries(blocks.map(({ name, text }) => [name, text])),
	});

	describe(`the programs of ${page}`, () => {
		after(() => folder[Symbol.dispose]());

		test("there are some, and a compiler takes them as they stand", async () => {
			assert.ok(blocks.some(({ isProgram }) => isProgram));
			const compiler = join(root, "node_modules/typescript/bin/tsc");
			const args = [compiler, "-p", folder.path];
			await run(process.execPath, args).catch(({ stdout }) =>
				assert.fail(stdout),
			);
		});

		for (const { name, line, isProgram, next } of blocks) {
			if (!isProgram) continue;
			test(`the one at ${page}:${line} prints what stands below it`, async () => {
				assert.equal(next?.info, "text", "its output follows");
				const printed = await run(process.execPath, [name], {
					cwd: folder.path,
					timeout: 20_000,
					killSignal: "SIGKILL",
				});
				assert.equal(printed.stderr, "");
				assert.equal(printed.stdout, next.text);
			});
		}
	});
}
