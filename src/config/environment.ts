import { GatewayError } from "../core/errors.ts";
import type { Read } from "../expression/ast.ts";
import { Fuel } from "../expression/fuel.ts";
import {
	prepareTemplate,
	readsOf,
	type Template,
	type TemplateEntry,
	textOf,
} from "../expression/template.ts";
import { nothing } from "./read-template.ts";
import { readVariableFile } from "./variable-file.ts";

/** Variables by name, as in process.env. For one that is not set, `NAME_FILE` names a file that holds its value. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Hears of a variable that a setting reads, with its value. `fromFile` if a file stands for it. */
export type OnVariable = (
	key: string,
	variable: {
		readonly name: string;
		readonly value: string;
		readonly fromFile: boolean;
	},
) => void;

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
	onVariable: OnVariable = () => {},
): EvaluateSetting {
	const variables = setVariables(env);
	return (key, template, optional = false) => {
		const reads = readsOf(template);
		// A template that could not be read, or that reads other names, has been reported already.
		if (template === nothing || reads.some(({ name }) => name !== "env")) {
			return null;
		}
		const names = variablesOf(template);
		const read = namesIn(reads);
		const files = fromFiles(read, variables, (message) => say(key, message));
		if (files === null) return null;
		for (const name of read) {
			const fromFile = Object.hasOwn(files, name);
			const value = (fromFile ? files : variables)[name];
			if (value !== undefined) onVariable(key, { name, value, fromFile });
		}
		const values = [{ ...variables, ...files }];
		const frame = { values, parent: null, fuel: new Fuel() };
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

type Variables = Readonly<Record<string, string>>;

/** Own and set variables only, so that a missing one is null and not an inherited property. */
function setVariables(env: Environment): Variables {
	const set = Object.entries(env).filter(
		([, value]) => value !== undefined && value !== "",
	);
	return Object.fromEntries(set) as Variables;
}

/**
 * The variables of these names that are not set, from the files that their `NAME_FILE` names. Only what a config reads
 * is opened. Null if a file cannot be read.
 */
function fromFiles(
	names: readonly string[],
	variables: Variables,
	say: (message: string) => void,
): Variables | null {
	const found: Record<string, string> = {};
	for (const name of names) {
		const path = variables[`${name}_FILE`];
		if (path === undefined || Object.hasOwn(variables, name)) continue;
		const file = readVariableFile(path);
		if (file.fault !== undefined) {
			say(`the file that ${name}_FILE names ${file.fault}`);
			return null;
		}
		found[name] = file.text;
	}
	return found;
}

/** The variables that a template reads, as a list in words; empty if it reads none. */
export function variablesOf(template: Template): string {
	return namesIn(readsOf(template)).join(", ");
}

function namesIn(reads: readonly Read[]): string[] {
	return [...new Set(reads.map(({ path }) => path[0] ?? ""))];
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
