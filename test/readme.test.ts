import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
	configSchema,
	defaultsSchema,
	proxySchema,
	requestSchema,
	routeSchema,
	serverSchema,
	stepSchemas,
	upstreamSchema,
} from "../src/config/schema.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

test("the README lists exactly the keys there are", () => {
	const table = readme.slice(readme.indexOf("## The keys"));
	const listed = new Set(
		[...table.slice(0, table.indexOf("[docs/")).matchAll(/`(\w+)`/g)].map(
			([, key]) => key,
		),
	);
	const schemas = [
		configSchema,
		serverSchema,
		defaultsSchema,
		upstreamSchema,
		routeSchema,
		proxySchema,
		requestSchema,
		...Object.values(stepSchemas),
	];
	const known = schemas.flatMap(({ shape }) => Object.keys(shape));
	const all = new Set(known.filter((key) => !key.endsWith("?")));
	assert.deepEqual([...listed].toSorted(), [...all].toSorted());
});
