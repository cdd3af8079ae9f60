import type { Config, RouteConfig, StepConfig } from "../config/config.ts";
import {
	hasEffect,
	isRepeatable,
	isWrite,
	readsAfterwards,
	readsIn,
	readsToRespond,
	readsToStart,
} from "../config/graph.ts";
import type {
	CallPlan,
	GroupPlan,
	Plan,
	RoutePlan,
	StepPlan,
	StepRef,
} from "./plan.ts";

/** Compiles a checked config: names become indexes, references become dependencies. Pure, and cannot fail. */
export function compile(config: Config): Plan {
	const routes = config.routes.map((route) => compileRoute(route, config));
	return deepFreeze({
		server: config.server,
		pool: config.routes.some(usesThreads) ? config.pool : null,
		upstreams: config.upstreams,
		routes,
		rateLimit: config.rateLimit,
		overload: config.overload,
	});
}

function usesThreads({ steps }: { steps: readonly StepConfig[] }): boolean {
	return steps.some((step) => {
		if (step.kind === "group") return usesThreads(step);
		return step.kind === "run" && step.worker;
	});
}

/** The names of steps: those of the block itself first, then of each around it. */
type Blocks = readonly (readonly string[])[];

function compileRoute(route: RouteConfig, config: Config): RoutePlan {
	const names = route.steps.map(({ name }) => name);
	return {
		...route,
		proxy: route.proxy && {
			...route.proxy,
			upstreamIndex: indexOf(route.proxy.upstream, config),
		},
		steps: route.steps.map((step) => compileStep(step, config, [names])),
		respondReads: ownIndexes(readsToRespond(route), names),
	};
}

function indexOf(upstream: string, { upstreams }: Config): number {
	return upstreams.findIndex(({ name }) => name === upstream);
}

function ownIndexes(reads: ReadonlySet<string>, names: readonly string[]) {
	return names.flatMap((name, index) => (reads.has(name) ? [index] : []));
}

function compileStep(
	step: StepConfig,
	config: Config,
	blocks: Blocks,
): StepPlan {
	const links = {
		startsAfter: refsOf([...readsToStart(step), ...step.after], blocks),
		readsLater: refsOf(readsAfterwards(step), blocks),
		effect: hasEffect(step, config.upstreams),
	};
	switch (step.kind) {
		case "call":
			return { ...step, ...links, ...compileCall(step, config) };
		case "group":
			return { ...step, ...links, ...compileGroup(step, config, blocks) };
		case "value":
		case "run":
		case "reply":
			return { ...step, ...links };
	}
}

function compileCall(
	step: StepConfig & { kind: "call" },
	config: Config,
): Pick<CallPlan, "upstreamIndex" | "write" | "repeatable" | "attempts"> {
	const { upstreams } = config;
	const upstreamIndex = indexOf(step.upstream, config);
	const repeatable = isRepeatable(step, upstreams);
	const retry = upstreams[upstreamIndex]?.retry ?? null;
	return {
		upstreamIndex,
		write: isWrite(step, upstreams),
		repeatable,
		attempts: repeatable && retry !== null ? retry.attempts : 1,
	};
}

function compileGroup(
	{ steps, value }: StepConfig & { kind: "group" },
	config: Config,
	blocks: Blocks,
): Pick<GroupPlan, "steps" | "valueReads"> {
	const names = steps.map(({ name }) => name);
	return {
		steps: steps.map((step) => compileStep(step, config, [names, ...blocks])),
		valueReads: ownIndexes(value ? readsIn([value]) : new Set(names), names),
	};
}

/** In plan order, from the inside out; names that are no steps are left out. */
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
