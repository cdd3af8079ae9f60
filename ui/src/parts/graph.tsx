import type { Rate } from "../../../src/telemetry/traffic/rate.ts";
import { shownMs, shownShare } from "../format.ts";
import {
	type Graph,
	type GraphEdge,
	type GraphNode,
	lineOf,
} from "../graph.ts";

export interface PlanGraphProps {
	readonly title: string;
	readonly graph: Graph;
	/** What the steps did lately, by their paths. */
	readonly rates: ReadonlyMap<string, Rate>;
}

/** A route's steps as boxes, and what waits for what as arrows. The table beside it says the same in words. */
export function PlanGraph({ title, graph, rates }: PlanGraphProps) {
	const { width, height, nodes, edges } = graph;
	const margin = 8;
	const isGroup = ({ step }: GraphNode) => (step?.steps.length ?? 0) > 0;
	const drawn = (some: readonly GraphNode[]) =>
		some.map((node) => (
			<Node
				key={node.path || node.kind}
				node={node}
				rate={rates.get(node.path) ?? null}
			/>
		));
	return (
		<div class="scroll" tabIndex={0} role="region" aria-label={title}>
			<svg
				class="plan"
				role="img"
				aria-label={`${title}: the table below says the same in words`}
				width={width + 2 * margin}
				height={height + 2 * margin}
				viewBox={`${-margin} ${-margin} ${width + 2 * margin} ${height + 2 * margin}`}
			>
				<Heads />
				{drawn(nodes.filter(isGroup))}
				{edges.map((edge, at) => (
					<Arrow key={at} edge={edge} />
				))}
				{/* Last, so that no arrow goes through their words. */}
				{drawn(nodes.filter((node) => !isGroup(node)))}
			</svg>
		</div>
	);
}

function Heads() {
	return (
		<defs>
			{["head", "head-chain"].map((id) => (
				<marker
					key={id}
					id={id}
					class={id}
					viewBox="0 0 8 8"
					refX="5"
					refY="4"
					markerUnits="userSpaceOnUse"
					markerWidth="9"
					markerHeight="9"
					orient="auto"
				>
					<path d="M0 0L8 4L0 8z" />
				</marker>
			))}
		</defs>
	);
}

function Arrow({ edge }: { edge: GraphEdge }) {
	const names = ["arrow", edge.kind, edge.inChain ? "chain" : ""];
	return (
		<path
			class={names.join(" ")}
			d={lineOf(edge)}
			marker-end={`url(#${edge.inChain ? "head-chain" : "head"})`}
		/>
	);
}

function Node({ node, rate }: { node: GraphNode; rate: Rate | null }) {
	const { x, y, width, height, kind, step, path, inChain } = node;
	if (step === null) {
		return (
			<g class={`node ${kind}`}>
				<rect x={x} y={y} width={width} height={height} rx={height / 2} />
				<text x={x + width / 2} y={y + height / 2 + 4} text-anchor="middle">
					{kind}
				</text>
			</g>
		);
	}
	const isGroup = step.steps.length > 0;
	const names = [
		"node",
		"step",
		isGroup ? "group" : "",
		inChain ? "chain" : "",
	];
	return (
		<g class={names.join(" ")} data-step={path}>
			<title>{`${path}: ${step.call ?? step.kind}`}</title>
			<rect x={x} y={y} width={width} height={height} rx="6" />
			{step.writes && (
				<rect
					class="write"
					x={x + 3}
					y={y + 3}
					width={width - 6}
					height={height - 6}
					rx="4"
				/>
			)}
			<text class="name" x={x + 10} y={y + 20}>
				{cut(step.each ? `${step.name} × each` : step.name, width - 70, 7.4)}
			</text>
			{!isGroup && (
				<text class="call" x={x + 10} y={y + 37}>
					{cut(step.call ?? step.kind, width, 6.3)}
				</text>
			)}
			<text
				class="rate"
				x={isGroup ? x + width - 10 : x + 10}
				y={isGroup ? y + 20 : y + 55}
				text-anchor={isGroup ? "end" : "start"}
			>
				{rateLine(rate)}
			</text>
			{rate && rate.errors > 0 && !isGroup && (
				<text class="rate bad" x={x + width - 10} y={y + 20} text-anchor="end">
					{shownShare(rate.errors, rate.count)} failed
				</text>
			)}
		</g>
	);
}

function rateLine(rate: Rate | null): string {
	if (rate === null || rate.count === 0) return "not run lately";
	return `median ${shownMs(rate.p50Ms)} · 95 % ${shownMs(rate.p95Ms)}`;
}

/** What a box of this width has room for. */
function cut(text: string, width: number, letterWidth: number): string {
	const most = Math.floor((width - 20) / letterWidth);
	return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
