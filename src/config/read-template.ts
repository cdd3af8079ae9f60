import { keepsDigits } from "../core/decimal.ts";
import {
	answerFieldsRefused,
	hopFields,
	proxiedFieldsRefused,
} from "../core/http/fields.ts";
import { isHeaderValue, isToken } from "../core/http/headers.ts";
import {
	type Expression,
	parseExpression,
	parseText,
} from "../expression/parse.ts";
import type {
	NamedTemplates,
	Template,
	TemplateEntry,
} from "../expression/template.ts";
import { asText, meantReads } from "./meant-reads.ts";
import { faultOfRead, type Names, withoutName } from "./names.ts";
import type { Problem } from "./problem.ts";
import type {
	FunctionSource,
	MapSource,
	ScalarSource,
	Source,
} from "./source.ts";

/** The context for reading a template: the names visible where it stands, and the list that takes its problems. */
export interface Reader {
	readonly names: Names;
	readonly problems: Problem[];
	/** The step in which the template stands. It cannot read itself, so a text of this name is one. */
	readonly own?: string;
}

/** Stands for a template that could not be read and was reported. */
export const nothing: Template = { kind: "literal", value: null };

/** Reads a template. Every fault, in syntax or names, is reported at its own character. */
export function readTemplate(source: Source, reader: Reader): Template {
	switch (source.kind) {
		case "scalar": {
			const template = readScalar(source, reader);
			warnOfMeantReads(source, template, reader);
			return template;
		}
		case "list":
			return collapseList(
				source.items.map((item) => readTemplate(item, reader)),
			);
		case "map":
			return collapseMap(readEntries(source, reader, readTemplate));
		case "function":
			return readFunction(source, reader);
	}
}

/** Its inputs are read like expressions, and may only be names with members. */
function readFunction(
	{ at, call, inputs }: FunctionSource,
	reader: Reader,
): Template {
	if (inputs === null) {
		reader.problems.push({
			at,
			message:
				"a function needs its inputs: write `from(['query.city'], (city) => …)`",
		});
		return nothing;
	}
	const expressions = inputs.map((input) => readInput(input, reader));
	const valid = expressions.filter((expression) => expression !== null);
	if (valid.length < inputs.length) return nothing;
	return { kind: "function", inputs: valid, call };
}

function readInput(input: ScalarSource, reader: Reader): Expression | null {
	const { expression } = parseExpression(input.text);
	if (expression === null || !isPath(expression)) {
		reader.problems.push({
			at: input.at,
			message: `\`${input.text}\` is no input of \`from\`: a name with members, such as \`query.city\` or \`answer.items[0]\``,
		});
		return null;
	}
	checkReads([expression], input, reader);
	return expression;
}

function isPath({ ast }: Expression): boolean {
	let inner = ast;
	while (inner.kind === "member" || inner.kind === "index") {
		if (inner.kind === "index" && inner.key.kind !== "literal") return false;
		inner = inner.of;
	}
	return inner.kind === "name";
}

/** Says nothing about a text that looks like a read. */
export function readScalar(source: ScalarSource, reader: Reader): Template {
	if (typeof source.value !== "string") {
		refuseLostDigits(source, reader);
		return { kind: "literal", value: source.value };
	}
	const { template, faults } = parseText(source.text);
	for (const fault of faults) {
		reader.problems.push({
			at: source.placeOf(fault.offset),
			message: fault.message,
		});
	}
	if (template === null) return nothing;
	if (template.kind === "literal") {
		return { kind: "literal", value: template.text };
	}
	checkReads(expressionsOf(template), source, reader);
	return template;
}

/** A text that looks like a read is likely a mistake, but may be meant. */
function warnOfMeantReads(
	source: ScalarSource,
	template: Template,
	{ names, problems, own }: Reader,
): void {
	if (typeof source.value !== "string" || template === nothing) return;
	if (template.kind !== "literal" && template.kind !== "mixed") return;
	const holes = expressionsOf(template).map(({ ast }) => ast);
	const readable = own === undefined ? names : withoutName(names, own);
	for (const meant of meantReads(source.text, holes, readable)) {
		const { offset } = meant;
		const at = offset === 0 ? source.at : source.placeOf(offset);
		problems.push(warningOf(meant, at));
	}
}

