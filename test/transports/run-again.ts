import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { rows } from "./rows.ts";

const root = new URL("../../", import.meta.url);

/** Runs the files of a row, each in a process of its own whose tests reach their servers over this transport. */
export function runAgain(transport: keyof typeof rows): void {
	describe(`over ${transport}`, () => {
		for (const file of rows[transport]) {
			test(file, async (t) => {
				const { code, output } = await run(file, transport);
				const { pass = 0, fail, skipped = 0 } = countsIn(output);
				assert.equal(code, 0, output);
				assert.equal(fail, 0, output);
				assert.ok(pass > 0, `nothing was tested: ${output}`);
				t.diagnostic(`${pass} passed, ${skipped} are not about ${transport}`);
			});
		}
	});
}

async function run(file: string, transport: string) {
	// With it, the child would speak to the runner of this process.
	const { NODE_TEST_CONTEXT: _, ...env } = process.env;
	const child = spawn(
		process.execPath,
		[
			...["--import", "./test/kit/ends.ts", "--test-timeout=60000"],
			...["--test-reporter=tap", file],
		],
		{
			cwd: root,
			env: {
				...env,
				TEST_TRANSPORT: transport,
				// For `fetch`, which chooses HTTP/2 by itself.
				NODE_EXTRA_CA_CERTS: "test/upstream/tls/cert.pem",
			},
			stdio: ["ignore", "pipe", "pipe"],
		},
	);
	const ended = new Promise<number | null>((resolve, reject) => {
		child.once("error", reject);
		child.once("close", resolve);
	});
	const [out, errors, code] = await Promise.all([
		...[text(child.stdout), text(child.stderr)],
		ended,
	]);
	return { code, output: `${out}${errors}` };
}

/** What the report says at its end: `# pass 12`. */
function countsIn(output: string): Record<string, number> {
	const lines = output.matchAll(/^# (pass|fail|skipped) (\d+)$/gm);
	return Object.fromEntries(
		Array.from(lines, ([, name = "", count]) => [name, Number(count)]),
	);
}
