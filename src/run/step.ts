import type { StepCommon } from "../config/steps/common.ts";
import { kindOf } from "../config/steps/kinds.ts";
import { allRead } from "../core/all-read.ts";
import { GatewayError } from "../core/errors.ts";
import type { Template } from "../expression/template.ts";
import type { StepPlan } from "../plan/plan.ts";
import { prepareEach } from "./each.ts";
import { prepareFallback } from "./fallback.ts";
import {
	itemLayout,
	itemSlots,
	type Layout,
	prepare,
	roundLayout,
	roundSlots,
} from "./layout.ts";
import { prepareRepeat } from "./repeat.ts";
import { isSkip, type Once, skipped, type Work } from "./spot.ts";
import { prepareWork } from "./steps/kinds.ts";
import type { WorkContext } from "./work.ts";

/**
 * The function that begins a step: its work, with the parts around it that every kind of step has. `slot` is the slot
 * of its value in its block's frame.
 */
export function prepareStart(
	step: StepPlan,
	slot: number,
	context: Omit<WorkContext, "condition" | "ownSlot">,
): Work {
	const { layout } = context;
	const common: StepCommon = step;
	const { when, each, repeat, fallback, optional, ...others } = common;
	// The block and the plan read these.
	const { name: _, after: _1, withinMs: _2, ...unread } = others;
	allRead(unread);
	const ownSlot = slot + 1;
	const item = each ? itemLayout(layout, each) : layout;
	const itemSlot = each ? itemSlots.own : ownSlot;
	const own = prepareWork(step, {
		...context,
		layout: repeat ? roundLayout(item) : item,
		inList: context.inList || each !== null,
		ownSlot: repeat ? roundSlots.own : itemSlot,
		condition: repeat && repeat.condition,
	});
	const whole = repeat ? prepareRepeat(repeat, own) : own;
	const expendable = optional || fallback !== null;
	const wanted = expendable ? leavingOut(whole) : whole;
	const enough = each?.enough ?? null;
	const skip = enough === null ? null : skipped;
	const work = prepareCondition(when, item, wanted, skip);
	// At once: other steps perhaps need not start any more.
	if (kindOf(step).endsRun) return atOnce(work);
	const once = promised(inTurn(work));
	const filling = { fallback, optional };
	if (each === null || enough === null) {
		const filled = prepareFallback(filling, item, itemSlot, once);
		return each ? prepareEach(each, optional, context, filled) : filled;
	}
	// The others stand in for an item that fails, so what fills in does it for the whole list.
	const counted = prepareEach(each, false, context, once);
	return prepareFallback(filling, layout, ownSlot, counted);
}

function prepareCondition(
	when: Template | null,
	layout: Layout,
	work: Work,
	skip: null | typeof skipped,
): Work {
	if (when === null) return work;
	const condition = prepare(when, layout);
	return (spot) => {
		if (!isSkip(condition(spot.frame))) return work(spot);
		spot.trail?.skipped();
		return skip;
	};
}

/** A fallback or null can stand for it, so it is not carried out under overload. */
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

function atOnce(work: Work): Work {
	return (spot) => {
		spot.frame.fuel.begin();
		spot.trail?.started();
		return work(spot);
	};
}

/** If this turn of the loop has computed for long, the work waits for another. */
function inTurn(work: Work): Work {
	const begin: Work = (spot) => {
		const { trail } = spot;
		if (trail === null) return work(spot);
		trail.started();
		trail.atOnce = true;
		try {
			return work(spot);
		} finally {
			trail.atOnce = false;
		}
	};
	return (spot) => spot.frame.fuel.piece(begin, spot);
}

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
