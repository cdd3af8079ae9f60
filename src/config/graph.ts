import { isIdempotent, isSafe } from "../core/http/method.ts";
import { suggest } from "../core/suggest.ts";
import {
	readsOf,
	type Template,
	type TemplateEntry,
} from "../expression/template.ts";
import type {
	BodyConfig,
	CallConfig,
	RouteConfig,
	StepConfig,
	UpstreamConfig,
} from "./config.ts";
import type { Problem } from "./problem.ts";

/** What a step reads before it starts: addresses, conditions, lists, bodies. */
export function readsToStart(step: StepConfig): ReadonlySet<string> {
	const names = readsIn([step.when, step.each?.list ?? null]);
	for (const name of readsIn(templatesToStart(step))) names.add(name);
	if (step.kind === "call") {
		for (const part of step.path.flat()) {
			if (typeof part === "string") continue;
			for (const read of part.reads) names.add(stepIn(read));
		}
	}
	return names;
}

function templatesToStart(step: StepConfig): readonly (Template | null)[] {
	switch (step.kind) {
		case "value":
			return [step.value];
		case "run":
			return [step.args];
		case "reply":
			return [step.status, step.body, ...valuesOf(step.headers)];
		case "group":
			return [];
		case "call":
			return [
				...valuesOf(step.query),
				...valuesOf(step.headers),
				...templatesOfBody(step.body),
			];
	}
}

function valuesOf(entries: readonly TemplateEntry[]): Template[] {
	return entries.map(({ value }) => value);
}

function templatesOfBody(body: BodyConfig | null): Template[] {
	if (body === null) return [];
	return body.kind === "form" ? valuesOf(body.fields) : [body.value];
}

/** What a step reads once it has started: waited for then, not before. A group's is all that its steps read. */
export function readsAfterwards(step: StepConfig): ReadonlySet<string> {
	const names = readsIn([step.fallback]);
	if (step.kind === "call") {
		for (const name of readsIn(templatesOfAnswer(step))) names.add(name);
	}
	if (step.kind === "group") {
		const inner = readsIn([step.value]);
		for (const one of step.steps) {
			for (const name of waitsOf(one)) inner.add(name);
		}
		// Names inside a group differ from those around it.
		for (const { name } of step.steps) inner.delete(name);
		for (const name of inner) names.add(name);
	}
	return names;
}

/** What is read of a call's answer, and of other steps together with it. */
export function templatesOfAnswer(
	step: CallConfig,
): readonly (Template | null)[] {
	const { answers, expect, pick } = step;
	const values = answers?.kind === "values" ? answers.values : [];
	return [expect, pick, ...values.map(({ value }) => value)];
}

/** What the answer is made of. */
export function readsToRespond(route: RouteConfig): ReadonlySet<string> {
	return readsIn([route.respond, route.status, ...valuesOf(route.headers)]);
}

/** Names that templates read; `missing.<step>` reads the step. */
export function readsIn(templates: readonly (Template | null)[]): Set<string> {
	return new Set(templates.flatMap(readsOf).map(stepIn));
}

function stepIn({
	name,
	path,
}: {
	readonly name: string;
	readonly path: readonly string[];
}) {
	return name === "missing" ? (path[0] ?? name) : name;
}

type SafeUpstreams = readonly Pick<UpstreamConfig, "name" | "safe">[];

/** Whether a call may change something. */
export function isWrite(step: CallConfig, upstreams: SafeUpstreams): boolean {
	if (step.safe !== null) return !step.safe;
	if (isSafe(step.method)) return false;
	return !upstreams.some(({ name, safe }) => name === step.upstream && safe);
}

/** Whether a call, sent twice, does what it does sent once: then it may be tried again. */
export function isRepeatable(
	step: CallConfig,
	upstreams: readonly Pick<UpstreamConfig, "name" | "safe" | "idempotent">[],
): boolean {
	if (step.idempotent !== null) return step.idempotent;
	if (!isWrite(step, upstreams) || isIdempotent(step.method)) return true;
	return upstreams.some(
		({ name, idempotent }) => name === step.upstream && idempotent,
	);
}

