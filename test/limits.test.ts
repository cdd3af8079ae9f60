import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { runNode } from "./kit/cli.ts";

const cwd = new URL("..", import.meta.url).pathname;
const { scripts } = JSON.parse(readFileSync(`${cwd}package.json`, "utf8")) as {
	scripts: Record<string, string>;
};

/** Runs a file of test/limits/ as `npm run test:files` would, with shorter times. */
async function run(file: string, env: Record<string, string>) {
	const [program, ...args] = scripts["test:files"]?.split(" ") ?? [];
	assert.equal(program, "node");
	const limit = "--test-timeout=500";
	const runner = runNode([...args, limit, `test/limits/${file}`], { cwd, env });
	const code = await runner.ended;
	return { code, said: runner.stdout() + runner.stderr() };
}

const soon = { SUITE_PATIENCE_MS: "100" };

describe("a run of the tests ends, fails and says why where a test", () => {
	it("waits for what never comes", async () => {
		const { code, said } = await run("interval.ts", soon);
		assert.equal(code, 1);
		assert.match(said, /✖ waits for what never comes/);
		assert.match(said, /test timed out after 500ms/);
		assert.match(said, /✔ is well after it/);
		assert.match(
			said,
			/interval\.ts did not end after its last test: Timeout left by "waits for what never comes"/,
		);
	});

	it("leaves a server", async () => {
		const { code, said } = await run("server.ts", soon);
		assert.equal(code, 1);
		assert.match(said, /✔ is well after it/);
		assert.match(
			said,
			/server\.ts did not end after its last test: TCPServerWrap left by "leaves a server"/,
		);
	});

	it("never ends", async () => {
		const { code, said } = await run("loop.ts", { SUITE_FILE_MS: "3000" });
		assert.equal(code, 1);
		assert.match(said, /loop\.ts did not end within 3 s/);
	});
});
