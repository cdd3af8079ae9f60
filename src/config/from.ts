import type { TemplateFunction } from "../expression/template.ts";

/** Marks values that `from` made, even if the config's file loaded a second copy of this package. */
const mark = Symbol.for("sluice.from");

/**
 * A template whose value a function computes, as `from` returns it. `Input` are its inputs, so that an editor can judge
 * them where the template stands.
 */
export interface From<out Input extends string = string> {
	readonly [mark]: {
		readonly inputs: readonly Input[];
		readonly call: TemplateFunction;
	};
}

/**
 * Stands for a template: `from(['now', 'query.city'], (now, city) => …)`. The inputs are the names, with members, that
 * the function may read. They are checked at load like those of an expression, and are waited for. The function is
 * called with their values, and null for a missing one. It must return data, at once. If it throws, that is
 * `step_failed`.
 */
export function from<const Inputs extends readonly string[]>(
	inputs: Inputs,
	// biome-ignore lint/suspicious/noExplicitAny: data has no type here; the author's annotations say what it is.
	call: (...values: { [Index in keyof Inputs]: any }) => unknown,
): From<Inputs[number]> {
	return Object.freeze({ [mark]: Object.freeze({ inputs, call }) });
}

/** The arguments of `from`; null if the value was not made by it. */
export function partsOfFrom(value: object): From[typeof mark] | null {
	return Object.hasOwn(value, mark) ? (value as From)[mark] : null;
}
