import { parseExpressionAt, type Expression as Source } from "acorn";
import type { Expression, Fault } from "./ast.ts";
import { nestingMax } from "./conversion.ts";
import { convert } from "./convert.ts";
import { syntaxRefusal } from "./refusal.ts";

export type { Ast, Expression, Fault, Read } from "./ast.ts";
export { languageWords } from "./language.ts";
export { noGlobal } from "./refusal.ts";

/**
 * A text with holes. A single hole with only white space around it is "whole" and keeps its value's type. In "mixed"
 * the values become text.
 */
export type TextTemplate =
	| { readonly kind: "literal"; readonly text: string }
	| { readonly kind: "whole"; readonly expression: Expression }
	| {
			readonly kind: "mixed";
			readonly parts: readonly (string | Expression)[];
	  };

/**
 * Reads a text of a config: `${…}` is a hole, `$${` a literal `${`. All offsets, also those in the expressions' trees,
 * count from the start of `text`. A text with faults gives no template.
 */
export function parseText(text: string): {
	template: TextTemplate | null;
	faults: Fault[];
} {
	const parts: (string | Expression)[] = [];
	const faults: Fault[] = [];
	let plain = "";
	let from = 0;
	for (;;) {
		const opening = text.indexOf("${", from);
		if (opening < 0) break;
		if (opening > from && text[opening - 1] === "$") {
			plain += `${text.slice(from, opening - 1)}\${`;
			from = opening + 2;
			continue;
		}
		plain += text.slice(from, opening);
		const hole = parseHole(text, opening);
		faults.push(...hole.faults);
		if (hole.expression) {
			if (plain !== "") parts.push(plain);
			parts.push(hole.expression);
			plain = "";
		}
		// If a hole does not parse, its end is unknown, so the rest of the text is not read.
		if (hole.end === null) return { template: null, faults };
		from = hole.end;
	}
	plain += text.slice(from);
	if (plain !== "") parts.push(plain);
	if (faults.length > 0) return { template: null, faults };
	return { template: Object.freeze(templateOf(parts)), faults };
}

function templateOf(parts: (string | Expression)[]): TextTemplate {
	const holes = parts.filter((part) => typeof part !== "string");
	const [only] = holes;
	if (!only) return { kind: "literal", text: parts.join("") };
	const bare = parts.every(
		(part) => typeof part !== "string" || part.trim() === "",
	);
	return bare && holes.length === 1
		? { kind: "whole", expression: only }
		: { kind: "mixed", parts: Object.freeze(parts) };
}

/** Reads the hole that opens at `opening`; `end` is behind its `}`, or null if there is none. */
function parseHole(
	text: string,
	opening: number,
): { expression: Expression | null; faults: Fault[]; end: number | null } {
	const read = parseAt(text, opening + 2);
	if (read.end === null) return { ...read, end: null };
	const closing = skipSpace(text, read.end);
	if (text[closing] === "}") return { ...read, end: closing + 1 };
	// The text that follows may be a comment, which is one of the faults already.
	if (read.faults.length > 0) return { ...read, end: null };
	const variable = /^\$\{(?:env:)?([A-Za-z_]\w*)(?::?-([^}]*))?\}/.exec(
		text.slice(opening),
	);
	const fault =
		text[closing] === ":" && variable !== null
			? {
					offset: closing,
					message: `write \`${variableOf(variable)}\` for a variable of the environment`,
				}
			: closing === text.length
				? { offset: opening, message: "this `${` has no `}`" }
				: {
						offset: closing,
						message: `the expression ends before this: only \`}\` can stand here, not \`${String.fromCodePoint(text.codePointAt(closing) ?? 0)}\``,
					};
	return { expression: null, faults: [fault], end: null };
}

/** The shell's `${NAME:-text}` in our words. */
function variableOf([, name, otherwise]: readonly string[]): string {
	return otherwise === undefined
		? `\${env.${name}}`
		: `\${env.${name} ?? '${otherwise}'}`;
}

/** Reads a text that is one expression, without `${` and `}`. A text with faults gives no expression. */
export function parseExpression(source: string): {
	expression: Expression | null;
	faults: Fault[];
} {
	const read = parseAt(source, 0);
	const rest = read.end === null ? source.length : skipSpace(source, read.end);
	if (rest === source.length || read.faults.length > 0) {
		return { expression: read.expression, faults: read.faults };
	}
	const fault = {
		offset: rest,
		message: "the expression ends before this: remove it",
	};
	return { expression: null, faults: [fault] };
}

function skipSpace(text: string, from: number): number {
	let at = from;
	while (at < text.length && /\s/.test(text.charAt(at))) at++;
	return at;
}

/** Reads one expression from `from` on. `end` is null if it does not parse. */
function parseAt(
	text: string,
	from: number,
): { expression: Expression | null; faults: Fault[]; end: number | null } {
	const comments: Fault[] = [];
	const read = readSource(text, from, comments);
	if ("offset" in read) {
		const faults = comments.length > 0 ? comments : [read];
		return { expression: null, faults, end: null };
	}
	const { ast, reads, faults } = convert(read, text);
	const all = [...comments, ...faults].sort((a, b) => a.offset - b.offset);
	if (all.length > 0) return { expression: null, faults: all, end: read.end };
	const source = text.slice(ast.at, ast.end);
	const expression = deepFreeze({ source, ast, reads });
	return { expression, faults: [], end: read.end };
}

function readSource(
	text: string,
	from: number,
	comments: Fault[],
): Source | Fault {
	try {
		return parseExpressionAt(text, from, {
			ecmaVersion: 2025,
			sourceType: "module",
			allowHashBang: false,
			preserveParens: true,
			onComment: (_block, _text, offset) =>
				comments.push({
					offset,
					message: "there are no comments in an expression: remove it",
				}),
		});
	} catch (error) {
		return faultOf(error, text, from);
	}
}

function faultOf(error: unknown, text: string, from: number): Fault {
	if (error instanceof RangeError) {
		return {
			offset: from,
			message: `nested deeper than ${nestingMax} levels: give a part a step of its own (\`value: \${…}\`)`,
		};
	}
	if (!(error instanceof SyntaxError)) throw error;
	const { pos = from } = error as SyntaxError & { pos?: number };
	// The parser points behind the slash that opens a regular expression.
	const inside = /regular expression/.test(error.message);
	const offset = inside ? text.lastIndexOf("/", pos - 1) : pos;
	return { offset, message: syntaxRefusal(error.message, text, offset) };
}

function deepFreeze<Value>(value: Value): Value {
	if (typeof value === "object" && value !== null) {
		for (const part of Object.values(value)) deepFreeze<unknown>(part);
		Object.freeze(value);
	}
	return value;
}
