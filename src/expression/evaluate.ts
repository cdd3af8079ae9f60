import { GatewayError } from "../core/errors.ts";
import type {
	Argument,
	Arrow,
	Ast,
	Binary,
	Choice,
	Expression,
	FunctionCall,
	Index,
	Logical,
	MapLiteral,
	MethodCall,
	Span,
	Spread,
	Text,
	Unary,
} from "./ast.ts";
import {
	type BindingTools,
	bindPattern,
	bindTarget,
	type Cell,
} from "./bind.ts";
import { functionRuns, mathRun, spreadInto } from "./functions.ts";
import {
	functions,
	type ListMethod,
	type MathFunction,
	methods,
	type NumberMethod,
	type OtherFunction,
	type TextMethod,
} from "./language.ts";
import { append, type Callback, listRuns, numberRuns } from "./list-methods.ts";
import { add, compute, elementOf, isOrdered } from "./operators.ts";
import { isSame, itemsOf, nodesMax, Site, textOf, type Work } from "./site.ts";
import { joined, type Run, textRuns } from "./text-methods.ts";
import { kindOf, memberOf, orNull, setOwn } from "./values.ts";

/** Values by slot. What is not there yet, or has no value, reads as null. */
export interface Frame {
	readonly values: unknown[];
	readonly parent: Frame | null;
}

/** Where a name's value stands: so many frames up, in which slot. */
export interface Place {
	readonly up: number;
	readonly slot: number;
}

/**
 * Computes an expression's value. Never changes the data it reads, though the value may hold parts of it. Throws
 * GatewayError: `reference_missing` where null went where it cannot go, `step_failed` for all else.
 */
export type Evaluate = (frame: Frame) => unknown;

/**
 * Turns an expression into a closure. Names are looked up here, once. What the closure needs while it runs belongs to
 * it alone; it cannot be run inside itself, and nothing an expression can do would.
 */
export function prepareExpression(
	expression: Expression,
	placeOf: (name: string) => Place,
): Evaluate {
	const preparation: Preparation = {
		expression,
		placeOf,
		work: { left: nodesMax },
		current: { frame: noFrame },
		cells: [],
		nodes: 0,
		sites: 0,
	};
	const evaluate = prepare(expression.ast, preparation);
	// Without a site nothing can fail, and nothing counts but the source's own few nodes.
	return preparation.sites === 0 ? evaluate : bounded(evaluate, preparation);
}

interface Preparation {
	readonly expression: Expression;
	readonly placeOf: (name: string) => Place;
	readonly work: Work;
	/** The frame of the evaluation under way, for arrows: they are called by methods, which know no frames. */
	readonly current: { frame: Frame };
	/** The values of the arrows' parameters, by slot. One is enough for each, as no arrow runs inside itself. */
	readonly cells: Cell[];
	/** Nodes prepared so far, those within arrows not counted. */
	nodes: number;
	sites: number;
}

const noFrame: Frame = { values: [], parent: null };

function bounded(evaluate: Evaluate, preparation: Preparation): Evaluate {
	const { work, current, cells, expression } = preparation;
	return (frame) => {
		work.left = nodesMax;
		current.frame = frame;
		try {
			return evaluate(frame);
		} catch (error) {
			if (error instanceof GatewayError) throw error;
			// Nothing here throws by design, but the engine's stack and memory have ends of their own.
			throw new GatewayError("step_failed", `\`${expression.source}\` failed`, {
				cause: error,
			});
		} finally {
			current.frame = noFrame;
			for (const cell of cells) cell.value = null;
		}
	};
}

function siteOf(span: Span, preparation: Preparation): Site {
	preparation.sites++;
	return new Site(preparation.work, preparation.expression, span);
}

