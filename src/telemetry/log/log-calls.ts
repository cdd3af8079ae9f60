import { printCallTarget } from "../../config/steps/sent.ts";
import type { GatewayError } from "../../core/errors.ts";
import type { Plan, StepPlan } from "../../plan/plan.ts";
import { printTargets } from "../../plan/print.ts";

/** Method and path template of each call, by route and step. */
export type Calls = ReadonlyMap<string, string>;

export function callsOf(plan: Plan): Calls {
	const calls = new Map<string, string>();
	const add = (route: string, steps: readonly StepPlan[], before: string) => {
		for (const step of steps) {
			const path = before + step.name;
			if (step.kind === "call") {
				calls.set(`${route} ${path}`, printCallTarget(step));
				if (step.undo === null) continue;
				calls.set(`${route} ${path}.undo`, printCallTarget(step.undo));
			} else if (step.kind === "group") add(route, step.steps, `${path}.`);
		}
	};
	for (const route of plan.routes) {
		add(route.key, route.steps, "");
		if (route.proxy === null) continue;
		const targets = printTargets(route, route.proxy).map(({ to }) => to);
		calls.set(route.key, `${route.method} ${targets.join(" or ")}`);
	}
	return calls;
}

/** The call in which an error happened, as a field of a line. */
export function callOf(
	calls: Calls,
	route: string | null,
	{ facts: { step } }: GatewayError,
): object {
	const call = calls.get(step === undefined ? `${route}` : `${route} ${step}`);
	return call === undefined ? {} : { call };
}
