import type {
	RouteExplanation,
	StepExplanation,
} from "../../src/plan/explain.ts";

/** A box of the graph. Lengths are pixels from the upper left corner of the whole. */
export interface GraphNode {
	/** As in the state: `orders.items` for a step in a group. Empty for the request and the answer. */
	readonly path: string;
	readonly kind: "request" | "step" | "answer";
	/** Null for the request and the answer. */
	readonly step: StepExplanation | null;
	readonly x: number;
	readonly y: number;
	readonly width: number;
	readonly height: number;
	readonly inChain: boolean;
}

/** An arrow between two boxes of one block. */
export interface GraphEdge {
	readonly from: GraphNode;
	readonly to: GraphNode;
	/** `later`: the step reads the other after it has started. `order`: nothing is read, but it is waited for. */
	readonly kind: "start" | "later" | "order";
	readonly inChain: boolean;
}

export interface Graph {
	readonly width: number;
	readonly height: number;
	/** Groups stand before the steps in them. */
	readonly nodes: readonly GraphNode[];
	readonly edges: readonly GraphEdge[];
}

/** The sizes of everything, in pixels. */
const box = { width: 188, height: 66 };
const end = { width: 72, height: 34 };
const gap = { x: 44, y: 16 };
const padding = { x: 14, top: 30, bottom: 12 };

/** A box before it has its place. */
interface Item {
	readonly name: string;
	readonly path: string;
	readonly kind: GraphNode["kind"];
	readonly step: StepExplanation | null;
	readonly inner: Block | null;
	readonly width: number;
	readonly height: number;
	readonly inChain: boolean;
	layer: number;
	x: number;
	y: number;
}

interface Link {
	readonly from: Item;
	readonly to: Item;
	readonly kind: GraphEdge["kind"];
}

interface Block {
	readonly items: readonly Item[];
	readonly links: readonly Link[];
	readonly width: number;
	readonly height: number;
}

/**
 * Lays a route's steps out from left to right. A step stands in the column after the last of those that it waits for, so the
 * number of columns is the longest chain. Steps of a group stand in its box. Pure: equal routes have equal graphs.
 */
export function layoutOf(
	route: Pick<RouteExplanation, "steps" | "answerReads" | "longestChain">,
): Graph {
	const chain = route.longestChain.steps;
	const items = itemsOf(route.steps, "", chain);
	const links = linksOf(items);
	const request = endItem("request");
	const answer = endItem("answer");
	const read = new Set(route.answerReads);
	const ends = items.flatMap((item): Link[] => {
		const isFirst = !links.some(({ to }) => to === item);
		const isLast = !links.some(({ from }) => from === item);
		const reads = read.has(item.name);
		return [
			...(isFirst ? [{ from: request, to: item, kind: "start" } as const] : []),
			...(reads ? [{ from: item, to: answer, kind: "start" } as const] : []),
			...(!reads && isLast
				? [{ from: item, to: answer, kind: "order" } as const]
				: []),
		];
	});
	const all =
		items.length > 0
			? [...links, ...ends]
			: [{ from: request, to: answer, kind: "start" } as const];
	const block = placed([request, ...items, answer], all);
	const nodes: GraphNode[] = [];
	const edges: GraphEdge[] = [];
	collect(block, chain, { left: 0, top: 0, prefix: "" }, nodes, edges);
	return { width: block.width, height: block.height, nodes, edges };
}

function endItem(kind: "request" | "answer"): Item {
	return {
		...{ name: kind, path: "", kind, step: null, inner: null },
		...end,
		...{ inChain: true, layer: 0, x: 0, y: 0 },
	};
}

function itemsOf(
	steps: readonly StepExplanation[],
	prefix: string,
	chain: readonly string[],
): Item[] {
	return steps.map((step) => {
		const path = `${prefix}${step.name}`;
		const inner = innerOf(step, path, chain);
		const size = inner
			? {
					width: Math.max(box.width, inner.width + 2 * padding.x),
					height: inner.height + padding.top + padding.bottom,
				}
			: box;
		return {
			...{ name: step.name, path, kind: "step", step, inner },
			...size,
			inChain: namesIn(chain, prefix).includes(step.name),
			...{ layer: 0, x: 0, y: 0 },
		};
	});
}

function innerOf(
	{ steps }: StepExplanation,
	path: string,
	chain: readonly string[],
): Block | null {
	if (steps.length === 0) return null;
	const items = itemsOf(steps, `${path}.`, chain);
	return placed(items, linksOf(items));
}

