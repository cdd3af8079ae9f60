import type { ValueConfig } from "../../config/steps/value.ts";
import type { StepLinks } from "../../plan/plan.ts";
import { prepare } from "../layout.ts";
import type { Work } from "../spot.ts";
import { onlyWhatEveryStepHas, type WorkContext } from "../work.ts";

/** The value of a template. */
export function prepareValue(
	step: ValueConfig & StepLinks,
	{ layout }: WorkContext,
): Work {
	const { value: template, kind: _, ...ofEveryStep } = step;
	onlyWhatEveryStepHas(ofEveryStep);
	const value = prepare(template, layout);
	return ({ frame, scope, late }) => {
		// The items of a long list are computed one after the other, perhaps until the deadline.
		if (scope.cancelled && !late) throw scope.reason;
		return value(frame);
	};
}
