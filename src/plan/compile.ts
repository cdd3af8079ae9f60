import type { Config, RouteConfig, StepConfig } from "../config/config.ts";
import {
	isWrite,
	readsAfterwards,
	readsToRespond,
	readsToStart,
} from "../config/graph.ts";
import type { Plan, RoutePlan, StepPlan } from "./plan.ts";

/** Compiles a checked config: names become indexes, references become dependencies. Pure, and cannot fail. */
export function compile(config: Config): Plan {
	const routes = config.routes.map((route) => compileRoute(route, config));
	return deepFreeze({
		server: config.server,
		upstreams: config.upstreams,
		routes,
	});
}

function compileRoute(route: RouteConfig, config: Config): RoutePlan {
	const names = route.steps.map(({ name }) => name);
	const indexesOf = (reads: Iterable<string>) =>
		[...new Set(reads)]
			.map((name) => names.indexOf(name))
			.filter((index) => index >= 0)
			.toSorted((a, b) => a - b);
	return {
		...route,
		steps: route.steps.map((step) => compileStep(step, config, indexesOf)),
		respondReads: indexesOf(readsToRespond(route)),
	};
}

function compileStep(
	step: StepConfig,
	{ upstreams }: Config,
	indexesOf: (reads: Iterable<string>) => number[],
): StepPlan {
	const links = {
		startsAfter: indexesOf([...readsToStart(step), ...step.after]),
		readsLater: indexesOf(readsAfterwards(step)),
	};
	if (step.kind === "value") return { ...step, ...links };
	return {
		...step,
		...links,
		upstreamIndex: upstreams.findIndex(({ name }) => name === step.upstream),
		write: isWrite(step, upstreams),
	};
}

function deepFreeze<T>(value: T): T {
	if (typeof value !== "object" || value === null || Object.isFrozen(value)) {
		return value;
	}
	for (const inner of Object.values(value)) deepFreeze(inner);
	return Object.freeze(value);
}