/** Names of steps outside the block are left out: its group has these arrows. */
function linksOf(items: readonly Item[]): Link[] {
	const named = new Map(items.map((item) => [item.name, item]));
	return items.flatMap((to) => {
		const { startsAfter = [], readsLater = [] } = to.step ?? {};
		const links = (names: readonly string[], kind: Link["kind"]) =>
			names.flatMap((name): Link[] => {
				const from = named.get(name);
				return from === undefined || from === to ? [] : [{ from, to, kind }];
			});
		const later = readsLater.filter((name) => !startsAfter.includes(name));
		return [...links(startsAfter, "start"), ...links(later, "later")];
	});
}

/** Gives each item its column, then its place in the column. */
function placed(items: readonly Item[], links: readonly Link[]): Block {
	setLayers(items, links);
	const columns: Item[][] = [];
	for (const item of items) {
		const column = columns[item.layer] ?? [];
		column.push(item);
		columns[item.layer] = column;
	}
	const height = Math.max(...columns.map(heightOf));
	let x = 0;
	for (const column of columns) {
		const width = Math.max(...column.map((item) => item.width));
		let y = (height - heightOf(column)) / 2;
		for (const item of orderedBySources(column, links)) {
			item.x = x;
			item.y = y;
			y += item.height + gap.y;
		}
		x += width + gap.x;
	}
	return { items, links, width: x - gap.x, height };
}

/** The longest chain before each item. As many rounds as items are enough, because the config has no circle. */
function setLayers(items: readonly Item[], links: readonly Link[]): void {
	for (let round = 0; round < items.length; round++) {
		let changed = false;
		for (const { from, to } of links) {
			if (to.layer > from.layer) continue;
			to.layer = from.layer + 1;
			changed = true;
		}
		if (!changed) break;
	}
	const last = items.at(-1);
	if (last?.kind !== "answer") return;
	last.layer = Math.max(...items.map(({ layer }) => layer));
}

function heightOf(column: readonly Item[]): number {
	return column.reduce((sum, { height }) => sum + height + gap.y, -gap.y);
}

/** By the middle of the boxes before them, so that few arrows cross. Equal ones keep the order of the config. */
function orderedBySources(
	column: readonly Item[],
	links: readonly Link[],
): Item[] {
	const middle = (item: Item): number => {
		const sources = links.filter(({ to }) => to === item);
		if (sources.length === 0) return 0;
		const sum = sources.reduce(
			(total, { from }) => total + from.y + from.height / 2,
			0,
		);
		return sum / sources.length;
	};
	const middles = new Map(column.map((item) => [item, middle(item)]));
	return column.toSorted(
		(one, other) => (middles.get(one) ?? 0) - (middles.get(other) ?? 0),
	);
}

/** The chain within a block, whose steps have this before their names. A group stands for the steps in it. */
function namesIn(chain: readonly string[], prefix: string): string[] {
	const names = chain
		.filter((path) => path.startsWith(prefix))
		.map((path) => path.slice(prefix.length).split(".", 1)[0] ?? "");
	return [...new Set(names)];
}

interface BlockPlace {
	readonly left: number;
	readonly top: number;
	readonly prefix: string;
}

function collect(
	{ items, links }: Block,
	chain: readonly string[],
	{ left, top, prefix }: BlockPlace,
	nodes: GraphNode[],
	edges: GraphEdge[],
): void {
	const made = new Map<Item, GraphNode>();
	for (const item of items) {
		const { path, kind, step, width, height, inChain, inner } = item;
		const at = { x: left + item.x, y: top + item.y };
		const node = { path, kind, step, ...at, width, height, inChain };
		made.set(item, node);
		nodes.push(node);
		if (inner === null) continue;
		const place = {
			left: at.x + padding.x,
			top: at.y + padding.top,
			prefix: `${path}.`,
		};
		collect(inner, chain, place, nodes, edges);
	}
	const follows = followers(["request", ...namesIn(chain, prefix), "answer"]);
	for (const { from, to, kind } of links) {
		const ends = { from: made.get(from), to: made.get(to) };
		if (!ends.from || !ends.to) continue;
		const inChain = kind !== "order" && follows(from.name, to.name);
		edges.push({ from: ends.from, to: ends.to, kind, inChain });
	}
}

/** Whether one of these names comes right after the other. */
function followers(
	names: readonly string[],
): (one: string, other: string) => boolean {
	return (one, other) => {
		const at = names.indexOf(one);
		return at >= 0 && names[at + 1] === other;
	};
}

/** The line of an arrow, as the `d` of an SVG path: from the right side of one box to the left side of the other. */
export function lineOf({ from, to }: GraphEdge): string {
	const start = { x: from.x + from.width, y: from.y + from.height / 2 };
	const stop = { x: to.x - 5, y: to.y + to.height / 2 };
	const bend = Math.max(18, (stop.x - start.x) / 2);
	return `M${start.x} ${start.y}C${start.x + bend} ${start.y} ${stop.x - bend} ${stop.y} ${stop.x} ${stop.y}`;
}
