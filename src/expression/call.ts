import type { Argument, Arrow, FunctionCall, MethodCall } from "./ast.ts";
import { bindPattern, bindTarget } from "./bind.ts";
import { prepareItems } from "./construct.ts";
import { functionRuns, mathRun } from "./functions.ts";
import {
	functions,
	type ListMethod,
	type MathFunction,
	methods,
	type NumberMethod,
	type OtherFunction,
	type TextMethod,
} from "./language.ts";
import { type Callback, listRuns, numberRuns } from "./list-methods.ts";
import { type Evaluate, type Preparation, siteOf } from "./preparation.ts";
import { type Run, textRuns } from "./text-methods.ts";
import { asNumber, kindOf, orNull } from "./values.ts";

const absent: Evaluate = () => undefined;

function prepareArguments(
	ast: MethodCall | FunctionCall,
	most: number,
	preparation: Preparation,
): Evaluate[] {
	if (most === Infinity) {
		const items = ast.args.filter((argument) => argument.kind !== "arrow");
		return [prepareItems(items, ast, preparation)];
	}
	return ast.args.map((argument) => prepareArgument(argument, preparation));
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
			return preparation.prepare(argument.of);
		default:
			return preparation.prepare(argument);
	}
}

/** A call of a method. The value's type decides whose. */
export function prepareMethod(
	ast: MethodCall,
	preparation: Preparation,
): Evaluate {
	const of = preparation.prepare(ast.of);
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
		const number = asNumber(value);
		if (typeof number === "number") {
			return onNumber(site, number, a(frame), b(frame));
		}
		return onOther(site, value, a(frame), b(frame));
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

/** A call of one of the language's functions. */
export function prepareCall(
	ast: FunctionCall,
	preparation: Preparation,
): Evaluate {
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

/**
 * An arrow as the methods call it. Each call counts all nodes of its body, also those of a branch that is not taken.
 */
function prepareArrow(arrow: Arrow, preparation: Preparation): Callback {
	const before = preparation.nodes;
	const site = siteOf(arrow, preparation);
	const binders = arrow.parameters.map((target) =>
		bindTarget(target, preparation),
	);
	const rest = arrow.rest && bindPattern(arrow.rest, preparation);
	const body = preparation.prepare(arrow.body);
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
		site.charge(nodes + 2 * values.length);
		for (let index = 0; index < binders.length; index++) {
			binders[index]?.(current.frame, orNull(values[index]));
		}
		rest?.(current.frame, values.slice(binders.length));
		return body(current.frame);
	};
}
