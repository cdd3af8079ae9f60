import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
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
