import assert from "node:assert/strict";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { describe, it, test } from "node:test";
import { printExplanation } from "../src/cli/explain-text.ts";
import { printMermaid } from "../src/cli/mermaid.ts";
import { checkText, checkValue, configOrThrow } from "../src/config/load.ts";
import { compile } from "../src/plan/compile.ts";
import { explain } from "../src/plan/explain.ts";
import { testPair } from "./kit/transport.ts";

/** A new case is a config; `UPDATE_GOLDEN=1` writes the three faces of its explanation. */
const folder = new URL("golden/explain/", import.meta.url);
const env = {
	HOOKS: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	KEY: "planted-secret",
	USERS_URL: "http://users.test:3001/v1",
};

for (const name of globSync("*.yaml", { cwd: folder })) {
	test(`${name} is explained as text, JSON and flowchart as written beside it`, () => {
		const routes = explained(readFileSync(new URL(name, folder), "utf8"));
		const faces = {
			txt: `${printExplanation(routes)}\n`,
			json: `${JSON.stringify({ routes }, null, 2)}\n`,
			mmd: `${printMermaid(routes)}\n`,
		};
		for (const [extension, printed] of Object.entries(faces)) {
			assert.ok(!printed.includes(env.KEY) && !printed.includes("users.test"));
			compare(name.replace("yaml", extension), printed);
		}
	});
}

function explained(yaml: string) {
	const config = configOrThrow(checkText(yaml, "test.yaml", env));
	const timeouts = config.resolved.reveal().map(({ timeoutMs }) => timeoutMs);
	return explain(compile(config), timeouts);
}

function compare(name: string, actual: string): void {
	const file = new URL(name, folder);
	if (process.env.UPDATE_GOLDEN) writeFileSync(file, actual);
	assert.equal(actual, readFileSync(file, "utf8"));
}

/** The worst case of a route of these steps over an upstream with a timeout of a second. */
function worst(steps: string, deadline = "1h") {
	const [route] = explained(`
upstreams:
  up: { url: "http://127.0.0.1:1", timeout: 1s }
routes:
  GET /r:
    deadline: ${deadline}
    request: { query: { ids: { type: array, items: { type: string } } } }
    steps:
${steps.replaceAll(/^/gm, "      ")}
    respond: \${last_one}
`);
	assert.ok(route);
	return route;
}

describe("the worst case of a route", () => {
	it("counts steps that wait for each other one after the other, and others at once", () => {
		const route = worst(
			'a: { get: up/a }\nb: { get: up/b }\nlast_one: { get: up/c, query: { a: "${a}", b: "${b}" } }',
		);
		assert.equal(route.worstMs, 2000);
		assert.deepEqual(route.longestChain.steps, ["a", "last_one"]);
	});

	it("does not count what is read after the call twice", () => {
		const route = worst(
			'a: { get: up/a, timeout: 3s }\nlast_one: { get: up/c, pick: "${a + answer}" }',
		);
		assert.equal(route.worstMs, 3000);
		assert.deepEqual(route.longestChain.steps, ["a", "last_one"]);
		assert.equal(route.steps[1]?.latestStartMs, 0);
	});

	it("repeats an item's time for as many waves as a full list takes", () => {
		const each = (max: number) =>
			worst(
				`last_one: { each: "\${query.ids}", max: ${max}, parallel: 4, get: up/c }`,
			).worstMs;
		assert.deepEqual(
			[each(3), each(4), each(5), each(9)],
			[1, 1, 2, 3].map((waves) => waves * 1000),
		);
	});

	it("multiplies the waves of lists in each other", () => {
		const route = worst(
			'last_one:\n  each: "${query.ids}"\n  as: id\n  max: 2\n  parallel: 1\n  steps:\n    inner: { each: "${query.ids}", max: 6, parallel: 3, get: "up/${id}" }',
		);
		assert.equal(route.worstMs, 4000);
		assert.deepEqual(route.longestChain.steps, ["last_one.inner"]);
	});

	it("counts the waves of lists that share the places of their step", () => {
		const route = worst(
			'last_one:\n  each: "${query.ids}"\n  as: id\n  max: 2\n  parallel: 2\n  steps:\n    inner: { each: "${query.ids}", max: 6, parallel: 3, get: "up/${id}" }',
		);
		assert.equal(route.worstMs, 4000);
		assert.equal(route.steps[0]?.steps[0]?.each?.waves, 4);
	});

	it("waits for a step around the group in the first wave only", () => {
		const route = worst(
			'slow: { get: up/slow, timeout: 5s }\nlast_one:\n  each: "${query.ids}"\n  max: 3\n  parallel: 1\n  steps:\n    inner: { get: up/x, query: { slow: "${slow}" } }',
		);
		assert.equal(route.worstMs, 5000 + 3 * 1000);
		assert.deepEqual(route.longestChain.steps, ["slow", "last_one.inner"]);
	});

	it("counts rounds, with the waits between them, and lists whose items repeat", () => {
		const rounds = (max: number, more = "") =>
			worst(
				`last_one: { get: up/c, repeat: { while: "\${answer}", max: ${max}, wait: 500ms }${more} }`,
				"1h",
			).worstMs;
		assert.deepEqual([rounds(1), rounds(2), rounds(20)], [1000, 2500, 29_500]);
		assert.equal(rounds(20, ", within: 3s"), 3000);
		const items = ', each: "${query.ids}", max: 6, parallel: 3';
		assert.equal(rounds(2, items), 2 * 2500);
		const group = worst(
			'slow: { get: up/slow, timeout: 5s }\nlast_one:\n  steps:\n    inner: { get: up/x, query: { slow: "${slow}" } }\n  repeat: { while: "${inner}", max: 3 }',
		);
		assert.equal(group.worstMs, 5000 + 3 * 1000);
	});

	it("takes no time to speak of for long lists and many rounds in each other", () => {
		const route = worst(
			'slow: { get: up/slow, timeout: 1h }\nlast_one:\n  each: "${query.ids}"\n  max: 100000\n  parallel: 1\n  steps:\n    deep:\n      steps:\n        one: { get: up/c, timeout: 1ms, within: 1ms, pick: "${slow}" }\n      repeat: { while: true, max: 10000 }\n      within: 1ms',
			"10h",
		);
		assert.equal(route.worstMs, 3_600_000);
		assert.equal(route.steps[1]?.latestEndMs, 100_000);
	});

	it("bounds a step by `within`, but for what its fallback waits for", () => {
		const within = worst(
			'last_one: { each: "${query.ids}", get: up/c, within: 1500ms }',
		);
		assert.equal(within.worstMs, 1500);
		const backup = worst(
			'slow: { get: up/slow, timeout: 5s }\nlast_one: { get: up/c, within: 200ms, fallback: "${slow}" }',
		);
		assert.equal(backup.worstMs, 5000);
	});

	it("is the deadline where nothing else bounds a function, or the chain is longer", () => {
		const open = worst("last_one: { run: ./f.ts#f }", "2s");
		assert.equal(open.worstMs, 2000);
		assert.equal(open.longestChain.ms, null);
		const bounded = worst("last_one: { run: ./f.ts#f, within: 300ms }", "2s");
		assert.equal(bounded.worstMs, 300);
		const long = worst(
			'a: { get: up/a }\nlast_one: { get: "up/${a.id}" }',
			"1500ms",
		);
		assert.deepEqual([long.worstMs, long.longestChain.ms], [1500, 2000]);
	});
});