/** The warning of a text that looks like a read. */
export function warningOf(
	{ written, read }: { readonly written: string; readonly read: string },
	at: number,
): Problem {
	const message = `\`${written}\` is a text here: for the value write \`\${${read}}\`, for the text \`${asText(written)}\``;
	return { at, warning: true, message };
}

function checkReads(
	expressions: readonly Expression[],
	source: ScalarSource,
	reader: Reader,
): void {
	for (const expression of expressions) {
		let until = -1;
		for (const read of expression.reads) {
			if (read.offset < until) continue;
			const dashed = dashedField(source.text.slice(read.offset));
			const message =
				(dashed && faultOfDash(dashed)) ?? faultOfRead(read, reader.names);
			if (message === null) continue;
			until = read.offset + (dashed?.length ?? 0);
			reader.problems.push({ at: source.placeOf(read.offset), message });
		}
	}
}

/** `headers.x-key`, which JavaScript reads as a difference. Null if the text does not begin with one. */
function dashedField(text: string): string | null {
	return /^(?:headers|cookies)\.\w+(?:-[A-Za-z]\w*)+/.exec(text)?.[0] ?? null;
}

function faultOfDash(written: string): string {
	return `\`${written}\` is a difference: write \`${written.replaceAll("-", "_")}\``;
}

function expressionsOf(template: Template): readonly Expression[] {
	if (template.kind === "whole") return [template.expression];
	if (template.kind !== "mixed") return [];
	return template.parts.filter((part) => typeof part !== "string");
}

/** A number that JavaScript or JSON cannot hold would be altered on the way. */
function refuseLostDigits(source: ScalarSource, reader: Reader): void {
	if (typeof source.value !== "number") return;
	if (!Number.isFinite(source.value)) {
		reader.problems.push({
			at: source.at,
			message: `${source.text} is no number that JSON can hold`,
		});
		return;
	}
	const isInteger = /^-?\d+$/.test(source.text);
	const isDecimal = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(source.text);
	const kept = isInteger
		? BigInt(source.text) === BigInt(source.value)
		: !isDecimal || keepsDigits(source.text);
	if (kept) return;
	reader.problems.push({
		at: source.at,
		message: `${source.text} has more digits than a number holds: quote it`,
	});
}

function readEntries(
	source: MapSource,
	reader: Reader,
	read: (value: Source, reader: Reader, name: string) => Template,
): TemplateEntry[] {
	const seen = new Set<string>();
	return source.entries.map(({ key, at, value }) => {
		const optional = key.endsWith("?");
		const name = optional ? key.slice(0, -1) : key;
		if (seen.has(name)) {
			reader.problems.push({
				at,
				message: `\`${name}\` and \`${name}?\` are the same key: keep one`,
			});
		}
		seen.add(name);
		return { name, optional, value: read(value, reader, name) };
	});
}

/** Refuses `name` and `name?` beside each other. */
export function refuseTwo(
	source: Source | null,
	name: string,
	problems: Problem[],
): void {
	if (source?.kind !== "map") return;
	const [, second] = source.entries.filter(
		({ key }) => key === name || key === `${name}?`,
	);
	if (second === undefined) return;
	const message = `\`${name}\` and \`${name}?\` are the same key: keep one`;
	problems.push({ at: second.at, message });
}

/** A map without holes is one value, made once. */
function collapseMap(entries: readonly TemplateEntry[]): Template {
	const literal = entries.every(({ value }) => value.kind === "literal");
	if (!literal) return { kind: "map", entries };
	const kept = entries.flatMap(({ name, optional, value }) =>
		value.kind !== "literal" || (optional && value.value === null)
			? []
			: [[name, value.value] as const],
	);
	return { kind: "literal", value: Object.fromEntries(kept) };
}

function collapseList(items: readonly Template[]): Template {
	if (items.some(({ kind }) => kind !== "literal")) {
		return { kind: "list", items };
	}
	const values = items.map((item) =>
		item.kind === "literal" ? item.value : null,
	);
	return { kind: "literal", value: values };
}

/** Query parameters: names to templates whose values become text. */
export function readParameters(
	source: Source | null,
	reader: Reader,
): TemplateEntry[] {
	if (source?.kind !== "map") return [];
	refuseNulls(source, reader);
	return readEntries(source, reader, readTextValue);
}

/** As `readParameters`, or one expression that gives all of them. */
export function readParametersOrAll(
	source: Source,
	reader: Reader,
): NamedTemplates {
	return readAll(source, reader) ?? readParameters(source, reader);
}

