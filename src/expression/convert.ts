import type {
	AnyNode,
	ArrowFunctionExpression,
	BinaryExpression,
	CallExpression,
	MemberExpression,
	Property,
	Expression as Source,
	SpreadElement,
	Super,
	TemplateLiteral,
} from "acorn";
import type {
	Argument,
	Arrow,
	Ast,
	BinaryOperator,
	Fault,
	Local,
	MapEntry,
	Read,
	Span,
	Spread,
	UnaryOperator,
} from "./ast.ts";
import {
	type Conversion,
	chainMax,
	keyOf,
	literal,
	nestingMax,
	refuse,
	spanOf,
	unwrapped,
} from "./conversion.ts";
import {
	constants,
	functions,
	languageWords,
	methods,
	namespaces,
	type Signature,
} from "./language.ts";
import { openScope } from "./parameters.ts";
import {
	operatorRefusal,
	refusalOf,
	unknownFunction,
	unknownMethod,
	wordAsValue,
	wrongCount,
} from "./refusal.ts";

/**
 * Makes the parser's tree of one expression into ours, checking every node. All faults are collected; the tree is
 * meaningless when there are any.
 */
export function convert(
	source: Source,
	text: string,
): { ast: Ast; reads: Read[]; faults: Fault[] } {
	const conversion: Conversion = {
		text,
		faults: [],
		reads: [],
		nested: (node) => nested(node, conversion),
		scope: null,
		slots: 0,
		nesting: 0,
		links: 0,
	};
	const ast = nested(source, conversion);
	conversion.reads.sort((a, b) => a.offset - b.offset);
	return { ast, reads: conversion.reads, faults: conversion.faults };
}

/** Converts a node one level deeper. */
function nested(node: Source | Super, conversion: Conversion): Ast {
	conversion.nesting++;
	const ast =
		conversion.nesting > nestingMax
			? refuse(
					conversion,
					node.start,
					`nested deeper than ${nestingMax} levels: give a part a step of its own (\`value: \${…}\`)`,
				)
			: linked(node, conversion);
	conversion.nesting--;
	return ast;
}

/**
 * Converts the next link of a chain (`a + b + c`, `a.b.c`, `a ? b : c ? d : e`), which reads as one level however long
 * it is. `path` is the members that follow the node.
 */
function linked(
	node: Source | Super,
	conversion: Conversion,
	path: readonly string[] = [],
): Ast {
	conversion.links++;
	const ast =
		conversion.links > chainMax + conversion.nesting
			? refuse(
					conversion,
					node.start,
					`a chain of more than ${chainMax} parts: give a part a step of its own (\`value: \${…}\`)`,
				)
			: converted(node, conversion, path);
	conversion.links--;
	return ast;
}

function converted(
	node: Source | Super,
	conversion: Conversion,
	path: readonly string[],
): Ast {
	const span = spanOf(node);
	switch (node.type) {
		case "ParenthesizedExpression":
			return path.length > 0
				? linked(node.expression, conversion, path)
				: nested(node.expression, conversion);
		case "ChainExpression":
			return converted(node.expression, conversion, path);
		case "Literal":
			return literal(node, conversion);
		case "Identifier":
			return named(node, conversion, path);
		case "MemberExpression":
			return member(node, conversion, path);
		case "CallExpression":
			return call(node, conversion);
		case "UnaryExpression": {
			const operand = nested(node.argument, conversion);
			const { operator } = node;
			return isUnary(operator)
				? { kind: "unary", ...span, operator, operand }
				: refuse(conversion, node.start, operatorRefusal(operator));
		}
		case "BinaryExpression":
			return binary(node, conversion);
		case "LogicalExpression":
			return {
				kind: "logical",
				...span,
				operator: node.operator,
				left: linked(node.left, conversion),
				right: nested(node.right, conversion),
			};
		case "ConditionalExpression":
			return {
				kind: "choice",
				...span,
				test: nested(node.test, conversion),
				yes: nested(node.consequent, conversion),
				no: linked(node.alternate, conversion),
			};
		case "TemplateLiteral":
			return {
				kind: "text",
				...span,
				parts: textParts(node, conversion),
			};
		case "ArrayExpression":
			return {
				kind: "list",
				...span,
				items: node.elements.map((item) =>
					item === null
						? refuse(
								conversion,
								node.start,
								"a list has no holes: write `null` between the commas",
							)
						: spreadOr(item, conversion),
				),
			};
		case "ObjectExpression":
			return {
				kind: "map",
				...span,
				entries: node.properties.map((property) =>
					property.type === "SpreadElement"
						? spread(property, conversion)
						: entry(property, conversion),
				),
			};
		default:
			return refuse(
				conversion,
				refusedAt(node, conversion.text),
				refusalOf(node.type),
			);
	}
}

