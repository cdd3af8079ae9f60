import type {
	BodyConfig,
	PathSegment,
	RateLimitConfig,
} from "../config/config.ts";
import type { Expression } from "../expression/parse.ts";
import {
	printFunction,
	type Template,
	type TemplateEntry,
} from "../expression/template.ts";
import type {
	CallPlan,
	Plan,
	ProxyPlan,
	RoutePlan,
	StepPlan,
	StepRef,
} from "./plan.ts";

/**
 * The plan as an author's eye reads it: templates as they were written, dependencies by name, what is unset left out.
 * Equal plans print alike, so that two prints can be compared line by line. Never holds the value of a variable.
 */
export function printPlan(plan: Plan): string {
	const printed = set({
		server: plan.server,
		...(plan.pool && { pool: set({ ...plan.pool }) }),
		overload: plan.overload,
		rateLimit: printLimit(plan.rateLimit),
		upstreams: Object.fromEntries(
			plan.upstreams.map(({ name, urls, ...upstream }) => [
				name,
				set({
					...printUrls(urls),
					...upstream,
					query: printEntries(upstream.query),
					headers: printEntries(upstream.headers),
					timeout: printTemplate(upstream.timeout),
					connections: printTemplate(upstream.connections),
					maxBody: printTemplate(upstream.maxBody),
					tls: printEntries(upstream.tls),
					coalesce: upstream.coalesce || null,
				}),
			]),
		),
		routes: Object.fromEntries(
			plan.routes.map((route) => [route.key, printRoute(route)]),
		),
	});
	return `${JSON.stringify(printed, null, 2)}\n`;
}

function printLimit(config: RateLimitConfig | null): object | null {
	return config && { ...config, by: printTemplate(config.by) };
}

function printUrls(urls: readonly Template[]): object {
	const printed = urls.map(printTemplate);
	return printed.length === 1 ? { url: printed[0] } : { urls: printed };
}

function printRoute(route: RoutePlan): object {
	if (route.proxy) return printProxied(route, route.proxy);
	const names = route.steps.map(({ name }) => name);
	return set({
		summary: route.summary,
		request: route.request,
		deadlineMs: route.deadlineMs,
		callsMax: route.callsMax,
		rateLimit: printLimit(route.rateLimit),
		steps: printSteps(route.steps, []),
		respond: printTemplate(route.respond),
		respondReads: route.respondReads.map((index) => names[index]),
		status: printTemplate(route.status),
		headers: printEntries(route.headers),
	});
}

/** `users/files/{rest*}`, as it was written. */
export function printProxyTarget(
	{ rest }: RoutePlan,
	proxy: ProxyPlan,
): string {
	const path = [proxy.upstream, ...proxy.path.map(printSegment)].join("/");
	return proxy.rest ? `${path}/{${rest}*}` : path;
}

function printProxied(route: RoutePlan, proxy: ProxyPlan): object {
	return set({
		summary: route.summary,
		request: route.request,
		deadlineMs: route.deadlineMs,
		rateLimit: printLimit(route.rateLimit),
		proxy: set({
			to: printProxyTarget(route, proxy),
			query: proxy.query && (printEntries(proxy.query) ?? {}),
			headers: printEntries(proxy.headers),
			pass: proxy.pass,
			cache: proxy.cache || null,
			idleMs: proxy.idleMs,
		}),
	});
}

/** `blocks` are the names of steps: of the step's own block first, then of each around it. */
function printStep(
	step: StepPlan,
	blocks: readonly (readonly string[])[],
): object {
	const nameOf = ({ up, index }: StepRef) => blocks[up]?.[index];
	const { startsAfter, readsLater, each } = step;
	return set({
		kind: step.kind,
		startsAfter: startsAfter.map(nameOf),
		readsLater: readsLater.map(nameOf),
		effect: step.effect || null,
		when: step.when && printTemplate(step.when),
		each: each && { ...each, list: printTemplate(each.list) },
		...printWork(step, blocks),
		withinMs: step.withinMs,
		fallback: step.fallback && { value: printTemplate(step.fallback) },
		optional: step.optional || null,
	});
}

function printWork(
	step: StepPlan,
	blocks: readonly (readonly string[])[],
): Record<string, unknown> {
	switch (step.kind) {
		case "value":
			return { value: printTemplate(step.value) };
		case "call":
			return printCall(step);
		case "run":
			return {
				run: step.reference,
				args: step.args && { value: printTemplate(step.args) },
				worker: step.worker || null,
			};
		case "reply":
			return {
				status: printTemplate(step.status),
				headers: printEntries(step.headers),
				body: { value: printTemplate(step.body) },
			};
		case "group":
			return {
				steps: printSteps(step.steps, blocks),
				value: step.value && printTemplate(step.value),
			};
	}
}

function printSteps(
	steps: readonly StepPlan[],
	around: readonly (readonly string[])[],
): object {
	const names = steps.map(({ name }) => name);
	return Object.fromEntries(
		steps.map((step) => [step.name, printStep(step, [names, ...around])]),
	);
}

function printCall(step: CallPlan): Record<string, unknown> {
	const { answers } = step;
	return {
		call: printCallTarget(step),
		write: step.write || null,
		query: printEntries(step.query),
		headers: printEntries(step.headers),
		body: step.body && printBody(step.body),
		answers:
			answers?.kind === "values"
				? Object.fromEntries(
						answers.values.map(({ status, value }) => [
							status,
							{ value: printTemplate(value) },
						]),
					)
				: answers?.statuses,
		expect: step.expect && printTemplate(step.expect),
		pick: step.pick && { value: printTemplate(step.pick) },
		decode: step.decode === "json" ? null : step.decode,
		timeoutMs: step.timeoutMs,
		safe: step.safe,
		idempotent: step.idempotent,
	};
}

/** `GET users/users/${params.id}`: the upstream by name, never its URL. */
export function printCallTarget({ method, upstream, path }: CallPlan): string {
	return `${method} ${[upstream, ...path.map(printSegment)].join("/")}`;
}

function printBody(body: BodyConfig): object {
	return body.kind === "form"
		? { form: printEntries(body.fields) ?? {} }
		: { [body.kind]: printTemplate(body.value) };
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
		case "function":
			return printFunction(template.inputs);
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