/** Whether a step does something besides giving a value: it may be unread, and is waited for. */
export function hasEffect(step: StepConfig, upstreams: SafeUpstreams): boolean {
	switch (step.kind) {
		case "value":
			return false;
		case "call":
			return isWrite(step, upstreams);
		case "group":
			return step.steps.some((inner) => hasEffect(inner, upstreams));
		case "run":
		case "reply":
			return true;
	}
}

/** Steps of a route or a group, and what else there is to know to judge how they hang together. */
export interface Steps {
	readonly steps: readonly { readonly step: StepConfig; readonly at: number }[];
	/** False where a step could not be read: it may be the reader of another. */
	readonly complete: boolean;
	/** What the answer, or the group's value, reads. */
	readonly read: ReadonlySet<string>;
	/** Names that are none: a step whose name is like one of them may be meant. */
	readonly misread: ReadonlySet<string>;
}

interface GraphContext {
	readonly upstreams: readonly UpstreamConfig[];
	readonly problems: Problem[];
}

/** Finds cycles, and steps nobody reads. */
export function checkGraph(block: Steps, context: GraphContext): void {
	const { steps } = block;
	const waits = new Map(steps.map(({ step }) => [step.name, waitsOf(step)]));
	for (const cycle of findCycles(waits)) {
		const first = steps.find(({ step }) => step.name === cycle[0]);
		context.problems.push({
			at: first?.at ?? 0,
			message: wordsForCycle(cycle),
		});
	}
	if (!block.complete) return;
	reportUnread(block, context);
	warnOfRequiredBackups(block, context);
}

/** What only fills in for a failure is called at once; failing itself it would fail the route that did not need it. */
function warnOfRequiredBackups(
	{ steps, read }: Steps,
	{ problems }: GraphContext,
): void {
	const needed = new Set(read);
	const backups = new Set<string>();
	for (const { step } of steps) {
		const { fallback, ...work } = step;
		for (const name of readsIn([fallback])) backups.add(name);
		for (const name of waitsOf({ ...work, fallback: null })) needed.add(name);
	}
	for (const { step, at } of steps) {
		if (!backups.has(step.name) || needed.has(step.name)) continue;
		if (step.kind === "value" || step.optional || step.fallback) continue;
		problems.push({
			at,
			warning: true,
			message: `only a fallback reads \`${step.name}\`, and if it fails the route does: give it \`optional: true\` or a fallback of its own`,
		});
	}
}

function wordsForCycle(cycle: readonly string[]): string {
	const [name] = cycle;
	return cycle.length === 2
		? `\`${name}\` reads itself: it would wait for its own end`
		: `these steps wait for each other: ${cycle.join(" → ")}`;
}

function waitsOf(step: StepConfig): ReadonlySet<string> {
	return new Set([
		...readsToStart(step),
		...step.after,
		...readsAfterwards(step),
	]);
}

/** Cycles in the order written, each beginning and ending with the same step; of those that share steps the first. */
function findCycles(
	waits: ReadonlyMap<string, ReadonlySet<string>>,
): string[][] {
	const cycles: string[][] = [];
	const done = new Set<string>();
	const path: string[] = [];
	function visit(name: string): void {
		if (path.includes(name)) {
			const cycle = path.slice(path.indexOf(name));
			const told = cycle.some((step) => done.has(step));
			if (!told) cycles.push([...cycle, name]);
			for (const step of cycle) done.add(step);
		}
		if (done.has(name)) return;
		path.push(name);
		for (const next of waits.get(name) ?? []) visit(next);
		path.pop();
		done.add(name);
	}
	for (const name of waits.keys()) visit(name);
	return cycles;
}

function reportUnread(
	{ steps, read, misread }: Steps,
	context: GraphContext,
): void {
	const all = new Set(read);
	for (const { step } of steps) {
		for (const name of waitsOf(step)) {
			if (name !== step.name) all.add(name);
		}
	}
	for (const { step, at } of steps) {
		if (all.has(step.name) || hasEffect(step, context.upstreams)) continue;
		if ([...misread].some((name) => suggest(name, [step.name]) !== ""))
			continue;
		context.problems.push({
			at,
			message: `nobody reads \`${step.name}\`: use it in an answer or another step, or remove it`,
		});
	}
}