/** The place that shows best what is wrong: an operator rather than the operand before it. */
function refusedAt(node: Source | Super, text: string): number {
	switch (node.type) {
		case "AssignmentExpression":
			return text.indexOf(node.operator, node.left.end);
		case "SequenceExpression":
			return text.indexOf(",", node.expressions[0]?.end);
		case "TaggedTemplateExpression":
			return node.quasi.start;
		case "UpdateExpression":
			return node.prefix ? node.start : node.argument.end;
		default:
			return node.start;
	}
}

function isUnary(operator: string): operator is UnaryOperator {
	return operator === "!" || operator === "-" || operator === "+";
}

const binaryOperators: ReadonlySet<string> = new Set(
	"+ - * / % ** < > <= >= === !==".split(" "),
);

function isBinary(operator: string): operator is BinaryOperator {
	return binaryOperators.has(operator);
}

function binary(node: BinaryExpression, conversion: Conversion): Ast {
	const { operator } = node;
	if (node.left.type === "PrivateIdentifier") {
		return refuse(conversion, node.start, refusalOf(node.left.type));
	}
	const left = linked(node.left, conversion);
	const right = nested(node.right, conversion);
	if (isBinary(operator)) {
		return { kind: "binary", ...spanOf(node), operator, left, right };
	}
	const at = conversion.text.indexOf(operator, node.left.end);
	return refuse(conversion, at, operatorRefusal(operator));
}

function textParts(
	node: TemplateLiteral,
	conversion: Conversion,
): (string | Ast)[] {
	const parts: (string | Ast)[] = [];
	for (const [index, quasi] of node.quasis.entries()) {
		const text = quasi.value.cooked ?? "";
		if (text !== "") parts.push(text);
		const hole = node.expressions[index];
		if (hole) parts.push(nested(hole, conversion));
	}
	return parts;
}

function spreadOr(
	node: Source | SpreadElement,
	conversion: Conversion,
): Ast | Spread {
	return node.type === "SpreadElement"
		? spread(node, conversion)
		: nested(node, conversion);
}

function spread(node: SpreadElement, conversion: Conversion): Spread {
	return {
		kind: "spread",
		...spanOf(node),
		of: nested(node.argument, conversion),
	};
}

function entry(property: Property, conversion: Conversion): MapEntry {
	const span = spanOf(property);
	if (property.kind !== "init" || property.method) {
		refuse(
			conversion,
			property.start,
			"an object holds values only: write `name: value`",
		);
		return { kind: "entry", ...span, key: "", value: emptyText(span) };
	}
	const key = keyOf(property, conversion);
	if (key === "__proto__") {
		refuse(
			conversion,
			property.key.start,
			"`__proto__` cannot be written: choose another name",
		);
	}
	const value = nested(property.value, conversion);
	return { kind: "entry", ...span, key, value };
}

function emptyText(span: Span): Ast {
	return { kind: "literal", ...span, value: "" };
}

/* Names and members */

function named(
	node: { name: string; start: number; end: number },
	conversion: Conversion,
	path: readonly string[],
): Ast {
	const { name } = node;
	for (let scope = conversion.scope; scope !== null; scope = scope.outer) {
		if (scope.ahead.has(name)) {
			return refuse(
				conversion,
				node.start,
				`\`${name}\` has no value yet: it is a later parameter of the same arrow`,
			);
		}
		const local = scope.locals.get(name);
		if (local) return { kind: "local", ...spanOf(node), ...local };
	}
	if (languageWords.has(name)) {
		return refuse(conversion, node.start, wordAsValue(name));
	}
	conversion.reads.push({ name, path, offset: node.start });
	return { kind: "name", ...spanOf(node), name };
}

