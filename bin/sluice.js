#!/usr/bin/env node
// Nothing here is newer than Node 10, so that an old Node gets as far as saying that it is too old.
const major = Number.parseInt(process.versions.node, 10);
if (major < 24) {
	console.error(
		`sluice needs Node 24.22.3 or 26.10.0, or a later one of these lines, and this is ${process.versions.node}.`,
	);
	process.exit(1);
}
void import("./command.js");
