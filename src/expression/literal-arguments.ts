import { suggest } from "../core/suggest.ts";
import type { Argument, Ast, Fault, MapEntry, Spread } from "./ast.ts";
import { base64Forms, fromBase64Forms } from "./encoding.ts";
import { faultOfLocale, faultOfOptions, isZone, timeOptions } from "./time.ts";

/** The faults of arguments that are written out, so that they are found when the config is read. */
export function faultsOfLiterals(
	name: string,
	args: readonly Argument[],
): Fault[] {
	switch (name) {
		case "base64":
			return faultsOfForm(args[1], base64Forms);
		case "fromBase64":
			return faultsOfForm(args[1], fromBase64Forms);
		case "isoDate":
			return faultsOfZone(args[1]);
		case "formatTime":
			return [...faultsOfLocale(args[1]), ...faultsOfFormat(args[2])];
		default:
			return [];
	}
}

function textIn(
	ast: Argument | undefined,
): { at: number; text: string } | null {
	const isText = ast?.kind === "literal" && typeof ast.value === "string";
	return isText ? { at: ast.at, text: String(ast.value) } : null;
}

function faultsOfForm(
	ast: Argument | undefined,
	forms: readonly string[],
): Fault[] {
	const written = textIn(ast);
	if (written === null || forms.includes(written.text)) return [];
	const message = `only \`'${forms.join("'` and `'")}'\` can stand here`;
	return [{ offset: written.at, message }];
}

function faultsOfZone(ast: Argument | undefined): Fault[] {
	const written = textIn(ast);
	if (written === null || isZone(written.text)) return [];
	const { at, text } = written;
	const cure =
		suggest(text, Intl.supportedValuesOf("timeZone")) ||
		": write one such as `Europe/Berlin`, `+03:00` or `UTC`";
	return [{ offset: at, message: `\`${text}\` is no time zone${cure}` }];
}

function faultsOfLocale(ast: Argument | undefined): Fault[] {
	const written = textIn(ast);
	const fault = written && faultOfLocale(written.text);
	return written && fault ? [{ offset: written.at, message: fault }] : [];
}

function faultsOfFormat(options: Argument | undefined): Fault[] {
	if (options?.kind !== "map") return [];
	const faults = options.entries.flatMap(faultsOfEntry);
	const literals = options.entries.map(literalOf);
	if (faults.length > 0 || literals.includes(null)) return faults;
	const all = Object.fromEntries(literals.filter((entry) => entry !== null));
	const fault = faultOfOptions("en-US", all);
	return fault === null ? [] : [{ offset: options.at, message: fault }];
}

function faultsOfEntry(entry: MapEntry | Spread): Fault[] {
	if (entry.kind === "spread" || typeof entry.key !== "string") return [];
	const { key, at, value } = entry;
	if (!timeOptions.has(key)) {
		const cure =
			suggest(key, timeOptions) || `: there are ${[...timeOptions].join(", ")}`;
		const message = `\`${key}\` is no option of \`formatTime\`${cure}`;
		return [{ offset: at, message }];
	}
	if (key === "timeZone") return faultsOfZone(value);
	const literal = literalOf(entry);
	if (literal === null) return [];
	return faultOfOptions("en-US", Object.fromEntries([literal])) === null
		? []
		: [{ offset: value.at, message: `\`${key}\` does not take this value` }];
}

type Option = readonly [key: string, value: string | number | boolean];

function literalOf(entry: MapEntry | Spread): Option | null {
	if (entry.kind === "spread" || typeof entry.key !== "string") return null;
	const value: Ast = entry.value;
	return value.kind === "literal" && value.value !== null
		? [entry.key, value.value]
		: null;
}
