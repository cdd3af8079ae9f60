import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
	checkText,
	type Loaded,
	printUnlisted,
} from "../../src/config/load.ts";
import { printProblem } from "../../src/config/problem.ts";
import { computing } from "../kit/blocked.ts";

const upstream = "upstreams:\n  a: { url: http://a }\nroutes:\n";

function lines(count: number, line: (index: number) => string): string {
	return Array.from({ length: count }, (_, index) => line(index)).join("\n");
}

function route(text: string): string {
	return `${upstream}  GET /x:\n${text}`;
}

function withSteps(steps: string, respond = "{}"): string {
	return route(`    steps:\n${steps}\n    respond: ${respond}\n`);
}

/** Large configs, and the first problem of each; null without one. */
const configs: readonly (readonly [string, string, RegExp | null])[] = [
	[
		"3,000 lines of unreadable expressions",
		route(
			`    respond:\n${lines(3000, (index) => `      k${index}: \${a ? b: c}`)}`,
		),
		/must be quoted/,
	],
	[
		"3,000 unreadable expressions in maps on one line",
		withSteps(
			lines(3000, (index) => `      s${index}: { get: a/\${name${index}} }`),
		),
		/must be quoted/,
	],
	[
		"3,000 unknown names among 3,000 steps",
		withSteps(
			lines(3000, (index) => `      step${index}: { get: a/x }`),
			`\n${lines(3000, (index) => `      k${index}: \${stap${index}}`)}`,
		),
		/unknown name `stap0` — did you mean `step0`\?/,
	],
	[
		"3,000 unknown upstreams among 3,000",
		`upstreams:\n${lines(3000, (index) => `  user${index}: { url: http://a }`)}\nroutes:\n${lines(3000, (index) => `  GET /x${index}: { steps: { s: { get: usar${index}/x } }, respond: "\${s}" }`)}`,
		/unknown upstream `usar0` — did you mean `user0`\?/,
	],
	[
		"20,000 unknown keys",
		route(`    respond: {}\n${lines(20_000, (index) => `    k${index}: 1`)}`),
		/unknown key `k0` in a route/,
	],
	[
		"20,000 keys of a value",
		route(`    respond:\n${lines(20_000, (index) => `      k${index}: 1`)}`),
		null,
	],
	[
		"one key 20,000 times",
		route(`    respond:\n${lines(20_000, () => "      k: 1")}`),
		/stands here twice/,
	],
	[
		"10,000 routes",
		upstream + lines(10_000, (index) => `  GET /x${index}: { respond: 1 }`),
		null,
	],
	[
		"10,000 steps, all unread",
		withSteps(lines(10_000, (index) => `      s${index}: { get: a/x }`)),
		/nobody reads `s0`/,
	],
	[
		"10,000 steps that wait for each other in a row, the last one first",
		withSteps(
			`${lines(10_000, (index) => `      s${10_000 - index}: { get: "a/\${s${9999 - index}}" }`)}\n      s0: { get: a/x }`,
			`\${s10000}`,
		),
		/the steps before `s10000` may take/,
	],
	[
		"10,000 steps in a circle",
		withSteps(
			lines(
				10_000,
				(index) => `      s${index}: { get: "a/\${s${(index + 1) % 10_000}}" }`,
			),
		),
		/wait for each other: s0 → s1 → .* → … → s0$/,
	],
	[
		"3,000 lists, each made of the items of the one before",
		withSteps(
			`      s0: { value: [1] }\n${lines(3000, (index) => `      s${index + 1}: { value: "\${item}", each: "\${s${index}}" }`)}`,
			`\${s3000}`,
		),
		null,
	],
	[
		"3,000 groups",
		withSteps(
			lines(
				3000,
				(index) => `      s${index}: { steps: { a${index}: { get: a/x } } }`,
			),
			`\n${lines(3000, (index) => `      k${index}: \${s${index}}`)}`,
		),
		null,
	],
	[
		"aliases that would become 9¹⁰⁰⁰ values",
		route(
			`    respond:\n      a0: &a0 [1]\n${lines(1000, (index) => `      a${index + 1}: &a${index + 1} [${"*a".padEnd(2)}${index}${`,*a${index}`.repeat(8)}]`)}`,
		),
		/aliases of the file make more than 100000 values/,
	],
	[
		"lists in each other, 64 levels deep with the maps around them",
		route(`    respond: ${"[".repeat(61)}${"]".repeat(61)}`),
		null,
	],
	[
		"lists in each other, 65 levels deep with the maps around them",
		route(`    respond: ${"[".repeat(62)}${"]".repeat(62)}`),
		/nested deeper than 64 levels/,
	],
	[
		"lists in each other, 10,000 levels deep",
		route(`    respond: ${"[".repeat(10_000)}${"]".repeat(10_000)}`),
		/nested deeper than 64 levels/,
	],
];

/** Most take a tenth of it. What is not linear took 8 to 100 s. */
const msMax = 5000;

describe("a large config is checked in a time that grows as the file does", () => {
	for (const [name, yaml, problem] of configs) {
		test(name, () => {
			const computed = computing();
			const loaded = checkText(yaml, "test.yaml", {});
			const ms = computed();
			// Not every config calls its upstream.
			const faults = loaded.problems.filter(
				({ message }) => !message.startsWith("no route calls"),
			);
			const [first] = faults;
			if (problem === null) assert.deepEqual(faults, []);
			else assert.match(first ? printProblem(first) : "", problem);
			assert.ok(ms < msMax, `took ${Math.round(ms)} ms`);
		});
	}
});

describe("at most 100 problems are listed", () => {
	function withUnknownKeys(count: number): Loaded {
		const keys = lines(count, (index) => `    k${index}: 1`);
		return checkText(route(`    respond: 1\n${keys}`), "test.yaml", {});
	}

	for (const [count, listed, rest] of [
		[99, 99, null],
		[100, 100, null],
		[101, 100, "and 1 more problem"],
		[2000, 100, "and 1900 more problems"],
	] as const) {
		test(`of ${count} problems ${listed}, and ${rest ?? "no word of more"}`, () => {
			const loaded = withUnknownKeys(count);
			assert.equal(loaded.problems.length, listed);
			assert.equal(printUnlisted(loaded), rest);
		});
	}

	test("a fault is listed behind any number of warnings", () => {
		const chain = lines(
			300,
			(index) => `      s${index + 1}: { get: "a/\${s${index}}" }`,
		);
		const { problems, unlisted, config } = checkText(
			withSteps(`      s0: { get: a/x }\n${chain}`, "${s300 + nobody}"),
			"test.yaml",
			{},
		);
		assert.equal(config, null);
		assert.equal(problems.filter(({ warning }) => warning).length, 100);
		assert.match(problems.at(-1)?.message ?? "", /unknown name `nobody`/);
		assert.equal(unlisted.faults, 0);
		assert.ok(unlisted.warnings > 100);
	});
});
