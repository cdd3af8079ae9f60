import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { folderWith } from "../kit/cli.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
const modules = join(root, "node_modules");
const compiler = join(modules, "typescript", "bin", "tsc");

const readme = readFileSync(join(root, "README.md"), "utf8");

const program = `import { createGateway, defineGateway, from, type Gateway } from "sluice";
import { offload, virtualClock } from "sluice/tasks";

const config = defineGateway({
	routes: { "GET /x": { respond: { now: from(["request.path"], (path: string) => path) } } },
});
const gateway: Gateway = createGateway(config, { clock: virtualClock() });
const answer: Response = await gateway.fetch(new Request("http://x/x"));
console.log(await answer.text());
console.log(await offload<number>(new URL("./own.ts", import.meta.url), "twice", 21));

// @ts-expect-error the types of the package are there: a key misspelt
defineGateway({ routes: { "GET /x": { respnd: 1 } } });
`;

test("the built package is imported by its name, typed as the README uses it, and runs", async () => {
	using folder = folderWith({
		"package.json": '{ "type": "module" }',
		"program.ts": program,
		"own.ts": "export const twice = (value: number): number => 2 * value;",
		"readme.ts": /```ts\n([^]*?)```/.exec(readme)?.[1] ?? "",
		"sluice.ts":
			program
				.split("const gateway:")[0]
				?.replace("const config =", "export default") ?? "",
		"tsconfig.json": JSON.stringify({
			compilerOptions: {
				strict: true,
				noEmit: true,
				module: "nodenext",
				target: "es2024",
				types: ["node"],
				typeRoots: [join(modules, "@types")],
			},
			files: ["program.ts", "readme.ts"],
		}),
	});
	const built = join(folder.path, "node_modules", "sluice");
	mkdirSync(built, { recursive: true });
	const build = join(root, "tsconfig.build.json");
	await run(process.execPath, [
		compiler,
		"-p",
		build,
		"--outDir",
		join(built, "dist"),
	]);
	for (const name of ["package.json", "bin"]) {
		cpSync(join(root, name), join(built, name), { recursive: true });
	}
	symlinkSync(modules, join(built, "node_modules"));

	const cwd = folder.path;
	await run(process.execPath, [compiler, "-p", "."], { cwd });
	const { stdout } = await run(process.execPath, ["program.ts"], { cwd });
	assert.equal(stdout, '{"now":"/x"}\n42\n');
	const sluice = join(built, "bin", "sluice.js");
	const checked = await run(process.execPath, [sluice, "check"], { cwd });
	assert.equal(checked.stdout, "sluice.ts is valid: 1 route, 0 upstreams\n");
});
