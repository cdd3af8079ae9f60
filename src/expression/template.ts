import { GatewayError } from "../core/errors.ts";
import { type Evaluate, type Place, prepareExpression } from "./evaluate.ts";
import type { Expression, Read } from "./parse.ts";

/**
 * A value with holes, as frozen data: what stands wherever a config may refer to data. Without any hole it is a
 * literal; a single hole keeps its value's type; inside longer text values become text.
 */
export type Template =
	| { readonly kind: "literal"; readonly value: unknown }
	| { readonly kind: "whole"; readonly expression: Expression }
	| { readonly kind: "mixed"; readonly parts: readonly (string | Expression)[] }
	| { readonly kind: "list"; readonly items: readonly Template[] }
	| { readonly kind: "map"; readonly entries: readonly TemplateEntry[] };

export interface TemplateEntry {
	readonly name: string;
	/** Written `name?`: left out when its value is null. */
	readonly optional: boolean;
	readonly value: Template;
}

/** Every name a template reads, in the order written. */
export function readsOf(template: Template | null): readonly Read[] {
	switch (template?.kind) {
		case undefined:
		case "literal":
			return [];
		case "whole":
			return template.expression.reads;
		case "mixed":
			return template.parts.flatMap((part) =>
				typeof part === "string" ? [] : part.reads,
			);
		case "list":
			return template.items.flatMap(readsOf);
		case "map":
			return template.entries.flatMap((entry) => readsOf(entry.value));
	}
}

/** Turns a template into a closure; places are looked up here, once, and never when it runs. */
export function prepareTemplate(
	template: Template,
	placeOf: (name: string) => Place,
): Evaluate {
	switch (template.kind) {
		case "literal": {
			const { value } = template;
			return () => value;
		}
		case "whole":
			return prepareExpression(template.expression, placeOf);
		case "mixed":
			return prepareMixed(template.parts, placeOf);
		case "list":
			return prepareList(template.items, placeOf);
		case "map":
			return prepareMap(template.entries, placeOf);
	}
}

function prepareMixed(
	parts: readonly (string | Expression)[],
	placeOf: (name: string) => Place,
): Evaluate {
	const pieces = parts.map((part) =>
		typeof part === "string" ? part : prepareText(part, placeOf),
	);
	return (frame) => {
		let text = "";
		for (const piece of pieces) {
			text += typeof piece === "string" ? piece : piece(frame);
		}
		return text;
	};
}

/** A hole inside longer text. */
function prepareText(
	expression: Expression,
	placeOf: (name: string) => Place,
): (frame: Parameters<Evaluate>[0]) => string {
	const evaluate = prepareExpression(expression, placeOf);
	return (frame) => textOf(evaluate(frame), expression.source);
}

function prepareList(
	items: readonly Template[],
	placeOf: (name: string) => Place,
): Evaluate {
	const evaluators = items.map((item) => prepareTemplate(item, placeOf));
	return (frame) => evaluators.map((evaluate) => evaluate(frame));
}

function prepareMap(
	entries: readonly TemplateEntry[],
	placeOf: (name: string) => Place,
): Evaluate {
	const prepared = entries.map(({ name, optional, value }) => ({
		name,
		optional,
		evaluate: prepareTemplate(value, placeOf),
	}));
	return (frame) => {
		const map: Record<string, unknown> = {};
		for (const { name, optional, evaluate } of prepared) {
			const value = evaluate(frame);
			if (value !== null || !optional) map[name] = value;
		}
		return map;
	};
}

/**
 * A value as text, inside longer text and in addresses: numbers and booleans print. Null fails with
 * `reference_missing`, a list or a map with `step_failed`; `source` names the culprit in the log.
 */
export function textOf(value: unknown, source: string): string {
	switch (typeof value) {
		case "string":
			return value;
		case "number":
		case "boolean":
		case "bigint":
			return String(value);
		default:
			if (value === null || value === undefined) {
				throw new GatewayError(
					"reference_missing",
					`\${${source}} is null, and null cannot become text`,
				);
			}
			throw new GatewayError(
				"step_failed",
				`\${${source}} is a ${Array.isArray(value) ? "list" : "map"}, which cannot become text`,
			);
	}
}
