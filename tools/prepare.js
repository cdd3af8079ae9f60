// Runs after `npm ci`, and before the package is packed. Without the packages of development there is nothing to build with.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const vite = fileURLToPath(
	new URL("../node_modules/vite/bin/vite.js", import.meta.url),
);
if (existsSync(vite)) {
	execFileSync(process.execPath, [vite, "build", "ui", "--logLevel", "warn"], {
		cwd: new URL("..", import.meta.url),
		stdio: "inherit",
	});
} else {
	console.log("The page is not built, because Vite is not installed.");
}
