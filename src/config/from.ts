import type { TemplateFunction } from "../expression/template.ts";

/** Found on what `from` made, also where the config's file loaded a second copy of this package. */
const mark = Symbol.for("sluice.from");

/**
 * A template whose value a function computes: what `from` returns. `Input` are the inputs it names, so that an editor
 * can judge them where it stands.
 */
export interface From<out Input extends string = string> {
	readonly [mark]: {
		readonly inputs: readonly Input[];
		readonly call: TemplateFunction;
	};
}

/**
 * Stands for a template: `from(['now', 'query.city'], (now, city) => …)`. The inputs are what the function may read:
 * names with members, checked at load like those of an expression, and what it waits for. It is called with their
 * values, null for what is missing; it must return data, at once. What it throws is `step_failed`.
 */
export function from<const Inputs extends readonly string[]>(
	inputs: Inputs,
	// biome-ignore lint/suspicious/noExplicitAny: data has no type here; the author's annotations say what it is.
	call: (...values: { [Index in keyof Inputs]: any }) => unknown,
): From<Inputs[number]> {
	return Object.freeze({ [mark]: Object.freeze({ inputs, call }) });
}

/** What `from` was given; null where a value was not made by it. */
export function partsOfFrom(value: object): From[typeof mark] | null {
	return Object.hasOwn(value, mark) ? (value as From)[mark] : null;
}
