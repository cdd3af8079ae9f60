import { existsSync } from "node:fs";
import { enableOwnCompileCache } from "./compile-cache.js";

// A command should answer at once: most of its start is compiling what has not changed since the last.
enableOwnCompileCache();
// The repository runs its source, never a build that may be older; the package has only the build.
const source = new URL("../src/cli/main.ts", import.meta.url);
const built = new URL("../dist/cli/main.js", import.meta.url);
let unwritten = false;
process.stdout.on("error", (error) => {
	// Whoever reads may have seen enough: `sluice explain | head`.
	if (error.code === "EPIPE" || unwritten) return;
	unwritten = true;
	console.error(`stdout cannot be written: ${error.message}`);
});
// Nobody can be told.
process.stderr.on("error", () => {});
const { main } = await import((existsSync(source) ? source : built).href);
let leftBehind = false;
const exitCode = await main(process.argv.slice(2), {
	onLeftBehind: () => {
		leftBehind = true;
	},
});
process.exitCode = exitCode;
process.on("exit", () => {
	// What `serve` says at its start is no result.
	if (unwritten && exitCode === 0 && process.argv[2] !== "serve")
		process.exitCode = 1;
});
// Whoever reads what `serve` said at its start may have stalled, and a result that nobody takes would keep the process.
const { stdout, stderr } = process;
const untaken = stdout.writableLength + stderr.writableLength > 0;
if (leftBehind || (untaken && process.argv[2] === "serve")) process.exit();
