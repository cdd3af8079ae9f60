import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";
import { configJsonSchema } from "../src/config/json-schema.ts";
import { exampleConfigs } from "../tools/docs.ts";

const root = new URL("../", import.meta.url);
const schema = configJsonSchema();
const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(
	schema,
);

function faults(config: unknown): string {
	return validate(config) ? "" : JSON.stringify(validate.errors, null, 1);
}

const files = globSync(
	[
		"examples/*/*.yaml",
		"test/golden/plans/*.yaml",
		"test/golden/explain/*.yaml",
	],
	{ cwd: root },
).filter((name) => !name.includes("compose"));

const configs = [
	...files.map((name) => ({
		title: name,
		yaml: readFileSync(new URL(name, root), "utf8"),
	})),
	...exampleConfigs(),
].map(({ title, yaml }) => ({
	title,
	config: parse(yaml, { merge: true }) as Config,
}));

interface Config {
	readonly [key: string]: unknown;
}

describe("the config's JSON Schema", () => {
	for (const { title, config } of configs) {
		it(`accepts ${title}`, () => {
			assert.equal(faults(config), "");
		});
	}

	it("refuses every key that is misspelt, where it is not a name the author gives", () => {
		let tried = 0;
		for (const { title, config } of configs) {
			for (const { path, misspelt } of misspellings(config)) {
				assert.notEqual(faults(misspelt), "", `${title}: ${path}`);
				tried++;
			}
		}
		assert.ok(tried > 300);
	});

	it("refuses values of the wrong kind", () => {
		const route = (route: object) => ({ routes: { "GET /r": route } });
		const step = (step: object) => route({ steps: { a: step }, respond: 1 });
		for (const wrong of [
			{ server: { port: "http" } },
			{ defaults: { timeout: 5 } },
			{ defaults: { timeout: "5 seconds" } },
			{ upstreams: { users: {} } },
			{ upstreams: { users: { url: "http://u.test", maxBody: "8MB" } } },
			{ routes: { "FETCH /r": { respond: 1 } } },
			route({ summary: "a ${query.x}" }),
			route({ request: { query: { a: { type: "text" } } } }),
			route({ request: { query: { a: { type: "array", items: {} } } } }),
			step({ get: "up/x", body: {} }),
			step({ get: "up/x", post: "up/x" }),
			step({ value: 1, timeout: "1s" }),
			step({ steps: { inner: { gett: "up/x" } } }),
			step({ run: "score.ts" }),
			step({ reply: { status: 404 }, optional: true }),
		]) {
			assert.notEqual(faults(wrong), "", JSON.stringify(wrong));
		}
	});

	it("tells an editor of every key what it is, by example, and its default as a value", () => {
		const port = at(schema, "properties", "server", "properties", "port");
		assert.deepEqual(port, {
			anyOf: [
				{ type: "integer", minimum: 0, maximum: 65_535 },
				{ type: "string", pattern: "\\$\\{" },
			],
			description:
				"The port to listen on. 0 takes any free one. It may come from the environment.\n\nport: ${env.PORT ?? 9000}",
			default: 8080,
		});
		const steps = at(schema, "$defs", "route", "properties", "steps");
		assert.match(String(at(steps, "description")), /^The steps by name/);
	});

	it("names no host but that of its own dialect", () => {
		const { $schema, ...rest } = schema;
		assert.equal($schema, "https://json-schema.org/draft/2020-12/schema");
		assert.match(String(rest.$id), /^urn:/);
	});
});

function at(value: unknown, ...path: readonly string[]): unknown {
	return path.reduce<unknown>(
		(found, key) => (found as Record<string, unknown> | undefined)?.[key],
		value,
	);
}

/** Where the author gives the names, or the value is data. */
const ownNames =
	/^(upstreams|routes|channels|auth|claims|steps|args|value|respond|fallback|pick|body|form|answers|query|headers|params|cookies|each|when|status|expect|text|record|member|message)$/;

/** The config once for each key of the language in it, with that key misspelt. */
function misspellings(config: Config): { path: string; misspelt: Config }[] {
	const found: { path: string; misspelt: Config }[] = [];
	visit(config, [], (path) => {
		const copy = structuredClone(config);
		const holder = at(copy, ...path.slice(0, -1)) as Record<string, unknown>;
		const key = path.at(-1) ?? "";
		holder[`${key}x`] = holder[key];
		delete holder[key];
		found.push({ path: path.join("."), misspelt: copy });
	});
	return found;
}

function visit(
	value: unknown,
	path: readonly string[],
	tell: (path: readonly string[]) => void,
): void {
	if (typeof value !== "object" || value === null || Array.isArray(value))
		return;
	const holder = path.at(-1) ?? "";
	const inRequest = path.at(-2) === "request";
	const isData =
		ownNames.test(holder) &&
		!/^(upstreams|routes|channels|auth|steps)$/.test(holder);
	if (isData && !inRequest) return;
	if (inRequest && holder.startsWith("body")) return;
	for (const [key, inner] of Object.entries(value)) {
		// The author's own: whatever stands there is no key of the language.
		if (path.length === 0 && key.startsWith("x-")) continue;
		const named = ownNames.test(holder) || inRequest;
		if (!named) tell([...path, key]);
		visit(inner, [...path, key], tell);
	}
}
