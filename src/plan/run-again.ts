import type { RoutePlan, StepPlan } from "./plan.ts";

/** How often a job is begun that does the same if it is begun again. */
const harmlessAttempts = 3;

/** How often a job of the route is begun at most, if the processes that run it die. */
export function attemptsOf({ job, steps }: RoutePlan): number {
	return job?.attempts ?? (steps.every(isRepeatable) ? harmlessAttempts : 1);
}

/** Whether a step that was cut may be done once more. Nobody knows that of a function. */
function isRepeatable(step: StepPlan): boolean {
	switch (step.kind) {
		case "call":
			return step.repeatable;
		case "group":
			return step.steps.every(isRepeatable);
		case "publish":
		case "run":
			return false;
		case "reply":
		case "value":
			return true;
	}
}
