import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";

const root = new URL("../", import.meta.url);
const { scripts } = JSON.parse(
	readFileSync(new URL("package.json", root), "utf8"),
) as { scripts: Record<string, string> };

/** The patterns of files that a script names, one for each of their alternatives. */
function patternsOf(script = ""): string[] {
	const words = script.matchAll(/"(test\/[^"]+)"|(?<= )(test\/\S+\.ts)/g);
	return [...words].flatMap(([, quoted, bare]) =>
		alternatives(quoted ?? bare ?? ""),
	);
}

/** `a/{b,c}.ts` is `a/b.ts` and `a/c.ts`. */
function alternatives(pattern: string): string[] {
	const [all, list = ""] = /\{([^}]*)\}/.exec(pattern) ?? [];
	if (all === undefined) return [pattern];
	return list
		.split(",")
		.flatMap((one) => alternatives(pattern.replace(all, one)));
}

const filesOf = (script: string) =>
	patternsOf(scripts[script]).flatMap((one) => globSync(one, { cwd: root }));

test("every name in the scripts of the tests is that of a file or a folder that is there", () => {
	for (const [name, script] of Object.entries(scripts)) {
		for (const pattern of patternsOf(script)) {
			// The preloaded ones begin with a dot, and would fail by themselves.
			const found = globSync(pattern, { cwd: root });
			assert.ok(found.length > 0, `${name}: ${pattern}`);
		}
	}
	assert.ok(filesOf("test:quick").length > 30);
});

test("all tests are those that npm test runs, and the slow ones", () => {
	const slow = globSync("test/**/*.slow.ts", { cwd: root });
	assert.ok(slow.length > 0);
	assert.deepEqual(
		filesOf("test:all").toSorted(),
		[...filesOf("test"), ...slow].toSorted(),
	);
});

test("npm says nothing about the Node of the machine, because the repository brings its own", () => {
	const text = readFileSync(new URL(".npmrc", root), "utf8");
	assert.match(text, /^loglevel=error$/m);
	const { devDependencies } = JSON.parse(
		readFileSync(new URL("package.json", root), "utf8"),
	) as { devDependencies: Record<string, string> };
	assert.match(devDependencies["node-runtime"] ?? "", /^file:/);
});

test("the types are checked as the package declares them", () => {
	const { compilerOptions } = JSON.parse(
		readFileSync(new URL("tsconfig.json", root), "utf8"),
	) as { compilerOptions: Record<string, unknown> };
	assert.equal(compilerOptions.declaration, true);
});
