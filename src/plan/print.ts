import { createHash } from "node:crypto";
import type { RateLimitConfig, ServerConfig } from "../config/config.ts";
import type { AuthConfig } from "../config/keys/upstream-auth.ts";
import { kindOf } from "../config/steps/kinds.ts";
import type { RepeatConfig } from "../config/steps/repeat.ts";
import { printChannelTarget, printTarget } from "../config/steps/sent.ts";
import { allRead } from "../core/all-read.ts";
import { printEntries, printTemplate } from "../expression/print.ts";
import type { Template } from "../expression/template.ts";
import type {
	JobPlan,
	LivePlan,
	Plan,
	ProxyPlan,
	RoutePlan,
	StepPlan,
	StepRef,
} from "./plan.ts";

/**
 * The plan as text for its author: templates as written, dependencies by name, without unset values. Equal plans print
 * alike, so that two prints can be compared line by line. Never holds the value of a variable.
 */
export function printPlan(plan: Plan): string {
	const printed = set({
		server: printServer(plan.server),
		...(plan.pool && { pool: set({ ...plan.pool }) }),
		overload: plan.overload,
		log: plan.log,
		rateLimit: printLimits(plan.rateLimits),
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
					maxHeaderBytes: printTemplate(upstream.maxHeaderBytes),
					maxValues: printTemplate(upstream.maxValues),
					tls: printEntries(upstream.tls),
					auth: upstream.auth && printUpstreamAuth(upstream.auth),
					coalesce: upstream.coalesce || null,
				}),
			]),
		),
		...(plan.channels.length > 0 && {
			channels: Object.fromEntries(
				plan.channels.map(({ name, ...channel }) => [name, set(channel)]),
			),
		}),
		...(plan.auth.length > 0 && {
			auth: Object.fromEntries(
				plan.auth.map(({ name, ...auth }) => [name, set(auth)]),
			),
		}),
		routes: Object.fromEntries(
			plan.routes.map((route) => [route.key, printRoute(route)]),
		),
	});
	return `${JSON.stringify(printed, null, 2)}\n`;
}

/** A field's value may come from a variable, so it is not shown. */
function printServer({ headers, ...server }: ServerConfig): object {
	const names = headers.filter((_, at) => at % 2 === 0);
	return names.length > 0 ? { ...server, headers: names } : server;
}

/** Equal plans have equal hashes, whatever their environment. */
export function hashOf(plan: Plan): string {
	return createHash("sha256").update(printPlan(plan)).digest("hex");
}

function printLimits(limits: readonly RateLimitConfig[]): unknown {
	const printed = limits.map((limit) => ({
		...limit,
		by: printTemplate(limit.by),
	}));
	return printed.length > 1 ? printed : (printed[0] ?? null);
}

function printUpstreamAuth({
	kind,
	settings,
	post,
	timeoutMs,
}: AuthConfig): object {
	if (kind === "pass") return { pass: true };
	const texts = printEntries(settings);
	return { [kind]: set({ ...texts, post: post || null, timeoutMs }) };
}

function printUrls(urls: readonly Template[]): object {
	const printed = urls.map(printTemplate);
	return printed.length === 1 ? { url: printed[0] } : { urls: printed };
}

function printRoute(route: RoutePlan): object {
	if (route.proxy) return printProxied(route, route.proxy);
	const { summary, request, deadlineMs, callsMax, rateLimits, ...made } = route;
	const { steps, respond, mayBeEmpty, respondReads, ...more } = made;
	const { status, headers, stream, live, job, record, ...rest } = more;
	const { readBytesMax, ...others } = rest;
	// The route's key has method, path and rest.
	const { key: _, method: _1, path: _2, rest: _3, ...unprinted } = others;
	const { proxy: _4, listen, compress, ...told } = unprinted;
	// Names say it.
	const { auth: _5, require: _6, authIndexes: _7, ...last } = told;
	const { credentialFields: _8, credentialParameters: _9, ...unread } = last;
	allRead(unread);
	const names = steps.map(({ name }) => name);
	return set({
		summary,
		request: printRequest(request),
		deadlineMs,
		callsMax,
		readBytesMax,
		rateLimit: printLimits(rateLimits),
		...printAuth(route),
		steps: printSteps(steps, []),
		...(listen
			? {
					listen: printChannelTarget(listen),
					member: listen.member && { value: printTemplate(listen.member) },
					listenReads: respondReads.map((index) => names[index]),
				}
			: {
					[mayBeEmpty ? "respond?" : "respond"]: printTemplate(respond),
					respondReads: respondReads.map((index) => names[index]),
					status: printTemplate(status),
					headers: printEntries(headers),
					stream: stream ? null : false,
					live: live && printLive(live),
					job: job && printJob(job),
				}),
		compress,
		record: printEntries(record),
	});
}

