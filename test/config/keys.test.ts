import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { describe, test } from "node:test";
import { defaultsKeys } from "../../src/config/keys/defaults.ts";
import { type AnyKeys, key, part } from "../../src/config/keys/key.ts";
import { count, duration, flag, size } from "../../src/config/keys/kinds.ts";
import { map, policy, section } from "../../src/config/keys/section.ts";
import { messageOf, type Problem } from "../../src/config/problem.ts";
import { readSource } from "../../src/config/read-yaml.ts";
import { metaOf } from "../../tools/docs.ts";
import { keySchemas } from "../kit/schemas.ts";

const told = { description: "The thing.", example: "thing: 1" };

const box = section(
	{
		wait: key(duration, { ...told, field: "waitMs", default: "1s" }),
		maxBody: key(size, { ...told, field: "bodyBytesMax" }),
		places: key(count(10), { ...told, required: true }),
		open: key(flag, { ...told, default: true }),
	},
	{
		finish(read, say) {
			if (read.places > 5 && read.open) say("places", "too many in the open");
			return read;
		},
	},
);

function read(yaml: string) {
	const problems: Problem[] = [];
	const judged = { what: "a box", problems };
	const value = box.read(readSource(yaml).root, judged, {});
	return { value, said: problems.map(messageOf) };
}

describe("a section of keys", () => {
	test("becomes fields with their units, and defaults where nothing is written", () => {
		const { value, said } = read("places: 2\nmaxBody: 2KiB");
		assert.deepEqual(said, []);
		assert.deepEqual(value, {
			...{ waitMs: 1000, bodyBytesMax: 2048, places: 2, open: true },
		});
	});

	test("tells every fault, and has the default in the place of what was refused", () => {
		const { value, said } = read("wait: soon\nplases: 3\nplaces: 4\nopen: 1");
		assert.deepEqual(said, [
			"unknown key `plases` in a box — did you mean `places`?",
			"`wait` takes a duration with its unit, such as `250ms`, `1s` or `2m`",
			"`open` takes `true` or `false`",
		]);
		assert.deepEqual(value, {
			...{ waitMs: 1000, bodyBytesMax: null, places: 4, open: true },
		});
	});

	test("has no value without a key that is required", () => {
		const { value, said } = read("wait: 2s");
		assert.equal(value, undefined);
		assert.deepEqual(said, ["`places` is missing in a box"]);
	});

	test("says what is wrong with a whole map only where each key is right", () => {
		assert.deepEqual(read("places: 6").said, ["too many in the open"]);
		assert.equal(read("places: 6\nwait: 1").said.length, 1);
	});
});

describe("a description", () => {
	const inner = section({
		calls: part(count(10), { default: 3 }),
		wait: part(duration, { field: "waitMs" }),
	});

	test("has the defaults of the parts it tells of", () => {
		const { schema } = key(policy(inner), {
			description: "At most `calls` (default {calls}), each after `wait`.",
			example: "thing: { calls: 2 }",
		});
		assert.equal(
			metaOf(schema)?.description,
			"At most `calls` (default `3`), each after `wait`.",
		);
	});

	test("that leaves a part or a default out fails when it is loaded", () => {
		const declare = (description: string) => () =>
			key(map(inner), { description, example: "thing: {}" });
		assert.throws(declare("At most `calls` ({calls})."), /tells of `wait`/);
		assert.throws(declare("`calls`, after `wait`."), /its default, \{calls\}/);
	});
});

test("every section whose keys are told of one by one is among those that docs and README are compared with", async () => {
	const folder = new URL("../../src/config/keys/", import.meta.url);
	const known: readonly unknown[] = keySchemas;
	for (const name of globSync("*.ts", { cwd: folder })) {
		const exported = await import(new URL(name, folder).href);
		for (const [what, value] of Object.entries(exported)) {
			if (isToldSection(value)) assert.ok(known.includes(value), what);
		}
	}
});

function isToldSection(value: unknown): boolean {
	const { keys = {} } = (value ?? {}) as { keys?: AnyKeys };
	return Object.values(keys).some(({ options }) => options.description);
}

test("every key of `defaults` is what another key inherits", () => {
	const inherited = keySchemas.flatMap(({ keys }) =>
		Object.values(keys).map(({ kind }) => kind.inherits),
	);
	for (const [name, declared] of Object.entries(defaultsKeys.keys)) {
		assert.ok(inherited.includes(declared), `nothing inherits ${name}`);
	}
});
