import type {
	AnyNode,
	MemberExpression,
	Expression as Source,
	Literal as SourceLiteral,
	SpreadElement,
	Super,
} from "acorn";
import type { Ast, Fault, Literal, Local, Read, Span, Spread } from "./ast.ts";
import { functions, namespaces } from "./language.ts";
import { refusalOf } from "./refusal.ts";

/** How deep an expression may nest, and how long a chain of operators or members may be. */
export const nestingMax = 64;
export const chainMax = 256;

/** The state of converting one expression. */
export interface Conversion {
	readonly text: string;
	readonly faults: Fault[];
	readonly reads: Read[];
	/** Converts a node one level deeper. */
	readonly nested: (node: Source | Super) => Ast;
	/** Converts the next link of a chain, which does not count as deeper. */
	readonly linked: (node: Source | Super) => Ast;
	bindings: Bindings | null;
	slots: number;
	nesting: number;
	links: number;
}

/** The names that one arrow binds. Parameters are read from left to right, so names still `ahead` have no value yet. */
export interface Bindings {
	readonly locals: Map<string, Local>;
	readonly ahead: Set<string>;
	readonly outer: Bindings | null;
}

/** Stands for a node that was refused. */
export function refuse(
	conversion: Conversion,
	offset: number,
	message: string,
): Literal {
	conversion.faults.push({ offset, message });
	return { kind: "literal", at: offset, end: offset, value: null };
}

export function spanOf(node: { start: number; end: number }): Span {
	return { at: node.start, end: node.end };
}

/** The node inside parentheses. */
export function unwrapped<Node extends AnyNode>(node: Node): Source | Node {
	let inner: Source | Node = node;
	while (inner.type === "ParenthesizedExpression") inner = inner.expression;
	return inner;
}

/** A number, text, boolean or null as it is written. */
export function literal(node: SourceLiteral, conversion: Conversion): Literal {
	const { value, raw = "" } = node;
	if (node.regex) {
		return refuse(
			conversion,
			node.start,
			"there are no regular expressions: use `.includes`, `.startsWith`, `.split`, …",
		);
	}
	if (typeof value === "bigint") {
		return refuse(
			conversion,
			node.start,
			"a number is written without `n`; integers too large for one keep their digits by themselves",
		);
	}
	if (typeof value === "number" && !isExact(value, raw)) {
		return refuse(
			conversion,
			node.start,
			"a number of this size would lose digits: write it as a text, in quotes",
		);
	}
	if (
		value === null ||
		typeof value === "string" ||
		typeof value === "number" ||
		typeof value === "boolean"
	) {
		return { kind: "literal", ...spanOf(node), value };
	}
	return refuse(conversion, node.start, refusalOf(node.type));
}

/**
 * Whether a number prints as it was written. Fractions may round, as everywhere, but an integer must keep its digits.
 */
function isExact(value: number, raw: string): boolean {
	if (!Number.isFinite(value)) return false;
	const digits = raw.replaceAll("_", "");
	const integer = /^(?:\d+|0[xob][\da-f]+)$/i.test(digits);
	return !integer || String(BigInt(digits)) === String(value);
}

/** The key of an object's entry or of a pattern's field: an expression if it stands in brackets. */
export function keyOf(
	property: { key: Source; computed: boolean },
	conversion: Conversion,
): string | Ast {
	const { key } = property;
	if (property.computed) return conversion.nested(key);
	if (key.type === "Identifier") return key.name;
	return String(literal(key as SourceLiteral, conversion).value);
}

export function spreadOr(
	node: Source | SpreadElement,
	conversion: Conversion,
): Ast | Spread {
	return node.type === "SpreadElement"
		? spread(node, conversion)
		: conversion.nested(node);
}

export function spread(node: SpreadElement, conversion: Conversion): Spread {
	return {
		kind: "spread",
		...spanOf(node),
		of: conversion.nested(node.argument),
	};
}

/** `name` of `o.name` and of `o['name']`; null if the key is computed. */
export function staticKey(node: MemberExpression): string | null {
	const property = unwrapped(node.property);
	if (!node.computed && property.type === "Identifier") return property.name;
	const isText =
		property.type === "Literal" && typeof property.value === "string";
	return isText ? String(property.value) : null;
}

/** `Math` of `Math.max`. Also `Number` of `Number.isInteger`, which only messages need. */
export function namespaceOf(object: Source | Super): string | null {
	const node = unwrapped(object);
	if (node.type !== "Identifier") return null;
	return namespaces.has(node.name) || functions.has(node.name)
		? node.name
		: null;
}
