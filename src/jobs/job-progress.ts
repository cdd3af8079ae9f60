import type { StepTrail, Trail } from "../core/trail.ts";
import type { StepProgress } from "./job.ts";

/** How the steps of a route are, in the order in which they are written. */
export function progressOf(
	names: readonly string[],
	trail: Trail,
): StepProgress[] {
	const found = new Map<string, StepTrail[]>(names.map((name) => [name, []]));
	for (const step of trail.steps) found.get(step.path)?.push(step);
	return [...found].map(([step, all]) => {
		const items = all.filter(({ index }) => index.length > 0);
		const own = all.find(({ index }) => index.length === 0);
		return {
			...{ step, state: stateOf(own) },
			...(items.length > 0 && {
				items: [items.filter(hasEnded).length, items.length] as const,
			}),
		};
	});
}

function stateOf(step: StepTrail | undefined): StepProgress["state"] {
	if (step === undefined) return "waiting";
	if (hasEnded(step)) return "ended";
	return step.startedMs === null ? "waiting" : "running";
}

function hasEnded({ endedMs }: StepTrail): boolean {
	return endedMs !== null;
}
