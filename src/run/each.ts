import type { EachConfig } from "../config/steps/common.ts";
import { asGatewayError, GatewayError, inStep } from "../core/errors.ts";
import type { Frame } from "../expression/evaluate.ts";
import { gather } from "../tasks/gather.ts";
import type { Scope } from "../tasks/scope.ts";
import {
	itemFrameSize,
	itemSlots,
	type Layout,
	prepare,
	readsOnlyInput,
} from "./layout.ts";
import type { Once } from "./spot.ts";

/**
 * Carries out a step once per item, a bounded number at once, and gives the values in the order of the list. A value
 * that is no list, or a list that is too long, fails the whole step. `fallback` belongs to an item and does not catch
 * that; `optional` does.
 */
export function prepareEach(
	each: EachConfig,
	optional: boolean,
	layout: Layout,
	once: Once,
): Once {
	const listOf = prepareList(each, layout);
	return async (spot) => {
		const { fuel } = spot.frame;
		let items: readonly unknown[];
		try {
			const list = fuel.piece(listOf, spot.frame);
			items = list instanceof Promise ? await list : list;
		} catch (thrown) {
			if (!optional) throw thrown;
			const error = inStep(asGatewayError(thrown), spot.path);
			spot.note([{ step: spot.path, index: spot.index, error }]);
			return null;
		}
		fuel.hold(items.length * itemBytes);
		const works = items.map((item, at) => (scope: Scope) => {
			fuel.turn.spent += itemCost;
			return once(spot.at(at, frameOf(item, at, spot.frame), scope));
		});
		try {
			return await gather(works, { scope: spot.scope, limit: each.parallel });
		} catch (thrown) {
			// The step fails with its first failed item. The events of calls report the other failed items.
			throw thrown instanceof AggregateError ? thrown.errors[0] : thrown;
		}
	};
}

/** The memory that an item takes besides its work, until all have ended. */
const itemBytes = 128;

/** The time that an item takes besides its work, in units of 100 ns. */
const itemCost = 20;

function frameOf(item: unknown, index: number, parent: Frame): Frame {
	const values = new Array(itemFrameSize).fill(null);
	values[itemSlots.item] = item;
	values[itemSlots.index] = index;
	return { values, parent, fuel: parent.fuel };
}

/** If the list comes from the client, it is the client's fault if it is no list, or too long. */
function prepareList(
	{ list: template, max }: EachConfig,
	layout: Layout,
): (frame: Frame) => readonly unknown[] {
	const evaluate = prepare(template, layout);
	const source =
		template.kind === "whole" ? template.expression.source : "a list";
	const name = `\${${source}}`;
	const status = readsOnlyInput(template, layout) ? { status: 400 } : {};
	return (frame) => {
		const list = evaluate(frame);
		if (list === null) {
			const message = `${name} is null, not a list`;
			throw new GatewayError("reference_missing", message, status);
		}
		if (!Array.isArray(list)) {
			throw new GatewayError("step_failed", `${name} is not a list`);
		}
		if (list.length > max) {
			const message = `${name} has ${list.length} items, more than ${max}`;
			throw new GatewayError("limit_exceeded", message, status);
		}
		return list;
	};
}
