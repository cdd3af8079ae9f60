import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkValue, configOrThrow } from "../../src/config/load.ts";
import { compile } from "../../src/plan/compile.ts";
import { explain } from "../../src/plan/explain.ts";
import { type Graph, layoutOf, lineOf } from "../../ui/src/graph.ts";

function graphOf(steps: object, respond: unknown): Graph {
	const config = configOrThrow(
		checkValue(
			{
				upstreams: { up: { url: "http://up.test" } },
				routes: { "GET /x": { steps, respond } },
			},
			"test",
			{},
		),
	);
	const timeouts = config.resolved.reveal().map(({ timeoutMs }) => timeoutMs);
	const [route] = explain(compile(config), timeouts);
	return layoutOf(route ?? assert.fail("no route"));
}

const nodeOf = ({ nodes }: Graph, name: string) =>
	nodes.find((node) => node.path === name || node.kind === name) ??
	assert.fail(`no ${name}`);

/** Whether the one is left of the other, without touching it. */
const isBefore = (graph: Graph, one: string, other: string) =>
	nodeOf(graph, one).x + nodeOf(graph, one).width < nodeOf(graph, other).x;

const named = (graph: Graph) =>
	graph.edges.map(
		({ from, to, kind }) =>
			`${from.path || from.kind} ${kind} ${to.path || to.kind}`,
	);

describe("the graph of a route", () => {
	it("puts a step after the last one that it waits for, and the answer last", () => {
		const graph = graphOf(
			{
				a: { get: "up/a" },
				b: { get: "up/b/${a}" },
				c: { get: "up/c" },
				d: { get: "up/d/${b}/${c}" },
			},
			"${d}",
		);
		for (const [one, other] of [
			...[["request", "a"] as const, ["a", "b"] as const],
			...[["b", "d"] as const, ["c", "d"] as const, ["d", "answer"] as const],
		]) {
			assert.ok(isBefore(graph, one, other), `${one} before ${other}`);
		}
		assert.equal(nodeOf(graph, "a").x, nodeOf(graph, "c").x);
		assert.deepEqual(named(graph).toSorted(), [
			...["a start b", "b start d", "c start d", "d start answer"],
			...["request start a", "request start c"],
		]);
	});

	it("marks the longest chain, from the request to the answer", () => {
		const graph = graphOf(
			{
				short: { get: "up/s", timeout: "10ms" },
				a: { get: "up/a", timeout: "1s" },
				b: { get: "up/b/${a}/${short}", timeout: "1s" },
			},
			"${b}",
		);
		const chain = graph.nodes.filter(({ inChain }) => inChain);
		assert.deepEqual(
			chain.map(({ path, kind }) => path || kind),
			["request", "a", "b", "answer"],
		);
		assert.equal(graph.edges.filter(({ inChain }) => inChain).length, 3);
	});

	it("marks only the arrows of the chain, and the group that stands for steps of it", () => {
		const graph = graphOf(
			{
				a: { get: "up/a" },
				group: {
					steps: { b: { get: "up/b/${a}" }, c: { get: "up/c/${b}" } },
				},
			},
			["${a}", "${group}"],
		);
		const marked = graph.edges.filter(({ inChain }) => inChain);
		assert.deepEqual(
			marked.map(({ from, to }) => [
				from.path || from.kind,
				to.path || to.kind,
			]),
			[
				["group.b", "group.c"],
				["a", "group"],
				["request", "a"],
				["group", "answer"],
			],
		);
		assert.ok(nodeOf(graph, "group").inChain);
		assert.ok(named(graph).includes("a start answer"));
	});

	it("draws a write that nothing reads before the answer, which waits for it", () => {
		const graph = graphOf({ w: { post: "up/w" }, a: { get: "up/a" } }, "${a}");
		assert.ok(named(graph).includes("w order answer"));
	});

	it("tells what is read later from what is waited for at first", () => {
		const graph = graphOf(
			{ a: { get: "up/a" }, b: { get: "up/b", pick: "${[answer, a]}" } },
			"${b}",
		);
		assert.ok(named(graph).includes("a later b"));
		assert.ok(isBefore(graph, "a", "b"));
	});

	it("draws the steps of a group in its box", () => {
		const graph = graphOf(
			{
				ids: { get: "up/ids" },
				group: {
					each: "${ids}",
					as: "id",
					steps: {
						one: { get: "up/one/${id}" },
						two: { get: "up/two/${one}" },
					},
					value: "${two}",
				},
			},
			"${group}",
		);
		const group = nodeOf(graph, "group");
		for (const name of ["group.one", "group.two"]) {
			const { x, y, width, height } = nodeOf(graph, name);
			assert.ok(x > group.x && x + width < group.x + group.width, name);
			assert.ok(y > group.y && y + height < group.y + group.height, name);
		}
		assert.ok(isBefore(graph, "group.one", "group.two"));
		assert.ok(isBefore(graph, "ids", "group"));
	});

	it("covers no box with another, and stays within its size, for many steps", () => {
		const steps: Record<string, object> = {};
		const names = Array.from({ length: 40 }, (_, at) => `s${at}`);
		for (const [at, name] of names.entries()) {
			const reads = at < 8 ? [] : [names[at - 8], names[at - (at % 7) - 1]];
			const path = reads.map((read) => `/\${${read}}`).join("");
			steps[name] = { get: `up/s${path}` };
		}
		const graph = graphOf(
			steps,
			names.map((name) => `\${${name}}`),
		);
		for (const one of graph.nodes) {
			assert.ok(one.x >= 0 && one.x + one.width <= graph.width);
			assert.ok(one.y >= 0 && one.y + one.height <= graph.height);
			const over = graph.nodes.find(
				(other) =>
					other !== one &&
					other.x < one.x + one.width &&
					one.x < other.x + other.width &&
					other.y < one.y + one.height &&
					one.y < other.y + other.height,
			);
			assert.equal(over, undefined, `${one.path} and ${over?.path}`);
		}
		for (const { from, to } of graph.edges) assert.ok(from.x < to.x);
	});

	it("has an arrow from the request to the answer where there is no step", () => {
		const graph = graphOf({}, "hello");
		assert.deepEqual(named(graph), ["request start answer"]);
		const [edge] = graph.edges;
		assert.match(lineOf(edge ?? assert.fail()), /^M72 17C/);
	});
});
