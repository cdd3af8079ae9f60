import type { RouteConfig } from "./config.ts";
import type { StepConfig } from "./steps/kinds.ts";

/**
 * The upstreams that these steps may call, in the order in which they are given; a call's `undo` counts. A function may call
 * any of them.
 */
export function calledBy<Upstream extends { readonly name: string }>(
	steps: readonly StepConfig[],
	upstreams: readonly Upstream[],
): readonly Upstream[] {
	return upstreams.filter(({ name }) =>
		steps.some((step) => mayCall(step, name)),
	);
}

function mayCall(step: StepConfig, upstream: string): boolean {
	switch (step.kind) {
		case "run":
			return true;
		case "call":
			return step.upstream === upstream || step.undo?.upstream === upstream;
		case "group":
			return step.steps.some((inner) => mayCall(inner, upstream));
		case "publish":
		case "reply":
		case "value":
			return false;
	}
}

/** The upstreams that a request of the route may reach before it is answered: by its steps, or as it is passed on. */
export function reachedBy<Upstream extends { readonly name: string }>(
	{ steps, proxy }: Pick<RouteConfig, "steps" | "proxy">,
	upstreams: readonly Upstream[],
): readonly Upstream[] {
	const called = calledBy(steps, upstreams);
	const targets = proxy?.targets ?? [];
	return upstreams.filter(
		(one) =>
			called.includes(one) ||
			targets.some(({ upstream }) => upstream === one.name),
	);
}
