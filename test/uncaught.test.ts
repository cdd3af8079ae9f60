import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { folderWith, runNode } from "./kit/cli.ts";

const ends = new URL("./kit/ends.ts", import.meta.url).href;

/** What a file of tests ends with whose one test passes after this. */
async function endOf(statement: string) {
	using folder = folderWith({
		"it.test.mjs": `import { it } from "node:test";
it("passes", async () => {
	await null;
	${statement}
	await new Promise((resolve) => setTimeout(resolve, 20));
});`,
	});
	const run = runNode(["--import", ends, "it.test.mjs"], { cwd: folder.path });
	return { code: await run.ended, text: run.stdout() };
}

describe("the runner, which does not follow promises,", () => {
	for (const [title, statement] of [
		["a rejection", `void Promise.reject(new Error("lost"));`],
		[
			"what a timer throws",
			`setTimeout(() => { throw new Error("lost"); }, 1);`,
		],
	] as const) {
		it(`fails a file for ${title} that nobody catches`, async () => {
			const { code, text } = await endOf(statement);
			assert.equal(code, 1);
			assert.match(text, /Error: lost/);
		});
	}

	it("passes a file without such an error", async () => {
		const { code } = await endOf("");
		assert.equal(code, 0);
	});

	it("would lose a test that is declared behind an `await`, so nothing is described asynchronously", () => {
		const root = new URL("../", import.meta.url);
		// Options may stand before the function.
		const asynchronous =
			/\bdescribe\([^;{]*(?:\{[^{}]*\}[^;{]*)?\basync\b[^{;]*\{/;
		for (const file of globSync("test/**/*.ts", { cwd: root })) {
			const text = readFileSync(new URL(file, root), "utf8");
			assert.doesNotMatch(text, asynchronous, file);
		}
	});
});
