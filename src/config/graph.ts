import type { Read } from "../expression/parse.ts";
import { readsOf, type Template } from "../expression/template.ts";
import type { RouteConfig } from "./config.ts";
import type { Problem } from "./problem.ts";
import { readsOfAll, readsOfSegment, valuesOf } from "./steps/kind.ts";
import type { StepConfig } from "./steps/kinds.ts";
import { kindOf } from "./steps/kinds.ts";

/** The templates that a step reads before it starts: targets, conditions, lists, bodies. */
export function readsToStart(step: StepConfig): ReadonlySet<string> {
	const { when, each } = step;
	const own = kindOf(step).readsFirst(step);
	return stepsIn([...readsOf(when), ...readsOf(each?.list ?? null), ...own]);
}

/**
 * The templates that a step reads after it has started. They are waited for then, not before. For a group these are all
 * that its steps read.
 */
export function readsAfterwards(step: StepConfig): ReadonlySet<string> {
	const names = ownReadsLater(step);
	const inside = stepsInside(step);
	for (const one of inside) for (const name of waitsOf(one)) names.add(name);
	// Names inside a group differ from those around it.
	for (const { name } of inside) names.delete(name);
	return new Set([...readsIn([step.fallback]), ...names]);
}

/** The names that the work of a step itself reads after it has started. */
export function ownReadsLater(step: StepConfig): Set<string> {
	return stepsIn(kindOf(step).readsLater(step));
}

/** The steps inside a step; none inside one that is no group. */
export function stepsInside<Step extends StepConfig>(
	step: Step,
): Step extends { readonly steps: infer Steps } ? Steps : readonly StepConfig[];
export function stepsInside(step: StepConfig): readonly StepConfig[] {
	return "steps" in step ? step.steps : [];
}

/** What is read when the steps have ended: by the answer's templates, or to pass the request on. */
export function readsAtLast(route: RouteConfig): ReadonlySet<string> {
	const { proxy, listen, respond, status, headers } = route;
	if (listen !== null) {
		const { instance, member } = listen;
		const names = instance === null ? [] : readsOfSegment(instance);
		return new Set([...stepsIn(names), ...readsIn([member])]);
	}
	if (proxy === null) return readsIn([respond, status, ...valuesOf(headers)]);
	const { targets, after, query, headers: fields, answer } = proxy;
	const templates = [
		...targets.map(({ when }) => when),
		...valuesOf([...(query ?? []), ...fields, ...answer.headers]),
	];
	const paths = targets.flatMap(({ path }) => path.flatMap(readsOfSegment));
	return new Set([...readsIn(templates), ...stepsIn(paths), ...after]);
}

/** The names that templates read. `missing.<step>` reads the step. */
export function readsIn(templates: readonly (Template | null)[]): Set<string> {
	return stepsIn(readsOfAll(templates));
}

function stepsIn(reads: readonly Read[]): Set<string> {
	const names = reads.map(({ name, path }) =>
		name === "missing" ? (path[0] ?? name) : name,
	);
	return new Set(names);
}

/** Whether a step does something besides giving a value. Then it may be unread, and is waited for. */
export function hasEffect(step: StepConfig): boolean {
	const { endsRun, writes } = kindOf(step);
	if (endsRun || writes(step) !== "never") return true;
	return stepsInside(step).some(hasEffect);
}

/** Whether a step, or a step in it, writes for sure if it is done. */
export function writesSurely(step: StepConfig): boolean {
	if (kindOf(step).writes(step) === "surely") return true;
	return stepsInside(step).some(writesSurely);
}

/** Whether a step that was cut off may be done once more, with all steps in it. */
export function isRepeatable(step: StepConfig): boolean {
	return kindOf(step).repeatable(step) && stepsInside(step).every(isRepeatable);
}

