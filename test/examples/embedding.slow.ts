import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";

const root = new URL("../../", import.meta.url).pathname;

/** As a project has them that chose no `lib`. Then the types of browsers are there, too. */
const compilerOptions = {
	...{ target: "es2024", module: "nodenext", types: ["node"] },
	...{ noEmit: true, strict: true, skipLibCheck: true },
	...{ allowImportingTsExtensions: true, erasableSyntaxOnly: true },
};

test("the examples of embedding compile under the compiler's own `lib`", () => {
	const file = `${root}tsconfig.embedding-${process.pid}.json`;
	writeFileSync(
		file,
		JSON.stringify({ compilerOptions, include: ["examples/embedding/*.ts"] }),
	);
	try {
		const tsc = `${root}node_modules/.bin/tsc`;
		const { stdout } = spawnSync(tsc, ["-p", file], { encoding: "utf8" });
		// The sources themselves are compiled under another one.
		const faults = stdout
			.split("\n")
			.filter((line) => line.startsWith("examples/"));
		assert.deepEqual(faults, []);
		assert.doesNotMatch(stdout, /error TS(5|18)\d\d\d/);
	} finally {
		rmSync(file);
	}
});
