import type {
	ArrayPattern,
	ObjectPattern,
	Pattern as SourcePattern,
} from "acorn";
import type { Field, Local, Pattern, PatternPart } from "./ast.ts";
import {
	type Conversion,
	keyOf,
	nestingMax,
	refuse,
	spanOf,
} from "./conversion.ts";
import { languageWords } from "./language.ts";

/** Makes the parameters of an arrow visible from here on. The caller removes them again. */
export function openScope(
	sources: readonly SourcePattern[],
	conversion: Conversion,
): { parameters: PatternPart[]; rest: Pattern | null } {
	conversion.bindings = {
		locals: new Map(),
		ahead: new Set(sources.flatMap(boundNames)),
		outer: conversion.bindings,
	};
	const parameters: PatternPart[] = [];
	let rest: Pattern | null = null;
	for (const source of sources) {
		if (source.type === "RestElement") {
			rest = pattern(source.argument, conversion);
		} else {
			parameters.push(target(source, conversion));
		}
	}
	return { parameters, rest };
}

function boundNames(node: SourcePattern): string[] {
	switch (node.type) {
		case "Identifier":
			return [node.name];
		case "AssignmentPattern":
			return boundNames(node.left);
		case "RestElement":
			return boundNames(node.argument);
		case "ArrayPattern":
			return node.elements.flatMap((item) => (item ? boundNames(item) : []));
		case "ObjectPattern":
			return node.properties.flatMap((property) =>
				boundNames(
					property.type === "RestElement" ? property.argument : property.value,
				),
			);
		case "MemberExpression":
			return [];
	}
}

function target(node: SourcePattern, conversion: Conversion): PatternPart {
	if (node.type !== "AssignmentPattern") {
		return { pattern: pattern(node, conversion), otherwise: null };
	}
	const otherwise = conversion.nested(node.right);
	return { pattern: pattern(node.left, conversion), otherwise };
}

function pattern(node: SourcePattern, conversion: Conversion): Pattern {
	if (node.type === "Identifier") {
		return { kind: "bind", ...bind(node, conversion) };
	}
	conversion.nesting++;
	const made = parts(node, conversion);
	conversion.nesting--;
	return made;
}

function parts(node: SourcePattern, conversion: Conversion): Pattern {
	if (conversion.nesting > nestingMax) {
		refuse(
			conversion,
			node.start,
			`nested deeper than ${nestingMax} levels: take the parts one by one`,
		);
	} else if (node.type === "ObjectPattern") {
		return fields(node, conversion);
	} else if (node.type === "ArrayPattern") {
		return items(node, conversion);
	}
	// The parser has refused everything else among an arrow's parameters.
	return { kind: "items", ...spanOf(node), items: [], rest: null };
}

function bind(
	node: { name: string; start: number },
	conversion: Conversion,
): Local {
	const { name } = node;
	if (languageWords.has(name)) {
		refuse(
			conversion,
			node.start,
			`\`${name}\` is a word of the language: choose another name`,
		);
	}
	const local = { name, slot: conversion.slots++ };
	conversion.bindings?.locals.set(name, local);
	conversion.bindings?.ahead.delete(name);
	return local;
}

function fields(node: ObjectPattern, conversion: Conversion): Pattern {
	const made: Field[] = [];
	let rest: Local | null = null;
	for (const property of node.properties) {
		if (property.type !== "RestElement") {
			const key = keyOf(property, conversion);
			made.push({ key, target: target(property.value, conversion) });
		} else if (property.argument.type === "Identifier") {
			rest = bind(property.argument, conversion);
		}
	}
	return { kind: "fields", ...spanOf(node), fields: made, rest };
}

function items(node: ArrayPattern, conversion: Conversion): Pattern {
	const made: (PatternPart | null)[] = [];
	let rest: Pattern | null = null;
	for (const item of node.elements) {
		if (item?.type === "RestElement") rest = pattern(item.argument, conversion);
		else made.push(item && target(item, conversion));
	}
	return { kind: "items", ...spanOf(node), items: made, rest };
}
