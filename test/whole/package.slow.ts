import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
	cpSync,
	existsSync,
	globSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runNode } from "../kit/cli.ts";
import { ask } from "../kit/serve.ts";

const root = new URL("../..", import.meta.url).pathname;
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const path = [dirname(process.execPath), process.env.PATH].join(delimiter);

/** Packs the repository in a copy, so that nothing is built in it. Gives the packed file. */
function pack(folder: string): string {
	for (const name of [
		...["package.json", "README.md", "LICENSE", "tsconfig.json"],
		...["tsconfig.build.json", "bin", "docs", "examples", "src", "tools", "ui"],
	]) {
		cpSync(join(root, name), join(folder, name), { recursive: true });
	}
	symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
	const printed = execFileSync("npm", ["pack", "--json"], {
		cwd: folder,
		encoding: "utf8",
		stdio: ["ignore", "pipe", "pipe"],
		env: { PATH: path, HOME: folder, npm_config_offline: "true" },
	});
	const [, name] = /"filename": "(.*)"/.exec(printed) ?? [];
	return join(folder, name ?? assert.fail(printed));
}

/** Installs the packed file beside its dependencies, which are the repository's. Nothing is fetched. */
function install(packed: string, project: string): string {
	const modules = join(project, "node_modules");
	const installed = join(modules, "sluice");
	mkdirSync(installed, { recursive: true });
	const args = ["-xzf", packed, "-C", installed, "--strip-components=1"];
	execFileSync("tar", args);
	for (const name of Object.keys(manifest.dependencies)) {
		const link = join(modules, name);
		// A name with a scope stands in a folder of its own.
		mkdirSync(dirname(link), { recursive: true });
		symlinkSync(join(root, "node_modules", name), link);
	}
	return installed;
}

describe("the package", () => {
	const folder = mkdtempSync(join(tmpdir(), "sluice-package-"));
	const project = join(folder, "project");
	let installed: string;
	let packed: string;

	before(() => {
		const repository = join(folder, "repository");
		mkdirSync(repository);
		mkdirSync(project);
		writeFileSync(join(project, "package.json"), '{ "type": "module" }');
		packed = pack(repository);
		installed = install(packed, project);
	});

	after(() => rmSync(folder, { recursive: true }));

	it("is about as large as the README says", () => {
		const readme = readFileSync(join(root, "README.md"), "utf8");
		const [, said] = /\.tgz, ([\d.]+) MB\n/.exec(readme) ?? [];
		const ratio = statSync(packed).size / (1e6 * Number(said));
		assert.ok(ratio > 0.9 && ratio < 1.1, `${ratio} of ${said} MB`);
	});

	it("holds what runs, and nothing that imports what it does not hold", () => {
		const files = globSync("**/*", { cwd: installed }).map(String);
		const tops = new Set(files.map((name) => name.split("/")[0]));
		assert.deepEqual([...tops].toSorted(), [
			"LICENSE",
			"README.md",
			"bin",
			"dist",
			"docs",
			"package.json",
		]);
		assert.ok(files.includes("dist/page/index.html"));
		const programs = files.filter((name) => /\.([cm]?[jt]s)$/.test(name));
		assert.ok(programs.length > 200);
		for (const name of programs) {
			const text = readFileSync(join(installed, name), "utf8");
			// Node runs no TypeScript that is installed.
			assert.match(name, /\.(js|d\.ts)$/);
			for (const [, from = ""] of text.matchAll(
				/^(?:import|export)\b[^;]*?from "(\.[^"]+)"/gm,
			)) {
				// The compiler finds the types of `x.ts` in `x.d.ts`.
				const typed = name.endsWith(".d.ts")
					? from.replace(/\.ts$/, ".d.ts")
					: from;
				const target = join(installed, dirname(name), typed);
				assert.ok(existsSync(target), `${name} imports ${from}`);
			}
		}
	});

	it("serves a config beside it, with functions of the author's, one on a thread", async () => {
		writeFileSync(
			join(project, "own.ts"),
			"export const twice = ({ n }: { n: number }): number => 2 * n;",
		);
		writeFileSync(
			join(project, "sluice.yaml"),
			`routes:
  GET /twice/{n}:
    steps:
      here: { run: "./own.ts#twice", args: { n: "\${Number(params.n)}" } }
      there: { run: "./own.ts#twice", worker: true, args: { n: "\${here}" } }
    respond: ["\${here}", "\${there}"]
`,
		);
		const bin = join(installed, manifest.bin.sluice);
		const check = runNode([bin, "check"], { cwd: project });
		assert.equal(await check.ended, 0, check.stderr());
		const serving = runNode([bin, "serve", "--port", "0"], { cwd: project });
		await serving.printed("http://");
		const url = /http:\S+/.exec(serving.stdout())?.[0];
		assert.deepEqual((await ask(`${url}/twice/3`)).json, [6, 12]);
		serving.process.kill("SIGTERM");
		assert.equal(await serving.ended, 0, serving.stderr());
	});

	it("is imported by a program under its names", async () => {
		const program = join(project, "program.ts");
		writeFileSync(
			program,
			`import { createGateway } from "sluice";
import { run } from "sluice/tasks";
const gateway = createGateway({ routes: { "GET /x": { respond: "here" } } });
const answer = await run(() => gateway.handle({ method: "GET", target: "/x" }));
console.log(answer.body);
await gateway.close();
`,
		);
		const running = runNode([program], { cwd: project });
		assert.equal(await running.ended, 0, running.stderr());
		assert.equal(running.stdout(), '"here"\n');
	});
});

describe("the Node that the package asks for", () => {
	const { version } = JSON.parse(
		readFileSync(join(root, "tools/node/package.json"), "utf8"),
	);
	const lines: string[] = manifest.engines.node.split(" || ");

	it("is a release or a later one of its line, and no line that nothing was tested on", () => {
		for (const line of lines) assert.match(line, /^\^\d+\.\d+\.\d+$/);
		assert.ok(lines.includes(`^${version}`), "the repository's own");
	});

	it("is what the lock file says, too", () => {
		const lock = JSON.parse(
			readFileSync(join(root, "package-lock.json"), "utf8"),
		);
		assert.deepEqual(lock.packages[""].engines, manifest.engines);
	});
});