function printAuth({ auth, require }: RoutePlan): object {
	return set({
		auth: auth.length > 0 ? auth : null,
		require: require && printTemplate(require),
	});
}

function printLive({ on, diff, ...live }: LivePlan): object {
	return set({
		...live,
		on: on && printChannelTarget(on),
		diff: diff || null,
	});
}

function printJob({ always, zone, webhook, ...job }: JobPlan): object {
	return set({
		...job,
		always: always || null,
		zone: job.schedule && zone,
		webhook: webhook && printTarget(webhook),
	});
}

/** The ways to read the body stand there only if they are declared. */
function printRequest(request: RoutePlan["request"]): object {
	const { form, text, bytes, ...always } = request;
	return { ...always, ...set({ form, text, bytes }) };
}

/** A target as written: `users/files/{rest*}`. */
export interface PrintedTarget {
	/** The condition; null if it is the last or only one. */
	readonly when: unknown;
	readonly to: string;
}

/** The targets of a proxied route, in the order in which they are looked at. */
export function printTargets(
	{ rest }: RoutePlan,
	{ targets }: ProxyPlan,
): PrintedTarget[] {
	return targets.map(({ when, ...target }) => {
		const path = printTarget(target);
		return {
			when: when && printTemplate(when),
			to: target.rest ? `${path}/{${rest}*}` : path,
		};
	});
}

function printProxied(route: RoutePlan, proxy: ProxyPlan): object {
	const { query, headers, pass, drop, paths, answer, ...more } = proxy;
	const { cache, after, ...bounds } = more;
	const { bodyBytesMax, idleMs, websocket, targets: _, ...unread } = bounds;
	allRead(unread);
	const [first, ...others] = printTargets(route, proxy).map((one) =>
		set({ ...one }),
	);
	const { steps, callsMax, readBytesMax } = route;
	const names = steps.map(({ name }) => name);
	return set({
		summary: route.summary,
		request: printRequest(route.request),
		deadlineMs: route.deadlineMs,
		...(steps.length > 0 && { callsMax, readBytesMax }),
		rateLimit: printLimits(route.rateLimits),
		...printAuth(route),
		...(steps.length > 0 && {
			steps: printSteps(steps, []),
			proxyReads: route.respondReads.map((index) => names[index]),
		}),
		proxy: set({
			...(others.length > 0 ? { to: [first, ...others] } : first),
			after: after.length > 0 ? after : null,
			query: query && (printEntries(query) ?? {}),
			headers: printEntries(headers),
			pass,
			drop,
			paths: paths === "raw" ? paths : null,
			answer:
				answer.headers.length > 0
					? { headers: printEntries(answer.headers) }
					: null,
			cache: cache || null,
			websocket: websocket && set({ ...websocket }),
			bodyBytesMax,
			idleMs,
		}),
		compress: route.compress,
		record: printEntries(route.record),
	});
}

/** `blocks` are the names of the steps of the step's own block, then of each block around it. */
function printStep(
	step: StepPlan,
	blocks: readonly (readonly string[])[],
): object {
	const nameOf = ({ up, index }: StepRef) => blocks[up]?.[index];
	const { startsAfter, readsLater, each, repeat } = step;
	return set({
		kind: step.kind,
		startsAfter: startsAfter.map(nameOf),
		readsLater: readsLater.map(nameOf),
		effect: step.effect || null,
		when: step.when && printTemplate(step.when),
		each: each && set({ ...each, list: printTemplate(each.list) }),
		repeat: repeat && printRepeat(repeat),
		...("steps" in step && { steps: printSteps(step.steps, blocks) }),
		...kindOf(step).print(step),
		withinMs: step.withinMs,
		fallback: step.fallback && { value: printTemplate(step.fallback) },
		optional: step.optional || null,
	});
}

function printRepeat({ condition, max, waitMs }: RepeatConfig): object {
	return set({ while: printTemplate(condition), max, waitMs });
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

/** Leaves out unset values. Only in the printer's own maps, because an author's null is a value. */
function set(map: Record<string, unknown>): object {
	return Object.fromEntries(
		Object.entries(map).filter(
			([, value]) => value !== null && value !== undefined,
		),
	);
}