test("a flowchart's labels hold nothing that Mermaid, Markdown or HTML would read", () => {
	const [route] = explained("routes: { GET /hello: { respond: hello } }");
	assert.ok(route);
	const chart = printMermaid([{ ...route, route: 'GET /"];<b>`end#35;' }]);
	assert.match(
		chart,
		/subgraph n1\["GET \/#34;#93;#59;#60;b#62;#96;end#35;35#59;"\]/,
	);
});

describe("the writes from which a run is finished", () => {
	const from = (steps: string) =>
		worst(`${steps}\nlast_one: { value: 1 }`).finishedFrom;

	for (const [what, steps, names] of [
		[
			"are none if nothing writes",
			'a: { get: up/a, optional: true }\nb: { post: up/b, safe: true, optional: true }\nc: { value: "${[a, b]}" }\nd: { put: up/d, safe: true, when: "${c}" }\ne: { value: "${d}" }\nf: { get: up/f, query: { "e?": "${e}" }, safe: false }',
			["f"],
		],
		[
			"are those that may be sent first",
			"a: { post: up/a }\nb: { post: up/b }",
			["a", "b"],
		],
		[
			"are not those after one that is surely sent",
			'a: { post: up/a }\nc: { value: "${a}" }\nb: { post: up/b, body: "${c}" }',
			["a"],
		],
		[
			"are also those after one that may be skipped",
			"a: { post: up/a, when: false }\nb: { post: up/b, after: [a] }",
			["a", "b"],
		],
		[
			"are also those after one that may fail before it is sent",
			"a: { post: up/a, optional: true }\nb: { post: up/b, after: [a] }",
			["a", "b"],
		],
		[
			"are also those after a list, which may be empty",
			'a: { each: "${query.ids}", post: up/a }\nb: { post: up/b, after: [a] }',
			["a", "b"],
		],
		[
			"are named with their group",
			"g: { steps: { a: { post: up/a }, b: { post: up/b, after: [a] } } }\nc: { post: up/c, after: [g] }",
			["g.a"],
		],
		[
			"are not in a group that starts after one",
			"a: { post: up/a }\ng: { after: [a], steps: { b: { post: up/b } } }\nh: { steps: { c: { post: up/c, after: [a] } } }",
			["a"],
		],
		[
			"are functions, too",
			"a: { run: ./a.ts#a }\nb: { post: up/b, after: [a] }",
			["a", "b"],
		],
	] as const) {
		it(what, () => assert.deepEqual(from(steps), names));
	}
});

test("a certificate is the gateway's, whoever asks besides", () => {
	const checked = checkValue(
		{
			upstreams: Object.fromEntries(
				[
					["passed", { pass: true }],
					["own", { bearer: "${env.TOKEN}" }],
					["shown", null],
				].map(([name, auth]) => [
					name,
					{
						url: "https://a.example",
						tls: { cert: "${env.CERT}", key: "${env.KEY}" },
						...(auth !== null && { auth }),
					},
				]),
			),
			routes: {
				"GET /x": {
					steps: {
						a: { get: "passed/x" },
						b: { get: "own/x" },
						c: { get: "shown/x" },
					},
					respond: ["${a}", "${b}", "${c}"],
				},
			},
		},
		"config",
		{ TOKEN: "a-token-1", CERT: testPair.cert, KEY: testPair.key },
	);
	const config = configOrThrow(checked);
	const [route] = explain(compile(config), [1, 1, 1]);
	assert.deepEqual(route?.asks, [
		{ upstream: "passed", as: "client", by: ["pass"] },
		{ upstream: "passed", as: "gateway", by: ["certificate"] },
		{ upstream: "own", as: "gateway", by: ["bearer", "certificate"] },
		{ upstream: "shown", as: "gateway", by: ["certificate"] },
	]);
});
