import type { Expression } from "./parse.ts";
import {
	type NamedTemplates,
	printFunction,
	type Template,
	type TemplateEntry,
} from "./template.ts";

/** A template as its written text; a literal as itself. */
export function printTemplate(template: Template): unknown {
	switch (template.kind) {
		case "literal":
			return template.value;
		case "whole":
			return printParts([template.expression]);
		case "mixed":
			return printParts(template.parts);
		case "list":
			return template.items.map(printTemplate);
		case "map":
			return printEntries(template.entries);
		case "function":
			return printFunction(template.inputs);
	}
}

/** Null if there are no entries. */
export function printEntries(entries: readonly TemplateEntry[]): object | null {
	if (entries.length === 0) return null;
	return Object.fromEntries(
		entries.map(({ name, optional, value }) => [
			optional ? `${name}?` : name,
			printTemplate(value),
		]),
	);
}

/** Entries as `printEntries` does, and one expression for all of them as it was written. */
export function printNamed(templates: NamedTemplates): unknown {
	return "all" in templates
		? printTemplate(templates.all)
		: printEntries(templates);
}

/** Text with holes, as it was written. */
export function printParts(parts: readonly (string | Expression)[]): string {
	return parts
		.map((part) => (typeof part === "string" ? part : `\${${part.source}}`))
		.join("");
}
