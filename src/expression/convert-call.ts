import type {
	AnyNode,
	ArrowFunctionExpression,
	CallExpression,
	MemberExpression,
	Expression as Source,
	SpreadElement,
} from "acorn";
import type { Argument, Arrow, Ast, Local } from "./ast.ts";
import {
	type Conversion,
	namespaceOf,
	refuse,
	spanOf,
	spread,
	spreadOr,
	staticKey,
	unwrapped,
} from "./conversion.ts";
import { functions, methods, type Signature } from "./language.ts";
import { faultsOfLiterals } from "./literal-arguments.ts";
import { openScope } from "./parameters.ts";
import {
	noGlobal,
	unknownFunction,
	unknownMethod,
	wrongCount,
} from "./refusal.ts";

/** A call of a method or function, its arguments checked. */
export function call(node: CallExpression, conversion: Conversion): Ast {
	let callee = unwrapped(node.callee);
	while (callee.type === "ChainExpression") callee = callee.expression;
	if (callee.type === "Identifier") {
		return callFunction(node, callee.name, callee.start, conversion);
	}
	if (callee.type !== "MemberExpression") {
		return refuse(
			conversion,
			node.start,
			"only methods and the language's own functions can be called",
		);
	}
	const key = callee.computed ? null : staticKey(callee);
	const namespace = namespaceOf(callee.object);
	if (key === null) {
		return refuse(
			conversion,
			callee.property.start,
			"a method is called by its name: write `.name(…)`",
		);
	}
	return namespace === null
		? callMethod(node, callee, key, conversion)
		: callFunction(node, `${namespace}.${key}`, callee.start, conversion);
}

function callFunction(
	node: CallExpression,
	name: string,
	offset: number,
	conversion: Conversion,
): Ast {
	const signature = functions.get(name);
	if (!signature) return refuse(conversion, offset, unknownFunction(name));
	const args = callArguments(node, name, signature, conversion);
	conversion.faults.push(...faultsOfLiterals(name, args));
	return callOf(name, args, node, conversion);
}

function callMethod(
	node: CallExpression,
	callee: MemberExpression,
	name: string,
	conversion: Conversion,
): Ast {
	const { faults } = conversion;
	const before = faults.length;
	const of = conversion.linked(callee.object);
	const signature = methods.get(name);
	if (!signature) {
		// A method of something that was refused is no fault of its own.
		if (faults.length > before) return of;
		const message = of.kind === "name" ? noGlobal(of.name) : null;
		if (message !== null) {
			return refuse(conversion, callee.object.start, message);
		}
		return refuse(conversion, callee.property.start, unknownMethod(name));
	}
	const args = callArguments(node, name, signature, conversion);
	return { kind: "method", ...spanOf(node), of, name, args };
}

function callArguments(
	node: CallExpression,
	name: string,
	signature: Signature,
	conversion: Conversion,
): Argument[] {
	const given = node.arguments;
	const { least, most } = signature;
	const spread = given.find(({ type }) => type === "SpreadElement");
	if (spread && most !== Infinity) {
		refuse(
			conversion,
			spread.start,
			`\`${name}\` takes its arguments one by one: write them out`,
		);
	} else if (!spread && (given.length < least || given.length > most)) {
		const wrong = given[most] ?? node;
		const at = given.length > most ? wrong.start : node.end - 1;
		refuse(conversion, at, wrongCount(name, signature, given.length));
	}
	return given.map((argument, index) =>
		index === signature.arrow?.at
			? arrowArgument(argument, name, conversion)
			: spreadOr(argument, conversion),
	);
}

/** An arrow, or the bare name of a function of one value, `list.map(String)`, which reads as `x => String(x)`. */
function arrowArgument(
	argument: Source | SpreadElement,
	name: string,
	conversion: Conversion,
): Argument {
	if (argument.type === "SpreadElement") return spread(argument, conversion);
	const node = unwrapped(argument);
	if (node.type === "ArrowFunctionExpression") return arrow(node, conversion);
	const byName = combinesTwo.has(name) ? null : namedFunction(node);
	if (byName !== null) return arrowOf(byName, node, conversion);
	return refuse(
		conversion,
		node.start,
		`\`${name}\` takes an arrow function here: write \`x => …\``,
	);
}

/** Methods whose arrow makes one value of two. A function of one value is never meant there. */
const combinesTwo: ReadonlySet<string> = new Set(["reduce", "toSorted"]);

function namedFunction(node: AnyNode): string | null {
	const name =
		node.type === "Identifier"
			? node.name
			: node.type === "MemberExpression" && !node.computed
				? `${namespaceOf(node.object)}.${staticKey(node)}`
				: "";
	const signature = functions.get(name);
	const ofOne = signature?.least === 1 && signature.most === 1;
	return ofOne && !signature.arrow ? name : null;
}

/** A call with the arguments that are written, and those that go without saying. */
function callOf(
	name: string,
	args: Argument[],
	node: AnyNode,
	conversion: Conversion,
): Ast {
	const span = spanOf(node);
	if (name !== "uuid") return { kind: "call", ...span, name, args };
	conversion.reads.push({ name: "request", path: ["id"], offset: span.at });
	const of: Ast = { kind: "name", ...span, name: "request" };
	const id: Ast = { kind: "member", ...span, of, key: "id" };
	return { kind: "call", ...span, name, args: [...args, id] };
}

function arrowOf(name: string, node: AnyNode, conversion: Conversion): Arrow {
	const span = spanOf(node);
	const local: Local = { name: "value", slot: conversion.slots++ };
	return {
		kind: "arrow",
		...span,
		parameters: [{ pattern: { kind: "bind", ...local }, otherwise: null }],
		rest: null,
		body: callOf(
			name,
			[{ kind: "local", ...span, ...local }],
			node,
			conversion,
		),
	};
}

function arrow(node: ArrowFunctionExpression, conversion: Conversion): Arrow {
	const { bindings: outer } = conversion;
	if (node.async) {
		refuse(conversion, node.start, "there is no `async`: remove the word");
	}
	const { parameters, rest } = openScope(node.params, conversion);
	const body =
		node.body.type === "BlockStatement"
			? refuse(
					conversion,
					node.body.start,
					"an arrow's body is one expression: write `x => x.name`, and `x => ({ … })` for an object",
				)
			: conversion.nested(node.body);
	conversion.bindings = outer;
	return { kind: "arrow", ...spanOf(node), parameters, rest, body };
}
