import { traitsOf } from "../config/steps/kinds.ts";
import { GatewayError } from "../core/errors.ts";
import type { StepPlan } from "../plan/plan.ts";
import { prepareEach } from "./each.ts";
import { prepareFallback } from "./fallback.ts";
import { itemLayout, itemSlots, type Layout, prepare } from "./layout.ts";
import { isSkip, type Once, type Work } from "./spot.ts";
import { prepareWork } from "./steps/kinds.ts";
import type { WorkContext } from "./work.ts";

/**
 * The function that begins a step: its work, with the parts around it that every kind of step has. `slot` is the slot
 * of its value in its block's frame.
 */
export function prepareStart(
	step: StepPlan,
	slot: number,
	context: Omit<WorkContext, "ownSlot">,
): Work {
	const { layout } = context;
	const { each } = step;
	const inside = {
		...context,
		layout: each ? itemLayout(layout, each) : layout,
		ownSlot: each ? itemSlots.own : slot + 1,
	};
	const work = prepareCondition(step, inside.layout, prepareWork(step, inside));
	// At once: other steps perhaps need not start any more.
	if (traitsOf(step).endsRun) return work;
	const once = prepareFallback(step, inside.layout, promised(work));
	return each ? prepareEach(each, step.optional, layout, once) : once;
}

function prepareCondition(step: StepPlan, layout: Layout, work: Work): Work {
	const wanted = canBeLeftOut(step) ? leavingOut(work) : work;
	if (step.when === null) return wanted;
	const when = prepare(step.when, layout);
	return (spot) => (isSkip(when(spot.frame)) ? null : wanted(spot));
}

/** Whether a fallback or null can stand for it, so that it need not be carried out under overload. */
function canBeLeftOut({ optional, fallback }: StepPlan): boolean {
	return optional || fallback !== null;
}

function leavingOut(work: Work): Work {
	return (spot) => {
		if (spot.run.input.load.skipping) throw leftOut;
		return work(spot);
	};
}

/** The error of a step that was left out. Made once, because it is thrown when there is no time to spare. */
const leftOut = new GatewayError(
	"overloaded",
	"left out because the gateway is overloaded",
);

/** Always gives a promise, so that steps which start together all start before the first of them ends. */
function promised(work: Work): Once {
	return (spot) => {
		try {
			const value = work(spot);
			return value instanceof Promise ? value : Promise.resolve(value);
		} catch (thrown) {
			return Promise.reject(thrown);
		}
	};
}
