import type {
	PoolConfig,
	ServerConfig,
	UserContext,
	UserFunction,
	WorkerFunction,
} from "../config/config.ts";
import { templatesOfAnswer } from "../config/graph.ts";
import { GatewayError } from "../core/errors.ts";
import type { HeaderList } from "../core/http/headers.ts";
import type { Evaluate, Frame } from "../expression/evaluate.ts";
import { readsOf, type Template } from "../expression/template.ts";
import type {
	CallPlan,
	GroupPlan,
	Plan,
	ProxyPlan,
	ReplyPlan,
	RoutePlan,
	StepPlan,
	StepRef,
} from "../plan/plan.ts";
import { createPool, type Pool } from "../tasks/pool.ts";
import type { Scope } from "../tasks/scope.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { type PreparedBody, prepareBody } from "./body.ts";
import { type PreparedTelling, prepareTelling } from "./freshness.ts";
import { type PreparedMerge, prepareMerge } from "./merge.ts";
import {
	type BlockSlots,
	callLayout,
	frameSize,
	groupBlock,
	groupLayout,
	innerLayout,
	type Layout,
	prepare,
	readsOnlyClients,
	refsIn,
	routeBlock,
	routeLayout,
	stepSlot,
} from "./names.ts";
import {
	type OpenedUpstream,
	type OpenOptions,
	openUpstreams,
} from "./open.ts";
import type { PreparedProxy } from "./proxy.ts";
import {
	answerHeadersOf,
	prepareProxyHeaders,
	prepareProxyTarget,
} from "./proxy-target.ts";
import {
	type CompileBody,
	createBodyCompiler,
	prepareRequest,
	type ReadRequest,
} from "./request.ts";
import { prepareHeaders, prepareTarget } from "./target.ts";

/** A plan made ready to run: closures instead of templates, connections instead of names. Made once per gateway. */
export interface Prepared {
	readonly server: ServerConfig;
	readonly routes: readonly PreparedRoute[];
	/** Ends all connections and threads; calls that still run are aborted. */
	close(): Promise<void>;
}

export interface PreparedRoute {
	readonly plan: RoutePlan;
	readonly readRequest: ReadRequest;
	/** Whether `request` may be read, as a name of the language. */
	readonly readsRequest: boolean;
	readonly block: PreparedBlock;
	readonly merge: PreparedMerge;
	/** How its answers say how long they hold; null where they do not. */
	readonly telling: PreparedTelling | null;
	/** Null where the route is composed; else there is nothing in the block. */
	readonly proxy: PreparedProxy | null;
	/** Upstreams that a user's function may call, by name. */
	readonly upstreams: ReadonlyMap<string, OpenedUpstream>;
}

/** Steps that end together: a route's, or a group's. */
export interface PreparedBlock {
	/** In the order written. */
	readonly steps: readonly PreparedStep[];
	/** Their indexes, replies first: those that can be decided are decided before other steps start. */
	readonly order: readonly number[];
	/** Steps, by index, that the answer or the group's value is made of, and those that do something besides. */
	readonly made: readonly number[];
	/** Whether a step waits for one around the group. */
	readonly waitsOutside: boolean;
	readonly frameSize: number;
	/** The slot of `missing`; null where nothing reads it. */
	readonly missingSlot: number | null;
}

export interface PreparedStep {
	readonly name: string;
	readonly index: number;
	readonly slot: number;
	/** How many steps of its own block must have ended before it starts. */
	readonly waitsFor: number;
	/** Steps of the blocks around that must have ended before it starts. */
	readonly waitsOutside: readonly StepRef[];
	/** Steps of its block that wait for this one before they start, replies first. */
	readonly starts: readonly number[];
	/** Every step of its block that it may read, now or later: released when it has ended. */
	readonly reads: readonly number[];
	/** Those of them that it reads in any case. */
	readonly readsFirst: readonly number[];
	/** How many steps of its block, and the block's value, may read it: at zero nobody waits for it. */
	readonly readers: number;
	/** Whether it does something besides giving a value: then it is waited for though nobody reads it. */
	readonly effect: boolean;
	/** Whether it may have to end before its block does: by its `within`, or because nobody waits for it any more. */
	readonly ownScope: boolean;
	readonly when: Evaluate | null;
	readonly each: PreparedEach | null;
	readonly withinMs: number | null;
	readonly fallback: Later | null;
	readonly optional: boolean;
	/** Whether something can stand for it, so that it may be left out under overload. */
	readonly expendable: boolean;
	readonly work: PreparedWork;
}