/** The steps of a route or a group, with everything that is needed to judge how they depend on each other. */
export interface Steps {
	readonly steps: readonly { readonly step: StepConfig; readonly at: number }[];
	/** False after a fault: what could not be read may be the reader of a step. */
	readonly complete: boolean;
	/** The templates of the answer, or of the group's value. */
	readonly read: ReadonlySet<string>;
	/** What the history alone reads besides, which makes no step worth its call. */
	readonly recorded?: ReadonlySet<string>;
}

/** Finds cycles, and steps that nothing reads. */
export function checkGraph(block: Steps, problems: Problem[]): void {
	const { steps } = block;
	const waits = new Map(steps.map(({ step }) => [step.name, waitsOf(step)]));
	const places = new Map(steps.map(({ step, at }) => [step.name, at]));
	for (const cycle of walk(waits).cycles) {
		problems.push({
			at: places.get(cycle[0] ?? "") ?? 0,
			message: wordsForCycle(cycle),
		});
	}
	if (!block.complete) return;
	reportUnread(block, problems);
	warnOfRequiredBackups(block, problems);
}

/** A step that only fills in for a failure is started at once. If it fails, it fails a route that did not need it. */
function warnOfRequiredBackups(
	{ steps, read }: Steps,
	problems: Problem[],
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
		if (kindOf(step).free || step.optional || step.fallback) continue;
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
		: `these steps wait for each other: ${shortened(cycle).join(" → ")}`;
}

function shortened(cycle: readonly string[]): readonly string[] {
	return cycle.length <= cycleTold
		? cycle
		: [...cycle.slice(0, cycleTold - 2), "…", ...cycle.slice(-1)];
}

/** How many steps of a cycle are named. */
const cycleTold = 20;

function waitsOf(step: StepConfig): ReadonlySet<string> {
	return new Set([
		...readsToStart(step),
		...step.after,
		...readsAfterwards(step),
	]);
}

/** The names of steps, and of what they read, each behind those that it waits for. A cycle is cut somewhere. */
export function inWaitingOrder(steps: readonly StepConfig[]): string[] {
	return walk(new Map(steps.map((step) => [step.name, waitsOf(step)]))).order;
}

/**
 * Follows all waits. The cycles are in written order, each beginning and ending with the same step; of cycles that share
 * steps only the first. Does not call itself, because a chain of steps may be longer than the stack is deep.
 */
function walk(waits: ReadonlyMap<string, ReadonlySet<string>>): {
	readonly order: string[];
	readonly cycles: string[][];
} {
	const order: string[] = [];
	const cycles: string[][] = [];
	const done = new Set<string>();
	const path: { readonly name: string; readonly left: Iterator<string> }[] = [];
	const depths = new Map<string, number>();
	function enter(name: string): void {
		if (done.has(name)) return;
		const depth = depths.get(name);
		if (depth === undefined) {
			depths.set(name, path.length);
			const left = (waits.get(name) ?? new Set<string>()).values();
			path.push({ name, left });
			return;
		}
		const cycle = path.slice(depth).map((step) => step.name);
		if (!cycle.some((step) => done.has(step))) cycles.push([...cycle, name]);
		for (const step of cycle) done.add(step);
	}
	for (const start of waits.keys()) {
		enter(start);
		for (let last = path.at(-1); last; last = path.at(-1)) {
			const next = last.left.next();
			if (!next.done) {
				enter(next.value);
				continue;
			}
			path.pop();
			depths.delete(last.name);
			done.add(last.name);
			order.push(last.name);
		}
	}
	return { order, cycles };
}

function reportUnread(
	{ steps, read, recorded }: Steps,
	problems: Problem[],
): void {
	const all = new Set(read);
	for (const { step } of steps) {
		for (const name of waitsOf(step)) {
			if (name !== step.name) all.add(name);
		}
	}
	for (const { step, at } of steps) {
		if (all.has(step.name) || hasEffect(step)) continue;
		problems.push({
			at,
			follows: true,
			message: recorded?.has(step.name)
				? `only \`record\` reads \`${step.name}\`, and nothing is asked for the history alone: use it in an answer or another step, too`
				: `nobody reads \`${step.name}\`: use it in an answer or another step, or remove it`,
		});
	}
}
