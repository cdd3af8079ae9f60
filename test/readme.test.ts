import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { keySchemas } from "./kit/schemas.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

test("the README lists exactly the keys there are", () => {
	const table = readme.slice(readme.indexOf("## The keys"));
	const listed = new Set(
		[...table.slice(0, table.indexOf("[docs/")).matchAll(/`(\w+)`/g)].map(
			([, key]) => key,
		),
	);
	const known = keySchemas.flatMap(({ shape }) => Object.keys(shape));
	const all = new Set(known.filter((key) => !key.endsWith("?")));
	assert.deepEqual([...listed].toSorted(), [...all].toSorted());
});

test("the README's index has every page once", () => {
	const index = readme.slice(readme.indexOf("## The pages"));
	const pages = [...index.matchAll(/^(?:\d+\.|   ) .*$/gm)].flatMap(([line]) =>
		[...line.matchAll(/\]\((docs\/[\w.-]+)\)/g)].map(([, page]) => page),
	);
	const root = new URL("..", import.meta.url);
	assert.deepEqual(
		pages.toSorted(),
		globSync("docs/*.md", { cwd: root }).toSorted(),
	);
});

test("the README begins with a config of ten lines at most", () => {
	const [, first = ""] = /^```yaml\n([^]*?)^```$/m.exec(readme) ?? [];
	assert.ok(first.split("\n").length <= 11, first);
});
