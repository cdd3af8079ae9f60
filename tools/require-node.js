// The repository brings its own Node (tools/node); where there is none for this platform the machine's must do.
const major = Number(process.versions.node.split(".")[0]);
if (major < 24) {
	console.error(
		`This needs Node 24.22.3 or 26.10.0, or a later one of these lines, and this is ${process.versions.node}. On most platforms npm ci brings one.`,
	);
	process.exit(1);
}

// Every test file is a process of its own: what one has compiled the next need not.
const { enableOwnCompileCache } = await import("../bin/compile-cache.js");
enableOwnCompileCache();
