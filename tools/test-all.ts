/**
 * Runs the files of tests that its arguments name by patterns: `npm run test:all`. It differs from `node --test` in two things.
 * Node takes files by their names, and here the long ones begin early, so that none of them runs alone at the end. And more
 * run at a time, because files that are slow mostly wait.
 */
import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { run } from "node:test";
import { spec } from "node:test/reporters";

/** How many files run at a time. The runner itself is one process for all of them, and each of them may take 200 MB. */
const atATime = Math.min(12, 2 * availableParallelism());

/** How long one test may take. */
const timeout = Number(process.env["SUITE_TEST_MS"] ?? 300_000);

const files = inOrder(globSync(process.argv.slice(2)));
assert.ok(files.length > 0, "there are no such files");

run({
	files,
	concurrency: atATime,
	timeout,
	// The types of Node do not have it yet.
	...{ globalSetupPath: new URL("../test/setup.ts", import.meta.url).pathname },
})
	.on("test:summary", ({ success }) => {
		if (!success) process.exitCode = 1;
	})
	.compose(spec)
	.pipe(process.stdout);

/**
 * The slow files stand in the first half, at equal distances. If they all were first, those that start many processes would only
 * be in each other's way.
 */
function inOrder(files: readonly string[]): string[] {
	const sorted = files.toSorted();
	const slow = sorted.filter((file) => file.endsWith(".slow.ts"));
	const quick = sorted.filter((file) => !file.endsWith(".slow.ts"));
	const between = Math.floor(quick.length / 2 / slow.length);
	const mixed = slow.flatMap((file, at) => [
		file,
		...quick.slice(at * between, (at + 1) * between),
	]);
	return [...mixed, ...quick.slice(slow.length * between)];
}
