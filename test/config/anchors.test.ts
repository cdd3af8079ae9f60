import assert from "node:assert/strict";
import { test } from "node:test";
import { checkText } from "../../src/config/load.ts";
import { printProblem } from "../../src/config/problem.ts";
import { readSource } from "../../src/config/read-yaml.ts";
import { plainOf } from "../../src/config/shape.ts";
import type { Source } from "../../src/config/source.ts";
import { computing } from "../kit/blocked.ts";

function problemsOf(yaml: string): string[] {
	return checkText(yaml, "a.yaml", {}).problems.map(printProblem);
}

const route = "routes: { GET /x: { respond: *last } }";

test("makes 100,000 values of aliases in one file, and not one more", () => {
	const list = (items: number) => `[${"1,".repeat(items)}]`;
	// A list of 99 items is 100 values, and it is meant 999 times by one list, and once more by another.
	const config = (more: number) =>
		`x-a: &a ${list(99)}\nx-b: [${"*a,".repeat(999)}]\nx-c: &last ${list(99 + more)}\n${route}`;
	const told = [
		"a.yaml:4:30: with this alias the aliases of the file make more than 100000 values: use fewer, or smaller ones",
	];
	assert.deepEqual([-1, 0, 1].map(config).map(problemsOf), [[], [], told]);
});

test("refuses aliases of aliases by their number, without making them", () => {
	for (const levels of [20, 2000]) {
		const lines = Array.from(
			{ length: levels },
			(_, at) => `x-${at + 1}: &a${at + 1} [*a${at}, *a${at}]`,
		);
		const yaml = `x-0: &a0 [1]\n${lines.join("\n")}\nroutes: { GET /x: { respond: 1 } }`;
		const computed = computing();
		const problems = problemsOf(yaml);
		assert.ok(computed() < 5000);
		assert.equal(problems.length, 1, problems.join("\n"));
		assert.match(problems[0] ?? "", /more than 100000 values/);
	}
});

test("counts the levels of an anchored value where its alias stands", () => {
	const config = (outer: number) =>
		`x-a: &last ${"[".repeat(30)}${"]".repeat(30)}\nroutes: { GET /x: { respond: ${"[".repeat(outer)}*last${"]".repeat(outer)} } }`;
	const told = (column: number) => [
		`a.yaml:2:${column}: nested deeper than 64 levels`,
	];
	// Three maps are around `respond`.
	assert.deepEqual(
		[30, 31, 32].map((outer) => problemsOf(config(outer))),
		[[], [], told(30 + 32)],
	);
});

test("says of an alias that nothing above it has its name", () => {
	const cure = "write the value out, or quote what begins with `*`";
	assert.deepEqual(problemsOf(`x-a: &first [*second]\nx-b: &second [*frist]`), [
		"a.yaml:1:14: nothing above has the anchor `&second`: " + cure,
		"a.yaml:2:15: nothing above has the anchor `&frist` — did you mean `first`?",
	]);
});

function read(yaml: string): unknown {
	const { root, problems } = readSource(yaml);
	assert.deepEqual(problems, []);
	return plainOf(root as Source);
}

test("merges maps as YAML does: the map's own keys first, then the first of the list", () => {
	const cases: [yaml: string, value: unknown][] = [
		["a: &a { x: 1, y: 2 }\nb: { <<: *a, y: 3 }", { y: 3, x: 1 }],
		["a: &a { x: 1, y: 2 }\nb: { y: 3, <<: *a }", { y: 3, x: 1 }],
		["a: &a { x: 1 }\nb: { <<: [*a, { x: 2, y: 2 }] }", { x: 1, y: 2 }],
		["a: &a { x: 1 }\nb: { <<: { <<: *a, y: 2 }, z: 3 }", { x: 1, y: 2, z: 3 }],
		["a: &a { x?: 1 }\nb: { <<: *a, x: 2 }", { x: 2 }],
		["a: &a { x: 1 }\nb: { <<: [] }", {}],
		["a: &a { x: 1 }\nb: { '<<': *a }", { "<<": { x: 1 } }],
		["a: &a 1\nc: &a 2\nb: *a", 2],
		["a: &a { __proto__x: 1 }\nb: *a", { __proto__x: 1 }],
		["a: &a |\n  two\n  lines\nb: *a", "two\nlines\n"],
		["a: &a [&b 1, *b]\nb: *a", [1, 1]],
	];
	for (const [yaml, value] of cases) {
		assert.deepEqual((read(yaml) as { b: unknown }).b, value, yaml);
	}
	const { problems } = readSource("a: &a { x: 1 }\nb: { <<: [*a, 2] }");
	assert.match(String(problems[0]?.message), /takes a map, or a list of maps/);
});

test("keeps the order of the keys, with merged ones where `<<` stands", () => {
	const value = read("a: &a { x: 1, y: 2 }\nb: { first: 0, <<: *a, last: 3 }");
	const keys = Object.keys((value as { b: object }).b);
	assert.deepEqual(keys, ["first", "x", "y", "last"]);
});

test("leaves top-level keys `x-…` alone, and no others", () => {
	assert.deepEqual(
		problemsOf(
			"x-a: { get: nowhere }\nx-b: ${no + such}\nroutes: { GET /x: { respond: 1 } }",
		),
		[],
	);
	const [other, inner] = problemsOf(
		"xa: 1\nroutes: { GET /x: { respond: 1, x-a: 1 } }",
	);
	assert.match(String(other), /^a.yaml:1:1: unknown key `xa`/);
	assert.match(String(inner), /^a.yaml:2:33: unknown key `x-a`/);
});
