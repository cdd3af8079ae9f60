import { stepsInside } from "../config/graph.ts";
import { kindOf, type StepConfig } from "../config/steps/kinds.ts";
import type { StepPlan } from "./plan.ts";

/** Steps of a block, with the group and the block around it; null for a route's own. */
interface Block {
	readonly steps: readonly StepPlan[];
	readonly around: { readonly group: StepPlan; readonly block: Block } | null;
	/** `orders.` in the group `orders`. */
	readonly path: string;
}

/**
 * The steps that may be the first of their route to write, by path. From the write that one of them sends a run goes on
 * to its end, whoever leaves. A function may write, by its `call`.
 */
export function firstWrites(steps: readonly StepPlan[]): string[] {
	const known = new Map<StepPlan, boolean>();
	/** Whether a write was surely sent before the step starts. */
	function comesLater(step: StepPlan, block: Block): boolean {
		const before = known.get(step);
		if (before !== undefined) return before;
		const { around } = block;
		const later =
			step.startsAfter.some(({ up, index }) => {
				const outer = outwards(block, up);
				const first = outer.steps[index] as StepPlan;
				return surelyWrites(first) || comesLater(first, outer);
			}) ||
			(around !== null && comesLater(around.group, around.block));
		known.set(step, later);
		return later;
	}
	function firstIn(block: Block): string[] {
		return block.steps.flatMap((step) => {
			const path = block.path + step.name;
			if (step.kind === "group") {
				const around = { group: step, block };
				return firstIn({ steps: step.steps, around, path: `${path}.` });
			}
			const mayWrite = kindOf(step).writes(step) !== "never";
			return mayWrite && !comesLater(step, block) ? [path] : [];
		});
	}
	return firstIn({ steps, around: null, path: "" });
}

function outwards(block: Block, up: number): Block {
	return up === 0
		? block
		: outwards((block.around as { block: Block }).block, up - 1);
}

/** A step that was skipped, or that has failed, need not have sent anything. */
function surelyWrites(step: StepConfig): boolean {
	const { when, each, optional, fallback } = step;
	if (when !== null || each !== null || optional || fallback !== null) {
		return false;
	}
	if (kindOf(step).writes(step) === "surely") return true;
	return stepsInside(step).some(surelyWrites);
}
