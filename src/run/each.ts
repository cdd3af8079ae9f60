import { asGatewayError, GatewayError } from "../core/errors.ts";
import { gather } from "../tasks/gather.ts";
import type { Scope } from "../tasks/scope.ts";
import { itemFrameSize, itemSlots } from "./names.ts";
import type { PreparedEach, PreparedStep } from "./prepare.ts";
import { inStep, type Run } from "./run.ts";
import { carryOutOnce } from "./step.ts";

/**
 * Carries out a step once per item, so many at once, and gives the values in the order of the list. A list that is
 * none, or too long, fails the whole step: `fallback`, which is an item's, does not catch that; `optional` does.
 */
export async function carryOutEach(
	step: PreparedStep,
	each: PreparedEach,
	run: Run,
	scope: Scope,
): Promise<unknown> {
	let items: readonly unknown[];
	try {
		items = listOf(each, run);
	} catch (thrown) {
		if (!step.optional) throw thrown;
		run.note(step, [], inStep(asGatewayError(thrown), step));
		return null;
	}
	const works = items.map((item, index) => (scope: Scope) => {
		const values = new Array(itemFrameSize).fill(null);
		values[itemSlots.item] = item;
		values[itemSlots.index] = index;
		const frame = { values, parent: run.frame };
		return carryOutOnce(step, run, { frame, scope, index: [index] });
	});
	return gather(works, { scope, limit: each.parallel });
}

function listOf(each: PreparedEach, run: Run): readonly unknown[] {
	const list = each.list(run.frame);
	const status = each.clients ? { status: 400 } : {};
	if (list === null) {
		throw new GatewayError(
			"reference_missing",
			`\${${each.source}} is null, not a list`,
			status,
		);
	}
	if (!Array.isArray(list)) {
		throw new GatewayError("step_failed", `\${${each.source}} is not a list`);
	}
	if (list.length > each.max) {
		throw new GatewayError(
			"limit_exceeded",
			`\${${each.source}} has ${list.length} items, more than ${each.max}`,
			status,
		);
	}
	return list;
}