export type PreparedWork =
	| PreparedCall
	| PreparedGroup
	| { readonly kind: "value"; readonly value: Evaluate }
	| PreparedFunction
	| PreparedReply;

export interface PreparedReply {
	readonly kind: "reply";
	readonly merge: PreparedMerge;
}

/** A template that is evaluated when the steps it reads have ended. */
export interface Later {
	readonly evaluate: Evaluate;
	readonly reads: readonly StepRef[];
}

export interface PreparedEach {
	readonly list: Evaluate;
	/** Whether the list is the client's: too long a one is then the client's fault. */
	readonly clients: boolean;
	readonly source: string;
	readonly parallel: number;
	readonly max: number;
}

export interface PreparedGroup {
	readonly kind: "group";
	readonly block: PreparedBlock;
	/** Null: an object of the steps' values. Reads here only what is around the group: its own steps have ended. */
	readonly value: Later | null;
}

export interface PreparedFunction {
	readonly kind: "run";
	readonly reference: string;
	readonly call: CalledFunction;
	readonly args: Evaluate | null;
}

/** Calls a user's function, here or on a thread. In the scope alone: a thread ends with it, a function here may not. */
export type CalledFunction = (
	args: unknown,
	context: UserContext,
	scope: Scope,
) => unknown;

export interface PreparedCall {
	readonly kind: "call";
	readonly method: CallPlan["method"];
	readonly write: boolean;
	readonly idempotent: boolean;
	readonly upstream: Upstream;
	readonly timeoutMs: number;
	readonly target: (frame: Frame) => string;
	readonly headers: (frame: Frame) => HeaderList;
	readonly body: PreparedBody | null;
	/** Whether the author set `traceparent` for this call. */
	readonly ownTrace: boolean;
	/** Where the answer goes in the frame of the call; the response one slot behind it. */
	readonly answerSlot: number;
	readonly readsResponse: boolean;
	readonly decode: CallPlan["decode"];
	/** Statuses beside 2xx that are answers: the value they give, or null where the answer goes on to `pick`. */
	readonly answers: ReadonlyMap<number, Later | null>;
	readonly expect: Later | null;
	readonly pick: Later | null;
}

export interface PrepareOptions extends OpenOptions {
	/** The user's functions, by reference. */
	readonly functions: ReadonlyMap<string, UserFunction>;
	/** Where those lie that run on a thread, by reference. */
	readonly workers: ReadonlyMap<string, WorkerFunction>;
}

/** Makes a plan ready; no connection is opened yet. */
export function preparePlan(plan: Plan, options: PrepareOptions): Prepared {
	const upstreams = openUpstreams(options);
	const pool = plan.pool && openPool(plan.pool);
	const resources = {
		upstreams,
		upstreamsByName: new Map(upstreams.map((one) => [one.upstream.name, one])),
		functions: options.functions,
		workers: options.workers,
		pool,
		compileBody: createBodyCompiler(),
	};
	return {
		server: plan.server,
		routes: plan.routes.map((route) => prepareRoute(route, plan, resources)),
		async close() {
			const closing = upstreams.map(({ upstream }) => upstream.close());
			await Promise.all([...closing, pool?.close()]);
		},
	};
}

function openPool({ threads, ...bounds }: PoolConfig): Pool {
	return createPool({ ...bounds, ...(threads !== null && { threads }) });
}

/** What steps are prepared with. */
interface Resources {
	readonly upstreams: readonly OpenedUpstream[];
	readonly upstreamsByName: ReadonlyMap<string, OpenedUpstream>;
	readonly functions: ReadonlyMap<string, UserFunction>;
	readonly workers: ReadonlyMap<string, WorkerFunction>;
	/** Null where no step runs on a thread. */
	readonly pool: Pool | null;
	readonly compileBody: CompileBody;
}

function prepareRoute(
	route: RoutePlan,
	plan: Plan,
	resources: Resources,
): PreparedRoute {
	const layout = routeLayout(route.steps.map(({ name }) => name));
	return {
		plan: route,
		readRequest: prepareRequest(route.request, resources.compileBody),
		readsRequest: mayRead("request", [
			[route.steps, route.respond, route.status, route.headers],
			route.proxy,
		]),
		block: prepareBlock(
			{
				steps: route.steps,
				result: [route.respond, route.status, route.headers],
				reads: route.respondReads,
				slots: routeBlock,
			},
			layout,
			resources,
		),
		merge: prepareMerge({ ...route, body: route.respond }, layout),
		telling: prepareTelling(route, plan.upstreams),
		proxy: route.proxy && prepareProxy(route, route.proxy, layout, resources),
		upstreams: resources.upstreamsByName,
	};
}

