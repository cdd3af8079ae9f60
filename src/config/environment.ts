import { GatewayError } from "../core/errors.ts";
import { Fuel } from "../expression/fuel.ts";
import {
	prepareTemplate,
	readsOf,
	type Template,
	type TemplateEntry,
	textOf,
} from "../expression/template.ts";
import { nothing } from "./read-template.ts";

/** Variables by name, as in process.env. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The text of a setting; null if there is none. `key` is the setting's, for faults. */
type EvaluateSetting = (
	key: string,
	template: Template,
	optional?: boolean,
) => string | null;

/** Reads settings from these variables, and gives faults to `say`. They name variables, never their values. */
export function environmentReader(
	env: Environment,
	say: (key: string, message: string) => void,
): EvaluateSetting {
	// Own and set variables only, so that a missing one is null and not an inherited property.
	const variables = Object.fromEntries(
		Object.entries(env).filter(
			([, value]) => value !== undefined && value !== "",
		),
	);
	const frame = { values: [variables], parent: null, fuel: new Fuel() };
	return (key, template, optional = false) => {
		const reads = readsOf(template);
		// A template that could not be read, or that reads other names, has been reported already.
		if (template === nothing || reads.some(({ name }) => name !== "env")) {
			return null;
		}
		const names = variablesOf(template);
		try {
			const value = prepareTemplate(template, {
				slotOf: () => ({ up: 0, slot: 0 }),
			})(frame);
			if (value === null && optional) return null;
			return textOf(value, names);
		} catch (error) {
			if (!(error instanceof GatewayError)) throw error;
			const message =
				error.code === "reference_missing" && names !== ""
					? `the environment variable ${names} is not set: set it, or write \`?? 'a default'\``
					: "this expression of `env` fails";
			say(key, message);
			return null;
		}
	};
}

/** The variables that a template reads, as a list in words; empty if it reads none. */
export function variablesOf(template: Template): string {
	const names = readsOf(template).map(({ path }) => path[0] ?? "");
	return [...new Set(names)].join(", ");
}

/** The texts of a map of settings, by name. A setting that is optional and null is left out. */
export function pairs(
	key: string,
	entries: readonly TemplateEntry[],
	evaluate: EvaluateSetting,
): [string, string][] {
	return entries.flatMap(({ name, optional, value }) => {
		const items = itemsOf(value);
		return items.flatMap((item) => {
			const text = evaluate(`${key}.${name}`, item, optional);
			return text === null ? [] : [[name, text] as [string, string]];
		});
	});
}

/** A list repeats the name; one without any expression is a single literal. */
function itemsOf(value: Template): readonly Template[] {
	if (value.kind === "list") return value.items;
	if (value.kind !== "literal" || !Array.isArray(value.value)) return [value];
	return value.value.map((item) => ({ kind: "literal", value: item }));
}
