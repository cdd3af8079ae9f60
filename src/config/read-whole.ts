import { isStatus } from "../core/http/status.ts";
import type { Template } from "../expression/template.ts";
import { wholeOf } from "./meant-reads.ts";
import type { Names } from "./names.ts";
import {
	nothing,
	type Reader,
	readScalar,
	readTemplate,
} from "./read-template.ts";
import type { Source } from "./source.ts";

/** A condition. A value that always holds is no condition. */
export function readCondition(source: Source, reader: Reader): Template {
	const template = readValue(source, reader);
	const fault = template === nothing ? null : faultOfCondition(template);
	if (fault === null) return template;
	const cure = cureOf(source, reader.names, "an expression, such as `${user}`");
	reader.problems.push({
		at: source.at,
		message: `${fault} always holds, so it is no condition: write ${cure}`,
	});
	return nothing;
}

function faultOfCondition(template: Template): string | null {
	switch (template.kind) {
		case "whole":
		case "function":
			return null;
		case "mixed":
			return "a text";
		case "list":
		case "map":
			return `a ${template.kind}`;
		case "literal":
			return template.value === null || typeof template.value === "boolean"
				? null
				: kindOfValue(template.value);
	}
}

function kindOfValue(value: unknown): string {
	if (Array.isArray(value)) return "a list";
	switch (typeof value) {
		case "string":
			return "a text";
		case "number":
		case "bigint":
			return "a number";
		case "boolean":
			return "a boolean";
		default:
			return value === null ? "null" : "a map";
	}
}

/** The list of an `each`. */
export function readList(source: Source, reader: Reader): Template {
	const template = readValue(source, reader);
	const { kind } = template;
	if (template === nothing || kind === "whole" || kind === "function") {
		return template;
	}
	if (kind === "list") return template;
	if (kind === "literal" && Array.isArray(template.value)) return template;
	const found =
		kind === "mixed"
			? "a text"
			: kind === "map"
				? "a map"
				: kindOfValue(template.value);
	const cure = cureOf(
		source,
		reader.names,
		"an expression that gives one, such as `${query.ids}`, or the list itself",
	);
	reader.problems.push({
		at: source.at,
		message: `${found} is no list: write ${cure}`,
	});
	return nothing;
}

/** A value that should be one expression. Of a text in its place nothing else is said. */
function readValue(source: Source, reader: Reader): Template {
	return source.kind === "scalar"
		? readScalar(source, reader)
		: readTemplate(source, reader);
}

/** What to write instead of a text that was meant as an expression. */
function cureOf(source: Source, names: Names, otherwise: string): string {
	if (source.kind !== "scalar") return otherwise;
	if (/^(?:true|false)$/.test(source.text)) {
		return `\`${source.text}\` without quotes`;
	}
	const whole = wholeOf(source, names);
	return whole === null ? otherwise : `\`${whole}\``;
}

/** A status of an answer. A literal is checked here, an expression's value when it is computed. */
export function readStatus(source: Source, reader: Reader): Template {
	const template = readValue(source, reader);
	const { kind } = template;
	if (template === nothing || kind === "whole" || kind === "function") {
		return template;
	}
	if (kind === "literal" && isStatus(template.value)) return template;
	reader.problems.push({
		at: source.at,
		message: `\`status\` takes a number from 200 to 599, or an expression${cureOfStatus(source, reader.names)}`,
	});
	return nothing;
}

function cureOfStatus(source: Source, names: Names): string {
	if (source.kind !== "scalar" || typeof source.value !== "string") return "";
	if (isStatus(Number(source.value))) {
		return `: write \`${source.value}\` without quotes`;
	}
	const whole = wholeOf(source, names);
	return whole === null ? "" : `: write \`${whole}\``;
}