function prepareProxy(
	route: RoutePlan,
	proxy: ProxyPlan,
	layout: Layout,
	{ upstreams }: Resources,
): PreparedProxy {
	const { settings, upstream } = upstreams[
		proxy.upstreamIndex
	] as OpenedUpstream;
	return {
		upstream,
		timeoutMs: settings.timeoutMs,
		cached: proxy.cache,
		idleMs: proxy.idleMs,
		target: prepareProxyTarget(route.path.length, proxy, settings, layout),
		headers: prepareProxyHeaders(proxy, settings, layout),
		answerHeaders: answerHeadersOf(proxy.pass),
	};
}

interface Block {
	readonly steps: readonly StepPlan[];
	/** The templates of the answer, or of the group's value. */
	readonly result: readonly unknown[];
	/** The steps that those read. */
	readonly reads: readonly number[];
	readonly slots: BlockSlots;
}

function prepareBlock(
	block: Block,
	layout: Layout,
	resources: Resources,
): PreparedBlock {
	const { steps, result, reads, slots } = block;
	const usesMissing = mayRead("missing", [steps, result]);
	return {
		steps: steps.map((step, index) => {
			const prepared = prepareStep(
				step,
				stepSlot(slots, index),
				layout,
				resources,
			);
			return { ...prepared, index, ...linksOf(step, index, block) };
		}),
		order: repliesFirst(indexesOf(steps), steps),
		made: indexesOf(steps).filter(
			(index) => reads.includes(index) || steps[index]?.effect,
		),
		waitsOutside: steps.some(({ startsAfter }) =>
			startsAfter.some(({ up }) => up > 0),
		),
		frameSize: frameSize(slots, steps.length),
		missingSlot: usesMissing ? slots.missing : null,
	};
}

/** Whether the name stands in frozen data at all, as a read or by chance. */
function mayRead(name: string, data: unknown): boolean {
	if (data === name) return true;
	if (typeof data !== "object" || data === null) return false;
	for (const key in data) {
		if (mayRead(name, (data as Record<string, unknown>)[key])) return true;
	}
	return false;
}

/** Which steps of the block hang on which. */
function linksOf(step: StepPlan, index: number, { steps, reads }: Block) {
	const own = (refs: readonly StepRef[]) =>
		refs.filter(({ up }) => up === 0).map((ref) => ref.index);
	const allOf = (one: StepPlan) => [
		...new Set(own([...one.startsAfter, ...one.readsLater])),
	];
	const readers = steps.filter((other) => allOf(other).includes(index));
	return {
		waitsFor: own(step.startsAfter).length,
		waitsOutside: step.startsAfter.filter(({ up }) => up > 0),
		starts: repliesFirst(
			indexesOf(steps).filter((at) =>
				own(steps[at]?.startsAfter ?? []).includes(index),
			),
			steps,
		),
		reads: allOf(step),
		readsFirst: step.kind === "group" ? allOf(step) : own(step.startsAfter),
		readers: readers.length + (reads.includes(index) ? 1 : 0),
		ownScope: step.withinMs !== null || !(step.effect || reads.includes(index)),
	};
}

function indexesOf(steps: readonly StepPlan[]): number[] {
	return steps.map((_, index) => index);
}

function repliesFirst(indexes: number[], steps: readonly StepPlan[]): number[] {
	const isReply = (index: number) => steps[index]?.kind === "reply";
	return indexes.toSorted((a, b) => Number(isReply(b)) - Number(isReply(a)));
}

function prepareStep(
	step: StepPlan,
	slot: number,
	layout: Layout,
	resources: Resources,
) {
	const inner = layoutInside(step, slot, layout);
	return {
		name: step.name,
		slot,
		effect: step.effect,
		when: step.when && prepare(step.when, inner),
		each: prepareEach(step, layout),
		withinMs: step.withinMs,
		fallback: step.fallback && prepareLater(step.fallback, inner),
		optional: step.optional,
		expendable: step.optional || step.fallback !== null,
		work: prepareWork(step, inner, resources),
	};
}

function layoutInside(step: StepPlan, slot: number, layout: Layout): Layout {
	if (step.each !== null || step.kind === "group") {
		return innerLayout(layout, step.each);
	}
	return step.kind === "call" ? callLayout(layout, slot) : layout;
}

