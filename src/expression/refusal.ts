import type { AnyNode } from "acorn";
import { suggest } from "../core/suggest.ts";
import {
	constants,
	functions,
	insteadOfFunction,
	insteadOfGlobal,
	insteadOfMethod,
	listMethods,
	methods,
	namespaces,
	numberMethods,
	type Signature,
	textMethods,
} from "./language.ts";

/** The message for a construct of JavaScript that is not part of the language. */
const byType: Partial<Record<AnyNode["type"], string>> = {
	ArrowFunctionExpression:
		"an arrow function is not a value: it stands only as the argument of a method or function that takes one, as in `list.map(x => x.name)`",
	AssignmentExpression:
		"nothing can be assigned: give the value a step of its own (`value: ${…}`) and refer to it by name",
	AwaitExpression: "there is no `await`: a step that is named is waited for",
	ClassExpression: "there are no classes: write an object, `{ name: value }`",
	FunctionExpression: "there is no `function`: write an arrow, `x => x.name`",
	ImportExpression:
		"there is no `import`: code of your own is a step with `run:`",
	MetaProperty: "there is no `import.meta` and no `new.target`",
	NewExpression:
		"there is no `new`: write the value itself, `{ … }` or `[ … ]`",
	SequenceExpression:
		"there is no comma between expressions: write one expression",
	Super: "there is no `super`",
	TaggedTemplateExpression:
		"a template literal has no tag here: remove the word before the backtick",
	ThisExpression:
		"there is no `this`: name the value (`query.city`, a step, `answer`)",
	UpdateExpression: "nothing can be assigned: write `x + 1`",
	YieldExpression: "there is no `yield`",
};

/** The message for a construct, by its type. Every construct has one. */
export function refusalOf(type: AnyNode["type"]): string {
	return byType[type] ?? "this is not part of the language";
}

/** What to write instead of an operator that is not part of the language. */
export function operatorRefusal(operator: string): string {
	switch (operator) {
		case "==":
			return "`==` compares loosely: write `===`";
		case "!=":
			return "`!=` compares loosely: write `!==`";
		case "in":
			return "there is no `in`: write `o.name !== null`";
		case "instanceof":
			return "there is no `instanceof`: write `Array.isArray(x)` to tell a list";
		case "typeof":
			return "there is no `typeof`: write `Array.isArray(x)` to tell a list, `x === null` to tell null";
		case "void":
			return "there is no `void`: write `null`";
		case "delete":
			return "nothing can be deleted: write `omit(o, 'name')`";
		default:
			return `there is no bit operator \`${operator}\`: use \`Math\`, \`&&\` or \`||\``;
	}
}

/** The parser's messages, by how they begin, in words for the author of a config. */
const byMessage: readonly (readonly [begin: string, message: string])[] = [
	["Argument name clash", "two parameters of this arrow have the same name"],
	["Assigning to", refusalOf("AssignmentExpression")],
	["Bad escape sequence", "this is no escape sequence: write `\\\\` for `\\`"],
	["Binding", "this name is a word of the language: choose another"],
	["Cannot use", "this is not part of the language"],
	["Code point out of bounds", "there is no such character"],
	["Deleting", operatorRefusal("delete")],
	["Identifier directly after number", "a letter stands right after a number"],
	[
		"Invalid regular expression",
		"there are no regular expressions: use `.includes`, `.startsWith`, `.split`, …",
	],
	["Invalid number", "this is no number: write `8`, `0.5` or `1e3`"],
	[
		"Logical expressions and coalesce",
		"`??` beside `||` or `&&` is ambiguous: write parentheses, `(a ?? b) || c`",
	],
	["Optional chaining cannot", "`?.` cannot stand here"],
	["Private field", "there are no private names: remove the `#`"],
	[
		"Redefinition of __proto__",
		"`__proto__` cannot be written: choose another name",
	],
	[
		"Shorthand property assignments",
		"write `:` between a name and its value, not `=`",
	],
	["The keyword", "this word is reserved: choose another name"],
	["Unterminated comment", "there are no comments in an expression"],
	[
		"Unterminated regular expression",
		"there are no regular expressions: use `.includes`, `.startsWith`, `.split`, …",
	],
	["Unterminated string", "the text has no closing quote on its line"],
	["Unterminated template", "the text has no closing backtick"],
	["'super'", refusalOf("Super")],
	["'new.target'", refusalOf("MetaProperty")],
];

