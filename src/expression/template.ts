import { dataOf } from "../core/body/data.ts";
import { Decimal } from "../core/decimal.ts";
import { GatewayError } from "../core/errors.ts";
import { type Evaluate, prepareExpression, type Slots } from "./evaluate.ts";
import type { Expression, Read } from "./parse.ts";

/**
 * A value with holes, as frozen data. It stands wherever a config may refer to data. Without holes it is a literal. A
 * single hole keeps its value's type. Inside longer text values become text.
 */
export type Template =
	| { readonly kind: "literal"; readonly value: unknown }
	| { readonly kind: "whole"; readonly expression: Expression }
	| { readonly kind: "mixed"; readonly parts: readonly (string | Expression)[] }
	| { readonly kind: "list"; readonly items: readonly Template[] }
	| { readonly kind: "map"; readonly entries: readonly TemplateEntry[] }
	| {
			readonly kind: "function";
			readonly inputs: readonly Expression[];
			readonly call: TemplateFunction;
	  };

/** A function of the config's author, called with the values of its inputs. Must return data, at once. */
export type TemplateFunction = (...inputs: never[]) => unknown;

export interface TemplateEntry {
	readonly name: string;
	/** Written `name?`: left out when its value is null. */
	readonly optional: boolean;
	readonly value: Template;
}

/** Values by their names: as the author names them, or all of one map, whose names data may decide. */
export type NamedTemplates = readonly TemplateEntry[] | AllOfMap;

export interface AllOfMap {
	readonly all: Template;
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
		case "function":
			return template.inputs.flatMap(({ reads }) => reads);
	}
}

/** The means to prepare a template. */
export interface Holes extends Slots {
	/** Wraps every single hole, for instance to say whose fault its failure is. */
	around?(hole: Evaluate, reads: readonly Read[]): Evaluate;
}

/** Turns a template into a closure. */
export function prepareTemplate(template: Template, holes: Holes): Evaluate {
	switch (template.kind) {
		case "literal": {
			const { value } = template;
			return () => value;
		}
		case "whole": {
			const { expression } = template;
			const hole = prepareExpression(expression, holes);
			return around(hole, expression.reads, holes);
		}
		case "mixed":
			return prepareMixed(template.parts, holes);
		case "list":
			return prepareList(template.items, holes);
		case "map":
			return prepareMap(template.entries, holes);
		case "function":
			return around(prepareFunction(template, holes), readsOf(template), holes);
	}
}

function around(
	hole: Evaluate,
	reads: readonly Read[],
	holes: Holes,
): Evaluate {
	return holes.around?.(hole, reads) ?? hole;
}

function prepareMixed(
	parts: readonly (string | Expression)[],
	holes: Holes,
): Evaluate {
	const pieces = parts.map((part) =>
		typeof part === "string" ? part : prepareText(part, holes),
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
function prepareText(expression: Expression, holes: Holes): Evaluate {
	const { source, reads } = expression;
	const evaluate = prepareExpression(expression, holes);
	return around((frame) => textOf(evaluate(frame), source), reads, holes);
}

function prepareList(items: readonly Template[], holes: Holes): Evaluate {
	const evaluators = items.map((item) => prepareTemplate(item, holes));
	return (frame) => evaluators.map((evaluate) => evaluate(frame));
}

function prepareMap(entries: readonly TemplateEntry[], holes: Holes): Evaluate {
	const prepared = entries.map(({ name, optional, value }) => ({
		name,
		optional,
		evaluate: prepareTemplate(value, holes),
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

function prepareFunction(
	{ inputs, call }: Template & { kind: "function" },
	holes: Holes,
): Evaluate {
	const evaluators = inputs.map((input) => prepareExpression(input, holes));
	const source = printFunction(inputs);
	const compute = call as (...values: unknown[]) => unknown;
	return (frame) => {
		// Copies, because the function may change its arguments, and others read the same values.
		const values = evaluators.map((evaluate) =>
			dataOf(evaluate(frame), `${source} is given`, frame.fuel),
		);
		const made = callSafely(compute, values, source);
		return dataOf(made, `${source} returned`, frame.fuel);
	};
}

function callSafely(
	compute: (...values: unknown[]) => unknown,
	values: readonly unknown[],
	source: string,
): unknown {
	try {
		const result = compute(...values);
		// The promise will be refused because it is no data. If it rejects, that must not end the process.
		if (result instanceof Promise) result.catch(() => {});
		return result;
	} catch (cause) {
		const { message } = cause instanceof Error ? cause : new Error(`${cause}`);
		const words = `${source} threw: ${message}`;
		throw new GatewayError("step_failed", words, { cause });
	}
}

/** A function as the plan and the log show it: `from(now, query.city)`. */
export function printFunction(inputs: readonly Expression[]): string {
	return `from(${inputs.map(({ source }) => source).join(", ")})`;
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
			if (value instanceof Decimal) return value.text;
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