function prepareWork(
	step: StepPlan,
	inner: Layout,
	resources: Resources,
): PreparedWork {
	switch (step.kind) {
		case "value":
			return { kind: "value", value: prepare(step.value, inner) };
		case "call":
			return prepareCall(step, inner, resources);
		case "group":
			return prepareGroup(step, inner, resources);
		case "reply":
			return prepareReply(step, inner);
		case "run":
			return {
				kind: "run",
				reference: step.reference,
				call: step.worker
					? onThread(step.reference, resources)
					: functionOf(step.reference, resources),
				args: step.args && prepare(step.args, inner),
			};
	}
}

function functionOf(
	reference: string,
	{ functions }: Resources,
): CalledFunction {
	const fn = functions.get(reference);
	if (fn === undefined) throw notLoaded(reference);
	return (args, context) => fn(args as never, context);
}

function onThread(
	reference: string,
	{ workers, pool }: Resources,
): CalledFunction {
	const found = workers.get(reference);
	if (found === undefined || pool === null) throw notLoaded(reference);
	return (args, { call, deadline }, scope) =>
		pool.offload(found.file, found.name, [args], {
			scope,
			context: { call, deadline },
		});
}

function notLoaded(reference: string): GatewayError {
	return new GatewayError(
		"config_invalid",
		`${reference} was not loaded: load the config by its file`,
	);
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

function prepareLater(template: Template, layout: Layout): Later {
	return {
		evaluate: prepare(template, layout),
		reads: refsIn(template, layout),
	};
}

function prepareGroup(
	step: GroupPlan,
	around: Layout,
	resources: Resources,
): PreparedGroup {
	const names = step.steps.map(({ name }) => name);
	const layout = groupLayout(around, names);
	return {
		kind: "group",
		block: prepareBlock(
			{
				steps: step.steps,
				result: [step.value],
				reads: step.valueReads,
				slots: groupBlock,
			},
			layout,
			resources,
		),
		value: step.value && readingOutside(prepareLater(step.value, layout)),
	};
}

function readingOutside({ evaluate, reads }: Later): Later {
	return { evaluate, reads: reads.filter(({ up }) => up > 0) };
}

function prepareReply(step: ReplyPlan, layout: Layout): PreparedWork {
	return { kind: "reply", merge: prepareMerge(step, layout) };
}

function prepareCall(
	step: CallPlan,
	inner: Layout,
	{ upstreams }: Resources,
): PreparedCall {
	const opened = upstreams[step.upstreamIndex] as OpenedUpstream;
	const { settings, upstream } = opened;
	const body = step.body && prepareBody(step.body, inner);
	const fixed = defaultHeaders(settings.headers, body?.type ?? null);
	const names = [...fixed, ...step.headers.map(({ name }) => [name])].flat();
	const { answers } = step;
	const values = answers?.kind === "values" ? answers.values : [];
	const statuses = answers?.kind === "statuses" ? answers.statuses : [];
	const later = (template: Template | null) =>
		template && prepareLater(template, inner);
	return {
		kind: "call",
		method: step.method,
		write: step.write,
		idempotent: step.repeatable,
		upstream,
		timeoutMs: step.timeoutMs ?? settings.timeoutMs,
		target: prepareTarget(step.path, step.query, settings, inner),
		headers: prepareHeaders(step.headers, fixed, inner),
		body,
		ownTrace: names.includes("traceparent"),
		answerSlot: inner.placeOf("answer").slot,
		readsResponse: templatesOfAnswer(step).some((template) =>
			readsOf(template).some(({ name }) => name === "response"),
		),
		decode: step.decode,
		answers: new Map([
			...values.map(
				({ status, value }) => [status, prepareLater(value, inner)] as const,
			),
			...statuses.map((status) => [status, null] as const),
		]),
		expect: later(step.expect),
		pick: later(step.pick),
	};
}

/** What every call says of itself unless the author says otherwise; some services refuse a request without. */
export function defaultHeaders(
	own: readonly (readonly [string, string])[],
	bodyType: string | null,
): (readonly [string, string])[] {
	const defaults: [string, string][] = [
		["accept", "application/json"],
		["user-agent", "sluice"],
	];
	if (bodyType) defaults.push(["content-type", bodyType]);
	const names = new Set(own.map(([name]) => name));
	return [...defaults.filter(([name]) => !names.has(name)), ...own];
}
