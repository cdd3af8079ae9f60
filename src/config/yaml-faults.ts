import type { Document, Node, YAMLError } from "yaml";
import { nestingMax } from "../core/json.ts";
import type { Problem } from "./problem.ts";
import { yaml } from "./yaml.ts";

export const tooDeep = `nested deeper than ${nestingMax} levels`;

/**
 * The faults of a text that is no YAML, each where its author made it. The parser goes on after a fault, and what it
 * reports then is mostly a consequence. So only the first counts, or every tab.
 */
export function faultsOfYaml(document: Document, text: string): Problem[] {
	const [first] = document.errors;
	if (first === undefined) return [];
	if (first.code !== "TAB_AS_INDENT") return [faultOf(first, document, text)];
	const message = "a tab cannot indent: use spaces";
	const lines = text.matchAll(/^ *\t[ \t]*(?=\S)/gm);
	return [...lines].map(({ index }) => ({ at: index, message }));
}

function faultOf(error: YAMLError, document: Document, text: string): Problem {
	const [at] = error.pos;
	const { code, message } = error;
	// The parser calls itself for each level, and reports that its stack is full.
	if (message.startsWith("Maximum call stack")) return { at, message: tooDeep };
	if (code === "MULTIPLE_DOCS") return { at, message };
	const missing = /^Missing closing (["'])/.exec(message)?.[1];
	if (missing !== undefined) return unclosedText(at, document, missing);
	if (/^Unexpected .* at node end/.test(message)) {
		return behindValue(at, document, text);
	}
	const bracket = /end with an? ([}\]])$/.exec(message)?.[1];
	if (bracket !== undefined)
		return unclosedBracket(at, document, text, bracket);
	const line = lineAt(text, at);
	const begin = line.start + line.text.search(/\S|$/);
	if (code === "BAD_INDENT" || /same column$/.test(message)) {
		return {
			at: begin,
			message:
				"the keys of one map begin in one column, and this line in another: indent it as they are",
		};
	}
	const key = /^\s*(?:- )*([\w?.-]+):[^\s/]/.exec(line.text)?.[1];
	const isHalf = code === "MULTILINE_IMPLICIT_KEY" || code === "MISSING_CHAR";
	if (isHalf && key !== undefined) {
		return { at: begin, message: `write a space behind \`${key}:\`` };
	}
	return { at, message: wordsFor(error, text) };
}

function wordsFor({ code, message, pos }: YAMLError, text: string): string {
	const character = text[pos[0]] ?? "";
	switch (code) {
		case "BLOCK_AS_IMPLICIT_KEY":
			return "a value with `: ` in it must be quoted";
		case "BAD_SCALAR_START":
		case "BAD_ALIAS":
			return `a value that begins with \`${character}\` must be quoted`;
		case "BAD_DQ_ESCAPE": {
			const escape = text.slice(pos[0], pos[0] + 2);
			return `\`${escape}\` is no escape sequence: write \`\\${escape}\`, or put the text in \`'\``;
		}
		case "MULTILINE_IMPLICIT_KEY":
			return "a `:` is missing behind this key";
		case "BLOCK_IN_FLOW":
			return "inside `{ }` and `[ ]` all is on one level: write `{ }` around the inner map";
		default:
	}
	if (/^Missing ,/.test(message)) return "a comma is missing before this";
	if (/^Unexpected (, |empty)/.test(message)) return "a comma too many";
	if (/^Unexpected flow-(map|seq)-end/.test(message)) {
		return `this \`${character}\` closes nothing: remove it`;
	}
	if (/need to be followed by map values$/.test(message)) {
		return "a `:` and a value are missing behind this key";
	}
	return "this is not YAML: a line is `key: value`, and what belongs to a key is indented below it";
}

function lineAt(text: string, at: number): { start: number; text: string } {
	const start = text.lastIndexOf("\n", at - 1) + 1;
	const end = text.indexOf("\n", start);
	return { start, text: text.slice(start, end < 0 ? text.length : end) };
}

function nodesOf(document: Document, fits: (node: Node) => boolean): Node[] {
	const found: Node[] = [];
	yaml().visit(document, {
		Node: (_, node) => {
			if (fits(node as Node)) found.push(node as Node);
		},
	});
	return found;
}

function isQuoted(node: Node): boolean {
	return yaml().isScalar(node) && /^QUOTE/.test(node.type ?? "");
}

function rangeOf({ range }: Node): readonly [number, number] {
	return [range?.[0] ?? 0, range?.[1] ?? 0];
}

/** The text began where its quote stands, and the fault is only found where the file ends. */
function unclosedText(end: number, document: Document, quote: string): Problem {
	const text = nodesOf(document, isQuoted).find(
		(node) => rangeOf(node)[1] >= end,
	);
	const at = text === undefined ? end : rangeOf(text)[0];
	return {
		at,
		message: `this \`${quote}\` is not closed: write another at the text's end`,
	};
}

/** Something stands behind a value that has ended: mostly behind a quote that ends a text too early. */
function behindValue(at: number, document: Document, text: string): Problem {
	const before = nodesOf(document, isQuoted).findLast(
		(node) => rangeOf(node)[1] <= at,
	);
	const [start, end] = before === undefined ? [at, -1] : rangeOf(before);
	if (text.slice(end, at).trim() !== "" || end < 0) {
		return {
			at,
			message: "the value has ended before this: remove it, or quote the whole",
		};
	}
	const quote = text[start] ?? '"';
	if (text.slice(start, end).includes("\n")) {
		return {
			at: start,
			message: `this \`${quote}\` is not closed: write another at the text's end`,
		};
	}
	const other = quote === '"' ? "'" : '"';
	return {
		at: end - 1,
		message: `this \`${quote}\` ends the text: write \`${other}\` inside it, or around it`,
	};
}

function unclosedBracket(
	end: number,
	document: Document,
	text: string,
	closing: string,
): Problem {
	const open = nodesOf(
		document,
		(node) => yaml().isCollection(node) && node.flow === true,
	).findLast((node) => text[rangeOf(node)[1] - 1] !== closing);
	const at = open === undefined ? end : rangeOf(open)[0];
	return {
		at,
		message: `this \`${text[at]}\` is not closed: write \`${closing}\` where it ends`,
	};
}

/** Spaces that look like the plain one, and are none to YAML. */
const strangeSpaces =
	/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff]+/g;

/** What may stand on a line before a space that YAML needs. It is no longer than anybody's key. */
const beforeSpace = /^\s*(?:- )?(?:[^'"#]+:\s*)?$/;
const beforeMax = 200;

/** The text with plain spaces where YAML needs them, so that the rest of it can be checked. Offsets stay. */
export function withPlainSpaces(text: string): {
	readonly text: string;
	readonly problems: readonly Problem[];
} {
	const problems: Problem[] = [];
	const plain = text.replace(strangeSpaces, (found, offset: number) => {
		const line = text.slice(Math.max(0, offset - beforeMax), offset);
		const before = line.slice(line.lastIndexOf("\n") + 1);
		// A byte order mark may stand before everything.
		const isMark = offset === 0 && found === "\ufeff";
		if (isMark || !beforeSpace.test(before)) return found;
		const message =
			"this is no plain space, although it looks like one: write a space";
		problems.push({ at: offset, message });
		return " ".repeat(found.length);
	});
	return { text: plain, problems };
}
