import { isOfClient } from "../policy/auth/options.ts";
import type { RoutePlan, StepPlan } from "./plan.ts";

/** The upstreams that these steps may call. A function may call any. `upstreams` are in the plan's order. */
export function calledBy<Upstream>(
	steps: readonly StepPlan[],
	upstreams: readonly Upstream[],
): readonly Upstream[] {
	return steps.flatMap((step): readonly Upstream[] => {
		if (step.kind === "run") return upstreams;
		const called =
			"upstreamIndex" in step ? upstreams[step.upstreamIndex] : undefined;
		const own = called === undefined ? [] : [called];
		return "steps" in step ? [...own, ...calledBy(step.steps, upstreams)] : own;
	});
}

/** Whether an upstream of the route is asked as the client itself. Then its answer is that client's alone. */
export function asksAsClient(
	{ steps, proxy }: Pick<RoutePlan, "steps" | "proxy">,
	upstreams: readonly { readonly auth: { readonly kind: string } | null }[],
): boolean {
	const targets = proxy?.targets ?? [];
	const passed = targets.flatMap(
		({ upstreamIndex }) => upstreams[upstreamIndex] ?? [],
	);
	return [...calledBy(steps, upstreams), ...passed].some(({ auth }) =>
		isOfClient(auth),
	);
}
