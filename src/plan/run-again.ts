import { isRepeatable } from "../config/graph.ts";
import type { RoutePlan } from "./plan.ts";

/** How often a job is begun that does the same if it is begun again. */
const harmlessAttempts = 3;

/** How often a job of the route is begun at most, if the processes that run it die. */
export function attemptsOf({ job, steps }: RoutePlan): number {
	return job?.attempts ?? (steps.every(isRepeatable) ? harmlessAttempts : 1);
}
