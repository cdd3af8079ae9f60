import type { Frame } from "../../expression/evaluate.ts";
import type { Template } from "../../expression/template.ts";
import type { GroupPlan } from "../../plan/plan.ts";
import { openScope } from "../../tasks/scope.ts";
import { Block, type PreparedBlock } from "../block.ts";
import {
	firstSlots,
	groupLayout,
	type Later,
	prepareLater,
	roundSlots,
} from "../layout.ts";
import type { Spot, Work } from "../spot.ts";
import { onlyWhatEveryStepHas, type WorkContext } from "../work.ts";

/** Steps that end together. */
interface Group {
	readonly block: PreparedBlock;
	/**
	 * Null: an object of the steps' values. It is evaluated when the group's own steps have ended, so it waits only for
	 * steps around the group.
	 */
	readonly value: Later | null;
	/** The condition of its `repeat`, which is evaluated after the value. */
	readonly condition: Later | null;
}

/**
 * Carries out the steps of a group. Gives their value, or their first failure. A part that they lack is missing in the
 * answer.
 */
export function prepareGroup(
	step: GroupPlan,
	{ layout: around, inList, condition, prepareBlock }: WorkContext,
): Work {
	const { steps, value, valueReads: reads, kind: _, ...ofEveryStep } = step;
	onlyWhatEveryStepHas(ofEveryStep);
	const names = steps.map(({ name }) => name);
	const layout = groupLayout(around, names);
	const result = [value, condition];
	const laterOf = (template: Template | null) =>
		template && readingOutside(prepareLater(template, layout));
	const group: Group = {
		block: prepareBlock(
			{ steps, result, reads, firstSlot: firstSlots.group, inList },
			layout,
		),
		value: laterOf(value),
		condition: laterOf(condition),
	};
	return (spot) => carryOut(group, spot);
}

function readingOutside({ evaluate, reads }: Later): Later {
	return { evaluate, reads: reads.filter(({ up }) => up > 0) };
}

function carryOut(
	{ block: plan, value, condition }: Group,
	spot: Spot,
): Promise<unknown> {
	const { run, scope: outer, index } = spot;
	const scope = openScope({ parent: outer });
	const reads = [...(value?.reads ?? []), ...(condition?.reads ?? [])];
	const frame: Frame = {
		values: new Array(plan.frameSize).fill(null),
		parent: spot.frame,
		fuel: spot.frame.fuel,
	};
	return new Promise((resolve, reject) => {
		const block: Block = new Block(plan, {
			run,
			frame,
			scope,
			around: spot.block,
			path: `${spot.path}.`,
			index,
			onFail(error, failed) {
				if (failed) noteReads([failed.index]);
				reject(error);
			},
			onEnd() {
				scope.close();
				const wait = reads.length > 0 ? block.ended(reads, outer) : null;
				if (wait === null) return finish();
				const ended = spot.trail?.waitFor(
					reads.map((ref) => block.nameOf(ref)),
				);
				wait.finally(ended).then(finish, reject);
			},
		});
		/** The group has read around it what these steps have read, or all that it is made of. */
		const noteReads = (steps?: readonly number[]) => {
			if (!plan.readsOutside) return;
			block.account.addReadsOutside(spot.readLater, steps);
		};
		const result = () => {
			noteReads();
			if (reads.length > 0) spot.readLater.add(reads, 1);
			const made = value ? value.evaluate(frame) : valuesOf(plan.steps, frame);
			if (condition) {
				spot.frame.values[roundSlots.again] = condition.evaluate(frame);
			}
			spot.note(block.account.missing());
			if (run.route.freshness) spot.hold(block.account.holding());
			return made;
		};
		const finish = () => {
			try {
				resolve(frame.fuel.piece(result, frame));
			} catch (error) {
				reject(error as Error);
			}
		};
		block.start();
	});
}

function valuesOf(
	steps: PreparedBlock["steps"],
	{ values }: Frame,
): Record<string, unknown> {
	return Object.fromEntries(
		steps.map(({ name, slot }) => [name, values[slot]]),
	);
}