const statements = new Set(
	"if for while do switch try throw return break continue debugger with var const class".split(
		" ",
	),
);

/** Translates a message of the parser about the text at `offset`. */
export function syntaxRefusal(
	message: string,
	text: string,
	offset: number,
): string {
	const plain = message.replace(/ \(\d+:\d+\)$/, "");
	const known = byMessage.find(([begin]) => plain.startsWith(begin));
	if (known) return known[1];
	if (!plain.startsWith("Unexpected")) return plain;
	const found = /^(?:[\p{ID_Start}$_][\p{ID_Continue}$]*|\*\*|=>|\.\.\.|.)/su;
	const token = found.exec(text.slice(offset, offset + 100))?.[0];
	if (token === undefined) return "the expression ends too early";
	if (statements.has(token)) {
		return `\`${token}\` is a statement: an expression has \`a ? b : c\`, \`list.map(x => …)\` and \`list.filter(x => …)\``;
	}
	if (token === "**") {
		return "a sign before `**` is ambiguous: write `-(a ** b)` or `(-a) ** b`";
	}
	if (/^[‘’“”„«»]$/.test(token)) {
		return `\`${token}\` is no quote of an expression: write \`'\``;
	}
	if (token === "}") return "an expression is missing before `}`";
	return `\`${token}\` cannot stand here`;
}

/** The message for a word of the language that stands as a value. */
export function wordAsValue(name: string): string {
	if (name === "undefined") return "there is no `undefined`: write `null`";
	if (name === "NaN" || name === "Infinity") {
		return `there is no \`${name}\`: a computation that gives it fails with \`step_failed\``;
	}
	if (functions.has(name)) {
		return `\`${name}\` is a function and not a value: write \`${name}(…)\``;
	}
	if (namespaces.has(name)) {
		return `\`${name}\` is not a value: write ${exampleOf(name)}`;
	}
	return `\`${name}\` is not a value`;
}

const examples: ReadonlyMap<string, string> = new Map([
	["Array", "`Array.isArray(…)`"],
	["JSON", "`JSON.parse(…)`"],
	["Math", "`Math.round(…)`"],
	["Object", "`Object.keys(…)`"],
]);

function exampleOf(namespace: string): string {
	return examples.get(namespace) ?? "one of its functions";
}

/** The message for a function that does not exist, such as `Math.rand` or `fetch`, or for a constant. */
export function unknownFunction(name: string): string {
	if (namespaces.has(name)) {
		return `\`${name}\` is not a function: write ${exampleOf(name)}`;
	}
	if (methods.has(name)) {
		return `\`${name}\` is a method: write \`value.${name}(…)\``;
	}
	const known = [...constants.keys(), ...functions.keys()];
	return `there is no \`${name}\`${instead(name, insteadOfFunction, known, functionList)}`;
}

const functionList = `there are ${quoted([...functions.keys()].filter((name) => !name.startsWith("Math.")))} and \`Math\``;

/** The message for an object that JavaScript has around it; null for other names. */
export function noGlobal(name: string): string | null {
	const cure = insteadOfGlobal.get(name);
	return cure === undefined ? null : `there is no \`${name}\`: ${cure}`;
}

/** The message for a method that no value has. */
export function unknownMethod(name: string): string {
	return `there is no method \`${name}\`${instead(name, insteadOfMethod, methods.keys(), methodList)}`;
}

const methodList = [
	`texts have ${quoted(Object.keys(textMethods))}`,
	`lists have ${quoted(Object.keys(listMethods))}`,
	`numbers have ${quoted(Object.keys(numberMethods))}`,
].join("; ");

function quoted(names: readonly string[]): string {
	return `\`${names.join(" ")}\``;
}

/** The name that is known to be meant, else a near one, else all names. */
function instead(
	name: string,
	known: ReadonlyMap<string, string>,
	names: Iterable<string>,
	all: string,
): string {
	const meant = known.get(name);
	return meant === undefined
		? suggest(name, names) || `: ${all}`
		: `: ${meant}`;
}

/** The message for a method or function that is given too few or too many arguments. */
export function wrongCount(
	name: string,
	{ least, most }: Signature,
	given: number,
): string {
	const range =
		least === most
			? `${least}`
			: most === Infinity
				? `at least ${least}`
				: `${least} to ${most}`;
	const noun = range === "1" ? "argument" : "arguments";
	return `\`${name}\` takes ${range} ${noun}, not ${given}`;
}
