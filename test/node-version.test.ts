import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { runNode } from "./kit/cli.ts";
import { modulesIn } from "./kit/modules.ts";

const root = new URL("../", import.meta.url);

/** Makes a program believe that it runs on Node 18. */
const onNode18 = `--import=data:text/javascript,${encodeURIComponent(
	'Object.defineProperty(process, "versions", { value: { node: "18.20.8" } });',
)}`;

async function failureOf(file: string): Promise<string> {
	const path = new URL(file, root).pathname;
	const program = runNode([onNode18, path], { cwd: root.pathname });
	assert.equal(await program.ended, 1);
	return program.stderr();
}

const { engines } = JSON.parse(
	readFileSync(new URL("package.json", root), "utf8"),
) as { engines: { node: string } };

/** `^24.1.0 || ^26.2.0` as a sentence says it. */
const needed = `Node ${engines.node.replaceAll("^", "").replace(" || ", " or ")}, or a later one of these lines`;

for (const file of ["src/index.ts", "src/tasks/index.ts", "bin/sluice.js"]) {
	test(`${file} says which Node is needed, if it runs on an older one`, async () => {
		const said = `sluice needs ${needed}, and this is 18.20.8.`;
		const failure = await failureOf(file);
		assert.ok(failure.includes(said), failure);
	});
}

test("the repository's own scripts and the README name the same lines of Node", async () => {
	const failure = await failureOf("tools/require-node.js");
	assert.match(needed, /^Node \d+\.\d+\.\d+ or \d+\.\d+\.\d+, or/);
	assert.ok(failure.startsWith(`This needs ${needed}, and this is`), failure);
	const readme = readFileSync(new URL("README.md", root), "utf8");
	assert.ok(readme.includes(`It needs ${needed}`));
});

/** An old Node fails at a name that it does not have, before anything runs. Such names are taken from the module's default. */
const laterThanNode18 = new Set(
	[
		"crypto: hash",
		"fs: glob globSync openAsBlob",
		"fs/promises: glob",
		"module: enableCompileCache findPackageJSON registerHooks stripTypeScriptTypes",
		"path: matchesGlob",
		"sqlite: DatabaseSync",
		"util: MIMEType getCallSites parseEnv styleText",
		"worker_threads: isInternalThread locks postMessageToThread",
		"zlib: crc32 createZstdCompress createZstdDecompress zstdCompress zstdDecompress",
	].flatMap((line) => {
		const [module = "", names = ""] = line.split(": ");
		return names.split(" ").map((name) => `node:${module} ${name}`);
	}),
);

test("an old Node gets as far as saying so", () => {
	const taken = [...modulesIn(root, "src/**/*.ts")].flatMap(
		([path, { imports }]) =>
			path.startsWith("src/cli/")
				? []
				: imports.flatMap(({ from, names }) =>
						names.map((name) => `${from} ${name}`),
					),
	);
	assert.deepEqual(
		taken.filter((one) => laterThanNode18.has(one)),
		[],
	);
});
