import { GatewayError } from "../core/errors.ts";
import type {
	Ast,
	Binary,
	Choice,
	Expression,
	Index,
	Logical,
	Member,
	Unary,
} from "./ast.ts";
import { prepareCall, prepareMethod } from "./call.ts";
import { prepareItems, prepareMap, prepareText } from "./construct.ts";
import { Fuel } from "./fuel.ts";
import { add, compute, elementOf, isOrdered } from "./operators.ts";
import {
	cellOf,
	type Evaluate,
	type Frame,
	type Preparation,
	type Slot,
	type Slots,
	siteOf,
} from "./preparation.ts";
import { isSame, numberOf } from "./site.ts";
import { memberOf, orNull } from "./values.ts";

export type { Evaluate, Frame, Slot, Slots } from "./preparation.ts";

/**
 * Turns an expression into a closure. Names are looked up here, once. The closure owns its working memory, so it must
 * not be run inside itself. No expression can do that.
 */
export function prepareExpression(
	expression: Expression,
	slots: Slots,
): Evaluate {
	const preparation: Preparation = {
		expression,
		prepare: (ast) => prepare(ast, preparation),
		slots,
		current: { frame: noFrame, fuel: noFrame.fuel },
		cells: [],
		nodes: 0,
		sites: 0,
	};
	const evaluate = prepare(expression.ast, preparation);
	// Without a site nothing can fail, and only the source's own few nodes count.
	return preparation.sites === 0 ? evaluate : bounded(evaluate, preparation);
}

/** An evaluation of fewer nodes makes too little to be counted, besides long texts. */
const countedNodes = 512;

/** What a node makes on average, in bytes: most make nothing, and a list or map of its own takes 64. */
const nodeBytes = 8;

const noFrame: Frame = { values: [], parent: null, fuel: new Fuel() };

function bounded(evaluate: Evaluate, preparation: Preparation): Evaluate {
	const { current, cells, expression, nodes } = preparation;
	const site = siteOf(expression.ast, preparation);
	return (frame) => {
		const { fuel } = frame;
		const before = fuel.left;
		current.frame = frame;
		current.fuel = fuel;
		try {
			site.charge(nodes);
			const value = evaluate(frame);
			const visited = before - fuel.left;
			if (visited >= countedNodes) fuel.hold(nodeBytes * visited);
			return value;
		} catch (error) {
			if (error instanceof GatewayError) throw error;
			// Nothing here throws by design, but the engine's stack and memory have limits.
			return site.fail("went beyond what the engine can do", error);
		} finally {
			fuel.turn.spent += before - fuel.left;
			current.frame = noFrame;
			for (const cell of cells) cell.value = null;
		}
	};
}

function prepare(ast: Ast, preparation: Preparation): Evaluate {
	preparation.nodes++;
	switch (ast.kind) {
		case "literal": {
			const { value } = ast;
			return () => value;
		}
		case "name":
			return nameAt(preparation.slots.slotOf(ast.name));
		case "local": {
			const cell = cellOf(ast.slot, preparation);
			return () => cell.value;
		}
		case "member":
			return prepareMember(ast, preparation);
		case "index":
			return prepareIndex(ast, preparation);
		case "unary":
			return prepareUnary(ast, preparation);
		case "binary":
			return prepareBinary(ast, preparation);
		case "logical":
			return prepareLogical(ast, preparation);
		case "choice":
			return prepareChoice(ast, preparation);
		case "text":
			return prepareText(ast, preparation);
		case "list":
			return prepareItems(ast.items, ast, preparation);
		case "map":
			return prepareMap(ast, preparation);
		case "method":
			return prepareMethod(ast, preparation);
		case "call":
			return prepareCall(ast, preparation);
	}
}

/* Names, members, operators */

function nameAt({ up, slot }: Slot): Evaluate {
	switch (up) {
		case 0:
			return (frame) => orNull(frame.values[slot]);
		case 1:
			return (frame) => orNull(frame.parent?.values[slot]);
		default:
			return (frame) => {
				let at: Frame | null = frame;
				for (let left = up; left > 0 && at !== null; left--) at = at.parent;
				return orNull(at?.values[slot]);
			};
	}
}

const { hasOwn } = Object;

function prepareMember(
	{ of: object, key }: Member,
	preparation: Preparation,
): Evaluate {
	const own =
		object.kind === "name" &&
		preparation.slots.memberSlotOf?.(object.name, key);
	if (own) return nameAt(own);
	const of = prepare(object, preparation);
	return (frame) => {
		const value = of(frame);
		// The commonest case of memberOf, written out; memberOf serves the others.
		if (typeof value !== "object" || value === null) {
			return typeof value === "string" ? memberOf(value, key) : null;
		}
		return hasOwn(value, key)
			? orNull((value as Record<string, unknown>)[key])
			: null;
	};
}

function prepareIndex(ast: Index, preparation: Preparation): Evaluate {
	const of = prepare(ast.of, preparation);
	const key = prepare(ast.key, preparation);
	const site = siteOf(ast, preparation);
	return (frame) => {
		const value = of(frame);
		return value === null ? null : elementOf(site, value, key(frame));
	};
}

function prepareUnary(ast: Unary, preparation: Preparation): Evaluate {
	const operand = prepare(ast.operand, preparation);
	if (ast.operator === "!") return (frame) => !operand(frame);
	const site = siteOf(ast, preparation);
	const minus = ast.operator === "-";
	return (frame) => {
		const value = operand(frame);
		if (typeof value === "number") return minus ? -value : value;
		if (typeof value === "bigint" && minus) return -value;
		const number = numberOf(site, value, site.nameOf(ast.operand));
		return minus ? -number : number;
	};
}

function prepareBinary(ast: Binary, preparation: Preparation): Evaluate {
	const left = prepare(ast.left, preparation);
	const right = prepare(ast.right, preparation);
	const site = siteOf(ast, preparation);
	const { operator } = ast;
	switch (operator) {
		case "===":
			return (frame) => isSame(site, left(frame), right(frame));
		case "!==":
			return (frame) => !isSame(site, left(frame), right(frame));
		case "<":
		case ">":
		case "<=":
		case ">=":
			return (frame) =>
				isOrdered(site, operator, left(frame), right(frame), ast);
		case "+":
			return (frame) => add(site, left(frame), right(frame), ast);
		case "-":
		case "*":
		case "/":
		case "%":
		case "**":
			return (frame) => compute(site, operator, left(frame), right(frame), ast);
	}
}

function prepareLogical(ast: Logical, preparation: Preparation): Evaluate {
	const left = prepare(ast.left, preparation);
	const right = prepare(ast.right, preparation);
	switch (ast.operator) {
		case "&&":
			return (frame) => left(frame) && right(frame);
		case "||":
			return (frame) => left(frame) || right(frame);
		case "??":
			return (frame) => left(frame) ?? right(frame);
	}
}

function prepareChoice(ast: Choice, preparation: Preparation): Evaluate {
	const test = prepare(ast.test, preparation);
	const yes = prepare(ast.yes, preparation);
	const no = prepare(ast.no, preparation);
	return (frame) => (test(frame) ? yes(frame) : no(frame));
}
