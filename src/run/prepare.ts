import { type Environment, resolveUpstream } from "../config/check-upstream.ts";
import type { ServerConfig } from "../config/config.ts";
import type { CallMethod } from "../core/messages.ts";
import type { Evaluate, Frame } from "../expression/evaluate.ts";
import { readsOf, type Template } from "../expression/template.ts";
import type { CallPlan, Plan, RoutePlan, StepPlan } from "../plan/plan.ts";
import type { Clock } from "../tasks/clock.ts";
import type { Upstream, UpstreamSettings } from "../upstream/upstream.ts";
import { prepareHeaders, prepareTarget } from "./address.ts";
import { type PreparedMerge, prepareMerge } from "./merge.ts";
import {
	frameSize,
	type Layout,
	prepare,
	readsOnlyClients,
	routeLayout,
	stepLayout,
	stepSlot,
} from "./names.ts";
import { prepareRequest, type ReadRequest } from "./request.ts";

/** A plan made ready to run: closures instead of templates, connections instead of names. Made once per gateway. */
export interface Prepared {
	readonly server: ServerConfig;
	readonly routes: readonly PreparedRoute[];
	/** Ends all connections; calls that still run are aborted. */
	close(): Promise<void>;
}

export interface PreparedRoute {
	readonly plan: RoutePlan;
	readonly frameSize: number;
	readonly readRequest: ReadRequest;
	/** In the order written. */
	readonly steps: readonly PreparedStep[];
	readonly merge: PreparedMerge;
}

export interface PreparedStep {
	readonly name: string;
	readonly index: number;
	readonly slot: number;
	/** How many steps must have ended before it starts. */
	readonly waitsFor: number;
	/** Steps that wait for this one before they start. */
	readonly starts: readonly number[];
	/** Every step it may read, now or later: released when it has ended. */
	readonly reads: readonly number[];
	/** How many steps, and the answer, may read it: at zero nobody waits for it. */
	readonly readers: number;
	/** Whether its calls may change something: then it is waited for though nobody reads it. */
	readonly write: boolean;
	readonly when: Evaluate | null;
	readonly each: PreparedEach | null;
	readonly withinMs: number | null;
	readonly fallback: Later | null;
	readonly optional: boolean;
	readonly work: PreparedCall | PreparedValue;
}

/** A template that is evaluated when the steps it reads have ended. */
export interface Later {
	readonly evaluate: Evaluate;
	readonly reads: readonly number[];
}

export interface PreparedEach {
	readonly list: Evaluate;
	/** Whether the list is the client's: too long a one is then the client's fault. */
	readonly clients: boolean;
	readonly source: string;
	readonly parallel: number;
	readonly max: number;
}

export interface PreparedValue {
	readonly kind: "value";
	readonly value: Evaluate;
}

export interface PreparedCall {
	readonly kind: "call";
	readonly method: CallMethod;
	readonly write: boolean;
	readonly upstream: Upstream;
	readonly timeoutMs: number;
	readonly target: (frame: Frame) => string;
	readonly headers: (frame: Frame) => string[];
	readonly body: Evaluate | null;
	/** Whether the author set `traceparent` for this call. */
	readonly ownTrace: boolean;
	/** Where the answer goes in the frame of the call; the response one slot behind it. */
	readonly answerSlot: number;
	readonly readsResponse: boolean;
	/** Statuses beside 2xx that are answers: the value they give, or null where the answer goes on to `pick`. */
	readonly answers: ReadonlyMap<number, Later | null>;
	readonly pick: Later | null;
}

/** How an upstream is reached: over HTTP, or in tests by a function. */
export type OpenUpstream = (
	settings: UpstreamSettings,
	clock: Clock,
) => Upstream;

export interface PrepareOptions {
	readonly env: Environment;
	readonly clock: Clock;
	readonly openUpstream: OpenUpstream;
}

/** Makes a plan ready: reads the environment, opens no connection yet. Throws `config_invalid` for a bad variable. */
export function preparePlan(
	plan: Plan,
	{ env, clock, openUpstream }: PrepareOptions,
): Prepared {
	const upstreams = plan.upstreams.map((config) => {
		const { upstream: settings } = resolveUpstream(config, env);
		const { origin, connections, bodyBytesMax } = settings;
		const limits = {
			name: config.name,
			origin,
			connections,
			bodyBytesMax,
			tls: null,
		};
		return { settings, upstream: openUpstream(limits, clock) };
	});
	return {
		server: plan.server,
		routes: plan.routes.map((route) => prepareRoute(route, upstreams)),
		async close() {
			await Promise.all(upstreams.map(({ upstream }) => upstream.close()));
		},
	};
}