function member(
	node: MemberExpression,
	conversion: Conversion,
	path: readonly string[],
): Ast {
	const key = staticKey(node);
	const namespace = namespaceOf(node.object);
	if (namespace !== null) {
		return constant(node, namespace, key, conversion);
	}
	if (key !== null) {
		const of = linked(node.object, conversion, [key, ...path]);
		return { kind: "member", ...spanOf(node), of, key };
	}
	const of = linked(node.object, conversion);
	if (node.property.type === "PrivateIdentifier") {
		return refuse(
			conversion,
			node.property.start,
			"there are no private names: remove the `#`",
		);
	}
	const index = nested(node.property, conversion);
	return { kind: "index", ...spanOf(node), of, key: index };
}

/** `name` of `o.name` and of `o['name']`; null where the key is computed. */
function staticKey(node: MemberExpression): string | null {
	const property = unwrapped(node.property);
	if (!node.computed && property.type === "Identifier") return property.name;
	const isText =
		property.type === "Literal" && typeof property.value === "string";
	return isText ? String(property.value) : null;
}

/** `Math` of `Math.max`; also `Number` of `Number.isInteger`, which only a message is about. */
function namespaceOf(object: Source | Super): string | null {
	const node = unwrapped(object);
	if (node.type !== "Identifier") return null;
	return namespaces.has(node.name) || functions.has(node.name)
		? node.name
		: null;
}

function constant(
	node: MemberExpression,
	namespace: string,
	key: string | null,
	conversion: Conversion,
): Ast {
	const name = `${namespace}.${key}`;
	const value = key === null ? undefined : constants.get(name);
	if (value !== undefined) return { kind: "literal", ...spanOf(node), value };
	if (functions.has(name)) {
		return refuse(conversion, node.start, wordAsValue(name));
	}
	return refuse(
		conversion,
		node.start,
		key === null ? wordAsValue(namespace) : unknownFunction(name),
	);
}

/* Calls */

function call(node: CallExpression, conversion: Conversion): Ast {
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
	return { kind: "call", ...spanOf(node), name, args };
}

function callMethod(
	node: CallExpression,
	callee: MemberExpression,
	name: string,
	conversion: Conversion,
): Ast {
	const of = linked(callee.object, conversion);
	const signature = methods.get(name);
	if (!signature) {
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

/* Arrow functions */

/** An arrow, or the bare name of a function of one value, `list.map(String)`, which reads as `x => String(x)`. */
function arrowArgument(
	argument: Source | SpreadElement,
	name: string,
	conversion: Conversion,
): Argument {
	const node = unwrapped(argument);
	if (node.type === "ArrowFunctionExpression") return arrow(node, conversion);
	const byName = combinesTwo.has(name) ? null : namedFunction(node);
	if (byName !== null) return callOf(byName, node, conversion);
	return refuse(
		conversion,
		node.start,
		`\`${name}\` takes an arrow function here: write \`x => …\``,
	);
}

/** Methods whose arrow makes one of two values: a function of one is never meant there. */
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

function callOf(name: string, node: AnyNode, conversion: Conversion): Arrow {
	const span = spanOf(node);
	const local: Local = { name: "value", slot: conversion.slots++ };
	return {
		kind: "arrow",
		...span,
		parameters: [{ pattern: { kind: "bind", ...local }, otherwise: null }],
		rest: null,
		body: {
			kind: "call",
			...span,
			name,
			args: [{ kind: "local", ...span, ...local }],
		},
	};
}

function arrow(node: ArrowFunctionExpression, conversion: Conversion): Arrow {
	const { scope: outer } = conversion;
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
			: nested(node.body, conversion);
	conversion.scope = outer;
	return { kind: "arrow", ...spanOf(node), parameters, rest, body };
}
