import { asGatewayError, GatewayError } from "../core/errors.ts";
import { gather } from "../tasks/gather.ts";
import type { Scope } from "../tasks/scope.ts";
import { type Block, inStep } from "./block.ts";
import type { PreparedEach, PreparedStep } from "./prepare.ts";
import { carryOutOnce, frameInside } from "./step.ts";

/**
 * Carries out a step once per item, so many at once, and gives the values in the order of the list. A list that is
 * none, or too long, fails the whole step: `fallback`, which is an item's, does not catch that; `optional` does.
 */
export async function carryOutEach(
	step: PreparedStep,
	each: PreparedEach,
	block: Block,
	scope: Scope,
): Promise<unknown> {
	const { frame, path, index: around } = block.place;
	let items: readonly unknown[];
	try {
		items = listOf(each, block);
	} catch (thrown) {
		if (!step.optional) throw thrown;
		const name = path + step.name;
		const error = inStep(asGatewayError(thrown), name);
		block.note(step, [{ step: name, index: around, error }]);
		return null;
	}
	const works = items.map(
		(item, index) => (scope: Scope) =>
			carryOutOnce(step, {
				block,
				scope,
				index: [...around, index],
				frame: frameInside(step, frame, item, index),
			}),
	);
	try {
		return await gather(works, { scope, limit: each.parallel });
	} catch (thrown) {
		// The step fails with its first failed item; those that failed beside it are told of as calls.
		throw thrown instanceof AggregateError ? thrown.errors[0] : thrown;
	}
}

function listOf(each: PreparedEach, { place }: Block): readonly unknown[] {
	const list = each.list(place.frame);
	const status = each.clients ? { status: 400 } : {};
	const name = `\${${each.source}}`;
	if (list === null) {
		const message = `${name} is null, not a list`;
		throw new GatewayError("reference_missing", message, status);
	}
	if (!Array.isArray(list)) {
		throw new GatewayError("step_failed", `${name} is not a list`);
	}
	if (list.length > each.max) {
		const message = `${name} has ${list.length} items, more than ${each.max}`;
		throw new GatewayError("limit_exceeded", message, status);
	}
	return list;
}