type OpenUpstreams = readonly {
	readonly settings: ReturnType<typeof resolveUpstream>["upstream"];
	readonly upstream: Upstream;
}[];

function prepareRoute(
	route: RoutePlan,
	upstreams: OpenUpstreams,
): PreparedRoute {
	const layout = routeLayout(route);
	return {
		plan: route,
		frameSize: frameSize(route),
		readRequest: prepareRequest(route.request),
		steps: route.steps.map((step, index) =>
			prepareStep(step, index, { route, layout, upstreams }),
		),
		merge: prepareMerge(route, layout),
	};
}

interface StepContext {
	readonly route: RoutePlan;
	/** The route's names. */
	readonly layout: Layout;
	readonly upstreams: OpenUpstreams;
}

function prepareStep(
	step: StepPlan,
	index: number,
	context: StepContext,
): PreparedStep {
	const { route } = context;
	const inner = stepLayout(context.layout, route, step, index);
	const readsOfStep = (other: StepPlan) => [
		...new Set([...other.startsAfter, ...other.readsLater]),
	];
	const readers = route.steps.filter((other) =>
		readsOfStep(other).includes(index),
	).length;
	return {
		name: step.name,
		index,
		slot: stepSlot(index),
		waitsFor: step.startsAfter.length,
		starts: route.steps.flatMap((other, at) =>
			other.startsAfter.includes(index) ? [at] : [],
		),
		reads: readsOfStep(step),
		readers: readers + (route.respondReads.includes(index) ? 1 : 0),
		write: step.kind === "call" && step.write,
		when: step.when && prepare(step.when, inner),
		each: prepareEach(step, context.layout),
		withinMs: step.withinMs,
		fallback: step.fallback && prepareLater(step.fallback, inner, route),
		optional: step.optional,
		work:
			step.kind === "value"
				? { kind: "value", value: prepare(step.value, inner) }
				: prepareCall(step, inner, context),
	};
}

function prepareEach({ each }: StepPlan, layout: Layout): PreparedEach | null {
	if (each === null) return null;
	return {
		list: prepare(each.list, layout),
		clients: readsOnlyClients(each.list, layout),
		source: each.list.kind === "whole" ? each.list.expression.source : "a list",
		parallel: each.parallel,
		max: each.max,
	};
}

function prepareLater(
	template: Template,
	layout: Layout,
	route: RoutePlan,
): Later {
	const names = new Set(readsOf(template).map(({ name }) => name));
	const reads = route.steps.flatMap(({ name }, index) =>
		names.has(name) ? [index] : [],
	);
	return { evaluate: prepare(template, layout), reads };
}

function prepareCall(
	step: CallPlan,
	inner: Layout,
	{ route, upstreams }: StepContext,
): PreparedCall {
	const { settings, upstream } = upstreams[
		step.upstreamIndex
	] as OpenUpstreams[number];
	const fixed = defaultHeaders(step, settings.headers);
	const answers = step.answers?.kind === "values" ? step.answers.values : [];
	const statuses =
		step.answers?.kind === "statuses" ? step.answers.statuses : [];
	const answerTemplates = [step.pick, ...answers.map(({ value }) => value)];
	return {
		kind: "call",
		method: step.method,
		write: step.write,
		upstream,
		timeoutMs: step.timeoutMs ?? settings.timeoutMs,
		target: prepareTarget(step.path, step.query, settings, inner),
		headers: prepareHeaders(step.headers, fixed, inner),
		body: step.body && prepare(step.body, inner),
		ownTrace: [
			...fixed.map(([name]) => name),
			...step.headers.map(({ name }) => name),
		].includes("traceparent"),
		answerSlot: inner.placeOf("answer").slot,
		readsResponse: answerTemplates.some((template) =>
			readsOf(template).some(({ name }) => name === "response"),
		),
		answers: new Map([
			...answers.map(
				({ status, value }) =>
					[status, prepareLater(value, inner, route)] as const,
			),
			...statuses.map((status) => [status, null] as const),
		]),
		pick: step.pick && prepareLater(step.pick, inner, route),
	};
}

/** What every call says of itself unless the author says otherwise; some services refuse a request without. */
function defaultHeaders(
	step: CallPlan,
	own: readonly (readonly [string, string])[],
): (readonly [string, string])[] {
	const defaults: [string, string][] = [
		["accept", "application/json"],
		["user-agent", "sluice"],
	];
	if (step.body) defaults.push(["content-type", "application/json"]);
	const names = new Set(own.map(([name]) => name));
	return [...defaults.filter(([name]) => !names.has(name)), ...own];
}
