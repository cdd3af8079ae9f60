import type {
	AuthConfig,
	Config,
	RouteConfig,
	TokenPlace,
} from "../config/config.ts";
import {
	hasEffect,
	readsAfterwards,
	readsAtLast,
	readsIn,
	readsToStart,
	stepsInside,
} from "../config/graph.ts";
import type { CallConfig } from "../config/steps/call.ts";
import type { GroupConfig } from "../config/steps/group.ts";
import type { StepConfig } from "../config/steps/kinds.ts";
import type { Read } from "../expression/parse.ts";
import { answerMembers } from "./answer-members.ts";
import type {
	AuthPlan,
	CallPlan,
	GroupPlan,
	Plan,
	RoutePlan,
	StepPlan,
	StepRef,
} from "./plan.ts";
import { readsInPlan } from "./reads.ts";

/** Compiles a checked config: names become indexes, and references become dependencies. Pure, and cannot fail. */
export function compile(config: Config): Plan {
	const routes = config.routes.map((route) => compileRoute(route, config));
	return deepFreeze({
		server: config.server,
		pool: config.routes.some(({ steps }) => steps.some(usesThread))
			? config.pool
			: null,
		upstreams: config.upstreams,
		routes,
		channels: config.channels,
		auth: config.auth.map(planOfAuth),
		rateLimits: config.rateLimits,
		overload: config.overload,
		log: config.log,
	});
}

function usesThread(step: StepConfig): boolean {
	return (
		("worker" in step && step.worker) || stepsInside(step).some(usesThread)
	);
}

/** The names of steps: those of the block itself first, then of each around it. */
type Blocks = readonly (readonly string[])[];

function compileRoute(route: RouteConfig, config: Config): RoutePlan {
	const names = route.steps.map(({ name }) => name);
	return {
		...route,
		proxy: route.proxy && {
			...route.proxy,
			targets: route.proxy.targets.map((target) => ({
				...target,
				upstreamIndex: indexOf(target.upstream, config),
			})),
		},
		listen: route.listen && {
			...route.listen,
			channelIndex: channelIndexOf(route.listen.channel, config),
		},
		live: route.live && {
			...route.live,
			on: route.live.on && {
				...route.live.on,
				channelIndex: channelIndexOf(route.live.on.channel, config),
			},
		},
		...compileAuth(route.auth, config),
		job: route.job && {
			...route.job,
			webhook: route.job.webhook && {
				...route.job.webhook,
				upstreamIndex: indexOf(route.job.webhook.upstream, config),
			},
		},
		steps: compileSteps(route.steps, [names], {
			config,
			routeReads: readsInPlan(route),
			namedAlone: true,
		}),
		respondReads: ownIndexes(readsAtLast(route), names),
	};
}

function planOfAuth(auth: AuthConfig): AuthPlan {
	if (auth.kind === "mtls") return auth;
	if (auth.kind !== "jwt") {
		const { list: _, ...shown } = auth;
		return shown;
	}
	const { keys, ...shown } = auth;
	const { url, file } = { url: null, file: null, ...keys };
	return { ...shown, keys: url ?? file };
}

function compileAuth(names: RouteConfig["auth"], { auth: all }: Config) {
	const authIndexes = names.map((name) =>
		all.findIndex((one) => one.name === name),
	);
	const places = authIndexes.flatMap((at) => placeOf(all[at] as AuthConfig));
	const namesIn = (inQuery: boolean) => {
		const own = places.filter((place) => (place.in === "query") === inQuery);
		const given = own.map(({ in: where, name }) =>
			where === "cookie" ? "cookie" : name,
		);
		return [...new Set(given)];
	};
	return {
		authIndexes,
		credentialFields: namesIn(false),
		credentialParameters: namesIn(true),
	};
}

/** A certificate stands in no part of a request. */
function placeOf(auth: AuthConfig): TokenPlace | [] {
	switch (auth.kind) {
		case "basic":
			return { in: "header", name: "authorization" };
		case "jwt":
			return auth.from;
		case "keys":
			return auth.place;
		case "mtls":
			return [];
	}
}

function indexOf(upstream: string, { upstreams }: Config): number {
	return upstreams.findIndex(({ name }) => name === upstream);
}

function channelIndexOf(channel: string, { channels }: Config): number {
	return channels.findIndex(({ name }) => name === channel);
}

function ownIndexes(reads: ReadonlySet<string>, names: readonly string[]) {
	return names.flatMap((name, index) => (reads.has(name) ? [index] : []));
}

/** What a step is compiled with, besides the steps around it. */
interface StepContext {
	readonly config: Config;
	/** Every read of the route. */
	readonly routeReads: readonly Read[];
	/** Whether the values of these steps are read by their names alone. */
	readonly namedAlone: boolean;
}

function compileSteps(
	steps: readonly StepConfig[],
	blocks: Blocks,
	context: StepContext,
): StepPlan[] {
	return steps.map((step) => compileStep(step, blocks, context));
}

function compileStep(
	step: StepConfig,
	blocks: Blocks,
	context: StepContext,
): StepPlan {
	const links = {
		startsAfter: refsOf([...readsToStart(step), ...step.after], blocks),
		readsLater: refsOf(readsAfterwards(step), blocks),
		effect: hasEffect(step),
	};
	switch (step.kind) {
		case "call":
			return { ...step, ...links, ...compileCall(step, context) };
		case "group":
			return { ...step, ...links, ...compileGroup(step, blocks, context) };
		case "publish": {
			const channelIndex = channelIndexOf(step.channel, context.config);
			return { ...step, ...links, channelIndex };
		}
		default:
			return { ...step, ...links };
	}
}

function compileCall(
	step: CallConfig,
	{ config, routeReads, namedAlone }: StepContext,
): Pick<CallPlan, "upstreamIndex" | "attempts" | "undo" | "answerMembers"> {
	const { upstream, repeatable, undo } = step;
	const upstreamIndex = indexOf(upstream, config);
	const retry = config.upstreams[upstreamIndex]?.retry ?? null;
	return {
		upstreamIndex,
		attempts: repeatable && retry !== null ? retry.attempts : 1,
		undo: undo && { ...undo, upstreamIndex: indexOf(undo.upstream, config) },
		answerMembers: answerMembers(step, namedAlone ? routeReads : null),
	};
}

function compileGroup(
	{ steps, value, repeat }: GroupConfig,
	blocks: Blocks,
	context: StepContext,
): Pick<GroupPlan, "steps" | "valueReads"> {
	const names = steps.map(({ name }) => name);
	return {
		steps: compileSteps(steps, [names, ...blocks], {
			...context,
			// Otherwise the group's value is the map of all.
			namedAlone: value !== null,
		}),
		valueReads: ownIndexes(
			value ? readsIn([value, repeat?.condition ?? null]) : new Set(names),
			names,
		),
	};
}

/** In plan order, from the inside out. Names that are no steps are left out. */
function refsOf(reads: Iterable<string>, blocks: Blocks): StepRef[] {
	const wanted = new Set(reads);
	return blocks.flatMap((names, up) =>
		ownIndexes(wanted, names).map((index) => ({ up, index })),
	);
}

function deepFreeze<T>(value: T): T {
	if (typeof value !== "object" || value === null || Object.isFrozen(value)) {
		return value;
	}
	for (const inner of Object.values(value)) deepFreeze(inner);
	return Object.freeze(value);
}
