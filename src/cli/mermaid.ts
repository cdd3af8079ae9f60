import type { RouteExplanation, StepExplanation } from "../plan/explain.ts";

/**
 * Routes as a Mermaid flowchart, left to right. A whole arrow means that a step waits before it starts, a dotted one
 * that it reads later. Writes stand in a box with double sides.
 */
export function printMermaid(routes: readonly RouteExplanation[]): string {
	const ids = counter();
	const lines = routes.flatMap((route) => printRoute(route, ids));
	return ["flowchart LR", ...lines.map((line) => `  ${line}`)].join("\n");
}

type NextId = () => string;

function counter(): NextId {
	let count = 0;
	return () => `n${count++}`;
}

function printRoute(route: RouteExplanation, nextId: NextId): string[] {
	const known: ReadonlyMap<string, string> = new Map();
	const answer = nextId();
	const block = drawSteps(route.steps, known, nextId);
	const reads = route.answerReads.map(
		(name) => `${block.ids.get(name) ?? answer} --> ${answer}`,
	);
	return [
		`subgraph ${nextId()}["${label(route.route)}"]`,
		...block.nodes.map((line) => `  ${line}`),
		`  ${answer}(["${answerWords(route)}"])`,
		"end",
		...block.edges,
		...reads,
	];
}

function answerWords({ proxy, listen, worstMs }: RouteExplanation): string {
	if (listen !== null) {
		return label(`listens to ${listen} within ${worstMs} ms`);
	}
	if (proxy === null) return `answer, at most ${worstMs} ms`;
	const targets = proxy.targets.map(({ to }) => to).join(" or ");
	return label(`passed on to ${targets}, begun within ${worstMs} ms`);
}

interface Drawn {
	readonly ids: ReadonlyMap<string, string>;
	readonly nodes: readonly string[];
	readonly edges: readonly string[];
}

function drawSteps(
	steps: readonly StepExplanation[],
	around: ReadonlyMap<string, string>,
	nextId: NextId,
): Drawn {
	const ids = new Map([
		...around,
		...steps.map(({ name }) => [name, nextId()] as const),
	]);
	const drawn = steps.map((step) => {
		const id = ids.get(step.name) ?? "";
		const inner = drawSteps(step.steps, ids, nextId);
		const innerEdges = inner.edges;
		return {
			nodes: nodeOf(step, id, inner),
			edges: [...edgesOf(step, id, ids), ...innerEdges],
		};
	});
	return {
		ids,
		nodes: drawn.flatMap(({ nodes }) => nodes),
		edges: drawn.flatMap(({ edges }) => edges),
	};
}

function nodeOf(step: StepExplanation, id: string, inner: Drawn): string[] {
	const text = labelOf(step);
	if (inner.nodes.length > 0) {
		const nodes = inner.nodes.map((line) => `  ${line}`);
		return [`subgraph ${id}["${text}"]`, ...nodes, "end"];
	}
	return [step.writes ? `${id}[["${text}"]]` : `${id}["${text}"]`];
}

function edgesOf(
	{ startsAfter, readsLater, steps }: StepExplanation,
	id: string,
	ids: ReadonlyMap<string, string>,
): string[] {
	// A group reads everything that its steps read, and the steps' own arrows show that.
	const later = steps.length > 0 ? [] : readsLater;
	return [
		...startsAfter.map((name) => `${ids.get(name)} --> ${id}`),
		...later
			.filter((name) => !startsAfter.includes(name))
			.map((name) => `${ids.get(name)} -.-> ${id}`),
	];
}

function labelOf({ name, call, each, repeat }: StepExplanation): string {
	const lines = [
		name,
		call,
		each && `each of at most ${each.max}`,
		repeat && `at most ${repeat.max} rounds`,
	];
	return lines.flatMap((line) => (line ? [label(line)] : [])).join("<br/>");
}

/** A character with a meaning in Mermaid, Markdown or HTML becomes an entity code. */
function label(text: string): string {
	return text.replaceAll(
		/[^\p{L}\p{N} _/.,-]/gu,
		(character) => `#${character.codePointAt(0)};`,
	);
}
