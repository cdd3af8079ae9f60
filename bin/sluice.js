#!/usr/bin/env node
// Plain JavaScript without new syntax, so that an old Node gets as far as saying that it is too old.
const major = Number(process.versions.node.split(".")[0]);
if (major < 24) {
	console.error(
		`sluice needs Node 24 or newer, and this is ${process.versions.node}.`,
	);
	process.exit(1);
}

const { existsSync } = await import("node:fs");
const built = new URL("../dist/cli/main.js", import.meta.url);
const source = new URL("../src/cli/main.ts", import.meta.url);
const { main } = await import((existsSync(built) ? built : source).href);
process.exitCode = await main(process.argv.slice(2));
