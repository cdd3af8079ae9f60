import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { folderWith, sluice } from "../kit/cli.ts";

const terminal = new URL("../../src/cli/terminal.ts", import.meta.url).href;
const token = "the-token-1-of-many";

/** What a guarded process writes to stdout. */
async function written(program: string): Promise<string> {
	const script = `import { guardProcess } from "${terminal}"; guardProcess(); const token = process.env.API_TOKEN; ${program}`;
	const child = spawn(
		process.execPath,
		["--input-type=module", "--eval", script],
		{
			env: { ...process.env, API_TOKEN: token },
			stdio: ["ignore", "pipe", "inherit"],
		},
	);
	const [out, [code]] = await Promise.all([
		text(child.stdout),
		once(child, "exit"),
	]);
	assert.equal(code, 0);
	return out;
}

test("the last words of a stream hide secrets, too, and its end is told", async () => {
	assert.equal(await written("process.stdout.end(`is ${token}`)"), "is ***");
	const told =
		"process.stdout.end(Buffer.from(token), () => process.exit(process.stdout.writableFinished ? 0 : 1))";
	assert.equal(await written(told), "***");
	const first = "process.stdout.write('a'); process.stdout.end(() => {})";
	assert.equal(await written(first), "a");
	const none = "process.stdout.write('a'); process.stdout.end()";
	assert.equal(await written(none), "a");
});

test("bytes that are written as base64 or hexadecimal digits keep what is no secret", async () => {
	for (const coding of ["base64", "base64url", "hex"]) {
		const program = `process.stdout.write(Buffer.from("é " + token + " ü\\n").toString("${coding}"), "${coding}"); process.stdout.end(Buffer.from(token).toString("${coding}"), "${coding}")`;
		assert.equal(await written(program), "é *** ü\n***", coding);
	}
});

test("a secret that the author's own code has put into a config is not broken over two lines", async () => {
	const key = `${"part-1-of-a-key".repeat(8)}`;
	using folder = folderWith({
		"sluice.ts":
			"export default { upstreams: { u: { url: 'http://localhost:1' } }, routes: { 'GET /x': { steps: { a: { get: `u/${process.env.SHOP_API_KEY}` } }, respond: '${a}' } } };",
	});
	const command = sluice(["explain"], {
		cwd: folder.path,
		env: { ...process.env, SHOP_API_KEY: key },
	});
	assert.equal(await command.ended, 0, command.stderr());
	assert.match(command.stdout(), /GET u\/\*\*\*/);
	assert.ok(!command.stdout().includes("part-1"), command.stdout());
});
