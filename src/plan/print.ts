import type { PathSegment } from "../config/config.ts";
import type { Expression } from "../expression/parse.ts";
import type { Template, TemplateEntry } from "../expression/template.ts";
import type { Plan, RoutePlan, StepPlan } from "./plan.ts";

/**
 * The plan as an author's eye reads it: templates as they were written, dependencies by name, what is unset left out.
 * Equal plans print alike, so that two prints can be compared line by line. Never holds the value of a variable.
 */
export function printPlan(plan: Plan): string {
	const printed = {
		server: plan.server,
		upstreams: Object.fromEntries(
			plan.upstreams.map(({ name, ...upstream }) => [
				name,
				set({
					...upstream,
					url: printTemplate(upstream.url),
					query: printEntries(upstream.query),
					headers: printEntries(upstream.headers),
					timeout: printTemplate(upstream.timeout),
					connections: printTemplate(upstream.connections),
					maxBody: printTemplate(upstream.maxBody),
				}),
			]),
		),
		routes: Object.fromEntries(
			plan.routes.map((route) => [route.key, printRoute(route)]),
		),
	};
	return `${JSON.stringify(printed, null, 2)}\n`;
}

function printRoute(route: RoutePlan): object {
	const names = route.steps.map(({ name }) => name);
	return set({
		summary: route.summary,
		request: route.request,
		deadlineMs: route.deadlineMs,
		callsMax: route.callsMax,
		steps: Object.fromEntries(
			route.steps.map((step) => [step.name, printStep(step, names)]),
		),
		respond: printTemplate(route.respond),
		respondReads: route.respondReads.map((index) => names[index]),
		status: printTemplate(route.status),
		headers: printEntries(route.headers),
	});
}

function printStep(step: StepPlan, names: readonly string[]): object {
	const nameOf = (index: number) => names[index];
	const { startsAfter, readsLater, each } = step;
	return set({
		kind: step.kind,
		startsAfter: startsAfter.map(nameOf),
		readsLater: readsLater.map(nameOf),
		when: step.when && printTemplate(step.when),
		each: each && { ...each, list: printTemplate(each.list) },
		...(step.kind === "value"
			? { value: printTemplate(step.value) }
			: printCall(step)),
		withinMs: step.withinMs,
		fallback: step.fallback && { value: printTemplate(step.fallback) },
		optional: step.optional || null,
	});
}

function printCall(step: StepPlan & { kind: "call" }): object {
	const { answers } = step;
	return {
		call: `${step.method} ${[step.upstream, ...step.path.map(printSegment)].join("/")}`,
		write: step.write,
		query: printEntries(step.query),
		headers: printEntries(step.headers),
		body: step.body && { json: printTemplate(step.body) },
		answers:
			answers?.kind === "values"
				? Object.fromEntries(
						answers.values.map(({ status, value }) => [
							status,
							{ value: printTemplate(value) },
						]),
					)
				: answers?.statuses,
		pick: step.pick && { value: printTemplate(step.pick) },
		timeoutMs: step.timeoutMs,
	};
}

function printSegment(segment: PathSegment): string {
	return typeof segment === "string" ? segment : printParts(segment);
}

function printParts(parts: readonly (string | Expression)[]): string {
	return parts
		.map((part) => (typeof part === "string" ? part : `\${${part.source}}`))
		.join("");
}

function printEntries(entries: readonly TemplateEntry[]): object | null {
	if (entries.length === 0) return null;
	return Object.fromEntries(
		entries.map(({ name, optional, value }) => [
			optional ? `${name}?` : name,
			printTemplate(value),
		]),
	);
}

/** A literal prints as itself, a template as the text it was written as. */
export function printTemplate(template: Template): unknown {
	switch (template.kind) {
		case "literal":
			return template.value;
		case "whole":
			return printParts([template.expression]);
		case "mixed":
			return printParts(template.parts);
		case "list":
			return template.items.map(printTemplate);
		case "map":
			return printEntries(template.entries);
	}
}

/** Leaves out what is unset. Only the printer's own maps: an author's null is a value. */
function set(map: Record<string, unknown>): object {
	return Object.fromEntries(
		Object.entries(map).filter(
			([, value]) => value !== null && value !== undefined,
		),
	);
}