/** Null if the source is a map of names. */
function readAll(source: Source, reader: Reader): NamedTemplates | null {
	if (source.kind === "map") return null;
	const all = readTemplate(source, reader);
	if (all.kind === "whole" || all.kind === "function") return { all };
	if (all !== nothing) {
		const message =
			"here stands a map of names to values, or one expression that gives such a map, and nothing around it";
		reader.problems.push({ at: source.at, message });
	}
	return [];
}

/** A literal null cannot be sent, so it would fail every time. */
function refuseNulls({ entries }: MapSource, reader: Reader): void {
	for (const { key, value } of entries) {
		if (key.endsWith("?") || value.kind !== "scalar") continue;
		if (value.value !== null) continue;
		reader.problems.push({
			at: value.at,
			message: `null cannot be sent: remove \`${key}\`, or write \`${key}?\``,
		});
	}
}

/** A body that is a text. A value that can never become one is refused. */
export function readTextBody(source: Source, reader: Reader): Template {
	const template = readTextValue(source, reader);
	const isText = source.kind === "scalar" && source.value !== null;
	if (!isText && source.kind !== "function") {
		reader.problems.push({
			at: source.at,
			message:
				"`text` takes a text; a list or a map is sent as JSON by `body`, as a form by `form`",
		});
	}
	return template;
}

/** Nothing that an author can write is bytes, so they come from an expression. */
export function readBytesBody(source: Source, reader: Reader): Template {
	const template = readTemplate(source, reader);
	if (template.kind === "whole" || source.kind === "function") return template;
	reader.problems.push({
		at: source.at,
		message:
			"`bytes` takes what an expression gives, such as `${form.photo.bytes}`; a text is sent by `text`",
	});
	return template;
}

/** A value that becomes text is refused if YAML would print it in another way. */
function readTextValue(source: Source, reader: Reader): Template {
	const scalars = source.kind === "list" ? source.items : [source];
	for (const scalar of scalars) refuseReprinted(scalar, reader);
	return readTemplate(source, reader);
}

function refuseReprinted(source: Source, reader: Reader): void {
	if (source.kind !== "scalar" || typeof source.value !== "number") return;
	if (String(source.value) === source.text) return;
	reader.problems.push({
		at: source.at,
		message: `${source.text} would become ${source.value}: quote it`,
	});
}

/** Header fields of calls or of answers. Names become lower case, and must be names that an author may set there. */
export function readHeaders(
	source: Source | null,
	reader: Reader,
	refused: ReadonlySet<string>,
): TemplateEntry[] {
	if (source?.kind !== "map") return [];
	for (const { key, at } of source.entries) {
		const name = key.replace(/\?$/, "").toLowerCase();
		const message = faultOfHeader(name, refused);
		if (message) reader.problems.push({ at, message });
	}
	refuseNulls(source, reader);
	return readEntries(source, reader, readHeaderValue).map((entry) => ({
		...entry,
		name: entry.name.toLowerCase(),
	}));
}

/** As `readHeaders`, or one expression that gives all of them. */
export function readHeadersOrAll(
	source: Source,
	reader: Reader,
	refused: ReadonlySet<string>,
): NamedTemplates {
	return readAll(source, reader) ?? readHeaders(source, reader, refused);
}

function faultOfHeader(
	name: string,
	refused: ReadonlySet<string>,
): string | null {
	if (!isToken(name)) return `\`${name}\` cannot be a header's name`;
	if (!refused.has(name)) return null;
	if (hopFields.has(name)) return `\`${name}\` is set by HTTP itself`;
	const reason = answerFieldsRefused.has(name)
		? "the gateway says it of every answer"
		: proxiedFieldsRefused.has(name)
			? "it describes the bytes that pass"
			: "it says where a call goes, so only an upstream's `headers` may have it";
	return `\`${name}\` cannot be set here: ${reason}`;
}

function readHeaderValue(source: Source, reader: Reader): Template {
	const template = readTextValue(source, reader);
	const pieces =
		template.kind === "mixed"
			? template.parts
			: template.kind === "literal"
				? [template.value]
				: [];
	for (const piece of pieces) {
		if (typeof piece !== "string" || isHeaderValue(piece)) continue;
		reader.problems.push({
			at: source.at,
			message: "a header's value is visible ASCII, space and tab only",
		});
	}
	return template;
}
