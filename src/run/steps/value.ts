import type { ValuePlan } from "../../plan/plan.ts";
import { prepare } from "../layout.ts";
import type { Work, WorkContext } from "../work.ts";

/** The value of a template. */
export function prepareValue(step: ValuePlan, { layout }: WorkContext): Work {
	const value = prepare(step.value, layout);
	return ({ frame }) => value(frame);
}