function prepare(ast: Ast, preparation: Preparation): Evaluate {
	preparation.nodes++;
	switch (ast.kind) {
		case "literal": {
			const { value } = ast;
			return () => value;
		}
		case "name":
			return nameAt(preparation.placeOf(ast.name));
		case "local": {
			const cell = cellOf(ast.slot, preparation);
			return () => cell.value;
		}
		case "member":
			return prepareMember(prepare(ast.of, preparation), ast.key);
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

function nameAt({ up, slot }: Place): Evaluate {
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

function cellOf(slot: number, { cells }: Preparation): Cell {
	while (cells.length <= slot) cells.push({ value: null });
	return cells[slot] as Cell;
}

const { hasOwn } = Object;

function prepareMember(of: Evaluate, key: string): Evaluate {
	return (frame) => {
		const value = of(frame);
		// The commonest case of memberOf, which is for the others.
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
		return site.wrong(value, site.nameOf(ast.operand), "a number");
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

/* Texts, lists, maps */

function prepareText(ast: Text, preparation: Preparation): Evaluate {
	const site = siteOf(ast, preparation);
	const parts = ast.parts.map((part) =>
		typeof part === "string"
			? part
			: { evaluate: prepare(part, preparation), name: site.nameOf(part) },
	);
	return (frame) => {
		let text = "";
		for (const part of parts) {
			const piece =
				typeof part === "string"
					? part
					: textOf(site, part.evaluate(frame), part.name);
			text = joined(site, text, piece);
		}
		return text;
	};
}

function prepareItems(
	items: readonly Argument[],
	span: Span,
	preparation: Preparation,
): (frame: Frame) => unknown[] {
	const plain = items.filter((item) => item.kind !== "spread");
	const prepared = plain.map((item) => prepareArgument(item, preparation));
	if (plain.length === items.length) {
		return (frame) => {
			const made: unknown[] = [];
			for (const evaluate of prepared) made.push(evaluate(frame));
			return made;
		};
	}
	const site = siteOf(span, preparation);
	const next = prepared[Symbol.iterator]();
	const steps = items.map((item) =>
		item.kind === "spread"
			? prepareSpread(item, site, preparation)
			: prepareAppend(next.next().value as Evaluate, site),
	);
	return (frame) => {
		const made: unknown[] = [];
		for (const step of steps) step(frame, made);
		return made;
	};
}

type Extend = (frame: Frame, made: unknown[]) => void;

function prepareAppend(evaluate: Evaluate, site: Site): Extend {
	return (frame, made) => {
		site.checkList(made.length + 1);
		made.push(evaluate(frame));
	};
}

function prepareSpread(
	spread: Spread,
	site: Site,
	preparation: Preparation,
): Extend {
	const of = prepare(spread.of, preparation);
	return (frame, made) => {
		const value = of(frame);
		if (value === null) return;
		append(site, made, itemsOf(site, value, spread));
	};
}

function prepareMap(ast: MapLiteral, preparation: Preparation): Evaluate {
	const keys: string[] = [];
	const values: Evaluate[] = [];
	for (const entry of ast.entries) {
		if (entry.kind === "spread" || typeof entry.key !== "string") {
			return prepareOpenMap(ast, preparation);
		}
		keys.push(entry.key);
		values.push(prepare(entry.value, preparation));
	}
	return (frame) => {
		const made: Record<string, unknown> = {};
		for (let index = 0; index < keys.length; index++) {
			made[keys[index] as string] = values[index]?.(frame);
		}
		return made;
	};
}

/** A map whose keys the data decides. */
function prepareOpenMap(ast: MapLiteral, preparation: Preparation): Evaluate {
	const steps = ast.entries.map((entry) => {
		const site = siteOf(entry, preparation);
		if (entry.kind === "spread") {
			const of = prepare(entry.of, preparation);
			return (frame: Frame, made: Record<string, unknown>) =>
				spreadInto(site, made, of(frame));
		}
		const value = prepare(entry.value, preparation);
		const { key } = entry;
		if (typeof key === "string") {
			return (frame: Frame, made: Record<string, unknown>) => {
				made[key] = value(frame);
			};
		}
		const keyOf = prepare(key, preparation);
		return (frame: Frame, made: Record<string, unknown>) => {
			const name = textOf(site, keyOf(frame), site.nameOf(key));
			site.chargeText(name.length);
			setOwn(made, name, value(frame));
		};
	});
	return (frame) => {
		const made: Record<string, unknown> = {};
		for (const step of steps) step(frame, made);
		return made;
	};
}

/* Methods, functions, arrows */

const absent: Evaluate = () => undefined;

function prepareArguments(
	ast: MethodCall | FunctionCall,
	most: number,
	preparation: Preparation,
): Evaluate[] {
	return most === Infinity
		? [prepareItems(ast.args, ast, preparation)]
		: ast.args.map((argument) => prepareArgument(argument, preparation));
}

function prepareArgument(
	argument: Argument,
	preparation: Preparation,
): Evaluate {
	switch (argument.kind) {
		case "arrow": {
			const callback = prepareArrow(argument, preparation);
			return () => callback;
		}
		case "spread":
			return prepare(argument.of, preparation);
		default:
			return prepare(argument, preparation);
	}
}

function prepareMethod(ast: MethodCall, preparation: Preparation): Evaluate {
	const of = prepare(ast.of, preparation);
	const most = methods.get(ast.name)?.most ?? 0;
	const [a = absent, b = absent] = prepareArguments(ast, most, preparation);
	const site = siteOf(ast, preparation);
	const onOther = hasNoMethod(ast);
	const onText = textRuns[ast.name as TextMethod] ?? onOther;
	const onList = listRuns[ast.name as ListMethod] ?? onOther;
	const onNumber = numberRuns[ast.name as NumberMethod] ?? onOther;
	return (frame) => {
		const value = of(frame);
		if (value === null) return null;
		if (typeof value === "string") {
			return onText(site, value, a(frame), b(frame));
		}
		if (Array.isArray(value)) return onList(site, value, a(frame), b(frame));
		if (typeof value === "number") {
			return onNumber(site, value, a(frame), b(frame));
		}
		return onOther(site, value, null, null);
	};
}

function hasNoMethod({ of, name }: MethodCall): Run<unknown> {
	const owners = [
		name in textRuns ? "texts" : [],
		name in listRuns ? "lists" : [],
		name in numberRuns ? "numbers" : [],
	].flat();
	return (site, value) =>
		site.fail(
			`${site.nameOf(of)} is ${kindOf(value)}, and only ${owners.join(" and ")} have \`${name}\``,
		);
}

function prepareCall(ast: FunctionCall, preparation: Preparation): Evaluate {
	const { name } = ast;
	const most = functions.get(name)?.most ?? 0;
	const args = prepareArguments(ast, most, preparation);
	const [a = absent, b = absent, c = absent] = args;
	const site = siteOf(ast, preparation);
	const run = name.startsWith("Math.")
		? mathRun(name.slice("Math.".length) as MathFunction)
		: functionRuns[name as OtherFunction];
	if (args.length <= 1) {
		return (frame) => run(site, a(frame), undefined, undefined);
	}
	return (frame) => run(site, a(frame), b(frame), c(frame));
}

/** An arrow as the methods call it. Each call counts all nodes of its body, taken or not. */
function prepareArrow(arrow: Arrow, preparation: Preparation): Callback {
	const before = preparation.nodes;
	const tools: BindingTools = {
		prepare: (ast) => prepare(ast, preparation),
		siteOf: (span) => siteOf(span, preparation),
		cellOf: (slot) => cellOf(slot, preparation),
	};
	const site = siteOf(arrow, preparation);
	const binders = arrow.parameters.map((target) => bindTarget(target, tools));
	const rest = arrow.rest && bindPattern(arrow.rest, tools);
	const body = prepare(arrow.body, preparation);
	const nodes = preparation.nodes - before + arrow.parameters.length;
	preparation.nodes = before + 1;
	const { current } = preparation;
	const [first, second, third] = binders;
	if (first && !second && !rest) {
		return (value) => {
			site.charge(nodes);
			first(current.frame, orNull(value));
			return body(current.frame);
		};
	}
	if (first && second && !third && !rest) {
		return (value, next) => {
			site.charge(nodes);
			first(current.frame, orNull(value));
			second(current.frame, orNull(next));
			return body(current.frame);
		};
	}
	return (...values) => {
		site.charge(nodes);
		for (let index = 0; index < binders.length; index++) {
			binders[index]?.(current.frame, orNull(values[index]));
		}
		rest?.(current.frame, values.slice(binders.length));
		return body(current.frame);
	};
}
