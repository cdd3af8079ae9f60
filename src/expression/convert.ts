import type {
	BinaryExpression,
	MemberExpression,
	Property,
	Expression as Source,
	Super,
	TemplateLiteral,
} from "acorn";
import type {
	Ast,
	BinaryOperator,
	Fault,
	MapEntry,
	Read,
	Span,
	UnaryOperator,
} from "./ast.ts";
import {
	type Conversion,
	chainMax,
	keyOf,
	literal,
	namespaceOf,
	nestingMax,
	refuse,
	spanOf,
	spread,
	spreadOr,
	staticKey,
} from "./conversion.ts";
import { call } from "./convert-call.ts";
import { constants, functions, languageWords } from "./language.ts";
import {
	noGlobal,
	operatorRefusal,
	refusalOf,
	unknownFunction,
	wordAsValue,
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
		linked: (node) => linked(node, conversion),
		bindings: null,
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
 * Converts the next link of a chain (`a + b + c`, `a.b.c`, `a ? b : c ? d : e`). A chain counts as one level, however
 * long it is. `path` holds the members that follow the node.
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
				refusalOfNew(node) ?? refusalOf(node.type),
			);
	}
}

/** The message for `new Date()` and the like; null for other nodes. */
function refusalOfNew(node: Source | Super): string | null {
	return node.type === "NewExpression" && node.callee.type === "Identifier"
		? noGlobal(node.callee.name)
		: null;
}

/** The position that best shows the fault: an operator rather than the operand before it. */
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
	for (
		let bindings = conversion.bindings;
		bindings !== null;
		bindings = bindings.outer
	) {
		if (bindings.ahead.has(name)) {
			return refuse(
				conversion,
				node.start,
				`\`${name}\` has no value yet: it is a later parameter of the same arrow`,
			);
		}
		const local = bindings.locals.get(name);
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
