import { kindOf } from "../config/steps/kinds.ts";
import type { StepPlan, StepRef } from "../plan/plan.ts";
import type { PreparedBlock } from "./block.ts";
import { codeSlot, frameSize, type Layout, stepSlot } from "./layout.ts";
import { prepareStart } from "./step.ts";
import type { BlockParts, Resources } from "./work.ts";

/** Prepares steps that end together, and the steps inside them. */
export function prepareBlock(
	parts: BlockParts,
	layout: Layout,
	resources: Resources,
): PreparedBlock {
	const { steps, result, reads, firstSlot, inList } = parts;
	const context = {
		...resources,
		layout,
		inList,
		prepareBlock: (inner: BlockParts, names: Layout) =>
			prepareBlock(inner, names, resources),
	};
	const readsCodes = mayRead("missing", [steps, result]);
	const outside = (refs: readonly StepRef[]) => refs.some(({ up }) => up > 0);
	return {
		steps: steps.map((step, index) => {
			const slot = stepSlot(firstSlot, index);
			return {
				name: step.name,
				index,
				slot,
				codeSlot: readsCodes ? codeSlot(slot) : null,
				many: step.each !== null,
				effect: step.effect,
				withinMs: step.withinMs,
				...linksOf(step, index, parts),
				start: prepareStart(step, slot, context),
			};
		}),
		order: endingFirst(indexesOf(steps), steps),
		made: indexesOf(steps).filter(
			(index) => reads.includes(index) || steps[index]?.effect,
		),
		waitsOutside: steps.some(({ startsAfter }) => outside(startsAfter)),
		readsOutside: steps.some(
			({ startsAfter, readsLater }) =>
				outside(startsAfter) || outside(readsLater),
		),
		frameSize: frameSize(firstSlot, steps.length),
	};
}

/** Whether the name occurs in frozen data at all, as a read or by chance. */
export function mayRead(name: string, data: unknown): boolean {
	if (data === name) return true;
	if (typeof data !== "object" || data === null) return false;
	for (const key in data) {
		if (mayRead(name, (data as Record<string, unknown>)[key])) return true;
	}
	return false;
}

/** Which steps of the block depend on which. */
function linksOf(step: StepPlan, index: number, { steps, reads }: BlockParts) {
	const own = (refs: readonly StepRef[]) =>
		refs.filter(({ up }) => up === 0).map((ref) => ref.index);
	const allOf = (one: StepPlan) => [
		...new Set(own([...one.startsAfter, ...one.readsLater])),
	];
	const readers = steps.filter((other) => allOf(other).includes(index));
	return {
		waitsFor: own(step.startsAfter).length,
		waitsOutside: step.startsAfter.filter(({ up }) => up > 0),
		starts: endingFirst(
			indexesOf(steps).filter((at) =>
				own(steps[at]?.startsAfter ?? []).includes(index),
			),
			steps,
		),
		reads: allOf(step),
		readsFirst: own(step.startsAfter),
		readers: readers.length + (reads.includes(index) ? 1 : 0),
		droppable: !(step.effect || reads.includes(index)),
	};
}

function indexesOf(steps: readonly StepPlan[]): number[] {
	return steps.map((_, index) => index);
}

function endingFirst(indexes: number[], steps: readonly StepPlan[]): number[] {
	const ends = (index: number) => kindOf(steps[index] as StepPlan).endsRun;
	return indexes.toSorted((a, b) => Number(ends(b)) - Number(ends(a)));
}
