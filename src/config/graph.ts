import { parseDuration } from "../core/units.ts";
import { readsOf, type Template } from "../expression/template.ts";
import type { RouteConfig, StepConfig, UpstreamConfig } from "./config.ts";
import type { Problem } from "./problem.ts";

/** What a step reads before it starts: addresses, conditions, lists, bodies. */
export function readsToStart(step: StepConfig): ReadonlySet<string> {
	const templates: (Template | null)[] = [step.when, step.each?.list ?? null];
	if (step.kind === "value") templates.push(step.value);
	else {
		templates.push(step.body);
		for (const { value } of [...step.query, ...step.headers]) {
			templates.push(value);
		}
	}
	const names = new Set(templates.flatMap(namesIn));
	if (step.kind === "call") {
		for (const part of step.path.flat()) {
			if (typeof part === "string") continue;
			for (const { name } of part.reads) names.add(name);
		}
	}
	return names;
}

/** What a step reads once its call has ended: waited for then, not before. */
export function readsAfterwards(step: StepConfig): ReadonlySet<string> {
	const templates: (Template | null)[] = [step.fallback];
	if (step.kind === "call") {
		templates.push(step.pick);
		if (step.answers?.kind === "values") {
			templates.push(...step.answers.values.map(({ value }) => value));
		}
	}
	return new Set(templates.flatMap(namesIn));
}

/** What the answer is made of. */
export function readsToRespond(route: RouteConfig): ReadonlySet<string> {
	const headers = route.headers.map(({ value }) => value);
	return new Set([route.respond, route.status, ...headers].flatMap(namesIn));
}

function namesIn(template: Template | null): string[] {
	return readsOf(template).map(({ name }) => name);
}

/** Whether a step's calls may change something: such a step may be unread, and is waited for. */
export function isWrite(
	step: StepConfig,
	upstreams: readonly Pick<UpstreamConfig, "name" | "safe">[],
): boolean {
	if (step.kind !== "call") return false;
	if (step.method === "GET" || step.method === "HEAD") return false;
	return !upstreams.some(({ name, safe }) => name === step.upstream && safe);
}

interface GraphContext {
	readonly steps: readonly { readonly step: StepConfig; readonly at: number }[];
	/** False where a step could not be read: it may be the reader of another. */
	readonly complete: boolean;
	readonly upstreams: readonly UpstreamConfig[];
	readonly problems: Problem[];
}

/** Finds cycles, steps nobody reads, and chains that can use up the deadline. */
export function checkGraph(route: RouteConfig, context: GraphContext): void {
	const { steps, problems } = context;
	const waits = new Map(steps.map(({ step }) => [step.name, waitsOf(step)]));
	const places = new Map(steps.map(({ step, at }) => [step.name, at]));
	const cycle = findCycle(waits);
	if (cycle) {
		problems.push({
			at: places.get(cycle[0] ?? "") ?? 0,
			message: `these steps wait for each other: ${cycle.join(" → ")}`,
		});
	}
	if (context.complete) reportUnread(route, context);
	if (!cycle) warnOfLongChains(route, context);
}

function waitsOf(step: StepConfig): ReadonlySet<string> {
	return new Set([
		...readsToStart(step),
		...step.after,
		...readsAfterwards(step),
	]);
}

/** The first cycle in the order written, beginning and ending with the same step; null without one. */
function findCycle(
	waits: ReadonlyMap<string, ReadonlySet<string>>,
): string[] | null {
	const done = new Set<string>();
	const path: string[] = [];
	function visit(name: string): string[] | null {
		if (path.includes(name)) return [...path.slice(path.indexOf(name)), name];
		if (done.has(name)) return null;
		path.push(name);
		for (const next of waits.get(name) ?? []) {
			const found = visit(next);
			if (found) return found;
		}
		path.pop();
		done.add(name);
		return null;
	}
	for (const name of waits.keys()) {
		const found = visit(name);
		if (found) return found;
	}
	return null;
}

function reportUnread(route: RouteConfig, context: GraphContext): void {
	const read = new Set(readsToRespond(route));
	for (const { step } of context.steps) {
		for (const name of waitsOf(step)) {
			if (name !== step.name) read.add(name);
		}
	}
	for (const { step, at } of context.steps) {
		if (read.has(step.name) || isWrite(step, context.upstreams)) continue;
		context.problems.push({
			at,
			message: `nobody reads \`${step.name}\`: use it in \`respond\` or another step, or remove it`,
		});
	}
}

/** A step that can start only when its route's time is over is likely a mistake, but may be meant. */
function warnOfLongChains(route: RouteConfig, context: GraphContext): void {
	const byName = new Map(context.steps.map(({ step }) => [step.name, step]));
	const known = new Map<string, number>();
	function startsAtMs(step: StepConfig): number {
		const cached = known.get(step.name);
		if (cached !== undefined) return cached;
		let latest = 0;
		for (const name of [...readsToStart(step), ...step.after]) {
			const before = byName.get(name);
			if (!before) continue;
			const endMs = startsAtMs(before) + longestMs(before, context.upstreams);
			latest = Math.max(latest, endMs);
		}
		known.set(step.name, latest);
		return latest;
	}
	for (const { step, at } of context.steps) {
		const startMs = startsAtMs(step);
		if (step.kind !== "call" || startMs < route.deadlineMs) continue;
		context.problems.push({
			at,
			warning: true,
			message: `the steps before \`${step.name}\` may take ${startMs} ms, and the route's deadline is ${route.deadlineMs} ms: it may never start`,
		});
	}
}

function longestMs(
	step: StepConfig,
	upstreams: readonly UpstreamConfig[],
): number {
	if (step.withinMs !== null) return step.withinMs;
	if (step.kind === "value") return 0;
	if (step.timeoutMs !== null) return step.timeoutMs;
	const timeout = upstreams.find(({ name }) => name === step.upstream)?.timeout;
	const text = timeout?.kind === "literal" ? timeout.value : null;
	return typeof text === "string" ? (parseDuration(text) ?? 0) : 0;
}
