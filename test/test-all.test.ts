import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { folderWith, runNode } from "./kit/cli.ts";

const program = new URL("../tools/test-all.ts", import.meta.url).pathname;
const ends = new URL("./kit/ends.ts", import.meta.url).href;

/** A file with one test, whose name is that of the file. */
const passing = `import { it } from "node:test";
import { basename } from "node:path";
it(basename(import.meta.filename, ".ts"), () => {});
`;

async function run(files: Record<string, string>, env = {}) {
	using folder = folderWith(files);
	const args = ["--import", ends, program, "*.{test,slow}.ts"];
	const runner = runNode(args, { cwd: folder.path, env });
	const code = await runner.ended;
	return { code, said: runner.stdout() + runner.stderr() };
}

describe("the run of all tests", () => {
	it("takes each file once, and slow ones long before the end, one by one", async () => {
		const names = [..."abcdefghi"].map((name) => `${name}.test`);
		const files = [...names, "x.slow", "y.slow"].map((name) => `${name}.ts`);
		const { code, said } = await run(
			Object.fromEntries(files.map((name) => [name, passing])),
		);
		assert.equal(code, 0, said);
		const order = [...said.matchAll(/^✔ (\S+) /gm)].map(([, name]) => name);
		assert.deepEqual(order, [
			...["x.slow", "a.test", "b.test"],
			...["y.slow", "c.test", "d.test"],
			...["e.test", "f.test", "g.test", "h.test", "i.test"],
		]);
		assert.match(said, /^ℹ pass 11$/m);
		// What CI reads stands at the end.
		assert.match(said, /\nℹ duration_ms [\d.]+\n$/);
	});

	it("fails if a test of one file fails, and takes the others", async () => {
		const { code, said } = await run({
			"a.test.ts": "throw new Error('lost');",
			"b.test.ts": passing,
		});
		assert.equal(code, 1);
		assert.match(said, /Error: lost/);
		assert.match(said, /✔ b\.test/);
	});

	it("ends a test that takes too long", async () => {
		const waits = `import { it } from "node:test";
it("waits for ever", () => new Promise(() => setInterval(() => {}, 1000)));
`;
		const short = { SUITE_TEST_MS: "300", SUITE_PATIENCE_MS: "100" };
		const { code, said } = await run({ "a.test.ts": waits }, short);
		assert.equal(code, 1);
		assert.match(said, /test timed out after 300ms/);
		assert.match(said, /a\.test\.ts did not end after its last test/);
	});

	it("tells what each file costs, with the processes that it starts", async () => {
		const starts = `import { execFileSync } from "node:child_process";
import { it } from "node:test";
const burn = "while (process.cpuUsage().user < 4e5);";
it("starts", () => { execFileSync(process.execPath, ["-e", burn]); });
`;
		using folder = folderWith({ "a.test.ts": passing, "b.test.ts": starts });
		const to = join(folder.path, "costs");
		const args = ["--import", ends, program, "*.test.ts"];
		const run = runNode(args, { cwd: folder.path, env: { SUITE_COST: to } });
		assert.equal(await run.ended, 0);
		const lines = readFileSync(to, "utf8").trimEnd().split("\n");
		const rows = lines.map((line) => line.split("\t"));
		const costs = new Map(rows.map(([cost, , file]) => [file, Number(cost)]));
		assert.deepEqual([...costs.keys()].toSorted(), ["a.test.ts", "b.test.ts"]);
		assert.ok(Number(costs.get("a.test.ts")) > 0, lines.join());
		assert.ok(Number(costs.get("b.test.ts")) >= 0.4, lines.join());
	});

	it("fails if there is no file", async () => {
		const { code, said } = await run({});
		assert.equal(code, 1);
		assert.match(said, /there are no such files/);
	});
});
