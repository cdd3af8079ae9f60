import assert from "node:assert/strict";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { test } from "node:test";
import { checkText } from "../src/config/load.ts";
import { printProblem } from "../src/config/problem.ts";
import { compile } from "../src/plan/compile.ts";
import { printPlan } from "../src/plan/print.ts";

/**
 * A new case is two files: a config, and what comes of it. `UPDATE_GOLDEN=1 npm test` writes what comes of it now; read
 * the difference before committing it.
 */
const folder = new URL("golden/", import.meta.url);
const env = {
	HOOKS: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	KEY: "planted-secret",
	USERS_URL: "http://users.test:3001/v1",
};

for (const name of globSync("problems/*.{yaml,json}", { cwd: folder })) {
	test(`${basename(name)} has the problems written beside it`, () => {
		const { config, problems } = check(name);
		const printed = problems.map((problem) => `${printProblem(problem)}\n`);
		compare(name.replace(/\.\w+$/, ".txt"), printed.join(""));
		const onlyWarnings = problems.every(({ warning }) => warning);
		assert.equal(config !== null, onlyWarnings);
	});
}

for (const name of globSync("plans/*.yaml", { cwd: folder })) {
	test(`${basename(name)} compiles to the plan written beside it`, () => {
		const { config, problems } = check(name);
		assert.deepEqual(problems, []);
		assert.ok(config);
		const printed = printPlan(compile(config));
		assert.ok(!printed.includes(env.KEY));
		compare(name.replace(".yaml", ".json"), printed);
	});
}

function check(name: string) {
	const text = readFileSync(new URL(name, folder), "utf8");
	return checkText(text, basename(name), env);
}

function compare(name: string, actual: string): void {
	const file = new URL(name, folder);
	if (process.env.UPDATE_GOLDEN) writeFileSync(file, actual);
	assert.equal(actual, readFileSync(file, "utf8"));
}
