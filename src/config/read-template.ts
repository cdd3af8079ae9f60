import { keepsDigits } from "../core/decimal.ts";
import {
	answerFieldsRefused,
	hopFields,
	proxiedFieldsRefused,
} from "../core/http/fields.ts";
import { isHeaderValue, isToken } from "../core/http/headers.ts";
import { faultOfPath } from "../core/http/path.ts";
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
import type { PathSegment } from "./config.ts";
import { asText, meantReads, signedRead } from "./meant-reads.ts";
import { clientNames, faultOfRead, type Names, withoutName } from "./names.ts";
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

function warningOf(
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

/** The target of a call: the upstream's name, as written, and the path behind it. */
export interface Target {
	readonly upstream: string;
	readonly path: readonly PathSegment[];
}

/** Reads `<upstream>/<path>`. Null if it could not be read. */
export function readTarget(source: Source, reader: Reader): Target | null {
	if (source.kind !== "scalar" || typeof source.value !== "string") return null;
	const template = readScalar(source, reader);
	const parts = partsOf(template);
	const [first] = parts;
	if (typeof first !== "string" || !/^[^/]+(\/|$)/.test(first)) {
		if (parts.length > 0) {
			reader.problems.push({
				at: source.at,
				message:
					typeof first === "string"
						? "a call begins with its upstream's name, without a slash before it: `<upstream>/<path>`"
						: "a call begins with its upstream's name, which cannot be data: `<upstream>/<path>`",
			});
		}
		return null;
	}
	const slash = `${first}/`.indexOf("/");
	const upstream = first.slice(0, slash);
	const path = splitSegments([first.slice(slash + 1), ...parts.slice(1)]);
	for (const segment of path) checkSegment(segment, source, reader);
	return { upstream, path: isRoot(path) ? [] : path };
}

/**
 * Reads `<channel>` or `<channel>/<instance>`. Null if it could not be read. The instance is one segment, as in the path of
 * a call.
 */
export function readChannelTarget(
	source: Source,
	reader: Reader,
): { readonly channel: string; readonly instance: PathSegment | null } | null {
	if (source.kind !== "scalar" || typeof source.value !== "string") return null;
	const parts = partsOf(readScalar(source, reader));
	const [first, ...others] = parts;
	if (first === undefined) return null;
	const refuse = (message: string) => {
		reader.problems.push({ at: source.at, message });
		return null;
	};
	if (typeof first !== "string" || !/^[^/]+(\/|$)/.test(first)) {
		return refuse(
			typeof first === "string"
				? "a channel is named without a slash before it: `<channel>/<instance>`"
				: "the channel cannot be data, only its instance: `<channel>/<instance>`",
		);
	}
	const slash = `${first}/`.indexOf("/");
	const channel = first.slice(0, slash);
	if (slash === first.length) {
		return others.length === 0
			? { channel, instance: null }
			: refuse(
					"the channel cannot be data, only its instance: `<channel>/<instance>`",
				);
	}
	const [instance, second] = splitSegments([first.slice(slash + 1), ...others]);
	if (second !== undefined) {
		return refuse("an instance is one segment: `<channel>/<instance>`");
	}
	if (instance === undefined || instance.length === 0) {
		return refuse("the instance behind the slash is empty");
	}
	checkSegment(instance, source, reader);
	return { channel, instance };
}

function partsOf(template: Template): readonly (string | Expression)[] {
	if (template.kind === "whole") return [template.expression];
	if (template.kind === "mixed") return template.parts;
	return template.kind === "literal" && typeof template.value === "string"
		? [template.value]
		: [];
}

/** Cuts the literal parts at each slash. */
function splitSegments(parts: readonly (string | Expression)[]): PathSegment[] {
	const segments: (string | Expression)[][] = [[]];
	for (const part of parts) {
		if (typeof part !== "string") {
			segments.at(-1)?.push(part);
			continue;
		}
		const [head = "", ...rest] = part.split("/");
		if (head !== "") segments.at(-1)?.push(head);
		for (const piece of rest) segments.push(piece === "" ? [] : [piece]);
	}
	return segments.map((pieces) => {
		if (pieces.every((piece) => typeof piece === "string")) {
			return pieces.join("");
		}
		return pieces;
	});
}

function isRoot(path: readonly PathSegment[]): boolean {
	return path.length === 1 && path[0] === "";
}

function checkSegment(
	segment: PathSegment,
	source: ScalarSource,
	reader: Reader,
): void {
	const literals = typeof segment === "string" ? [segment] : segment;
	for (const literal of literals) {
		if (typeof literal !== "string") continue;
		const message =
			faultOfPlaceholder(literal, reader.names) ??
			faultOfLiteral(literal, segment);
		if (message) reader.problems.push({ at: source.at, message });
	}
	warnOfMeantSegment(segment, source, reader);
}

/**
 * `params.id` as a segment. A name of a step is none, because paths and files are named so: `users/user.json`. Nor is
 * a word behind a dollar: `$count`.
 */
function warnOfMeantSegment(
	segment: PathSegment,
	{ at }: ScalarSource,
	{ names, problems }: Reader,
): void {
	if (typeof segment !== "string") return;
	const [name = "", member] = segment.replace(/^\$\.?/, "").split(".");
	if (member === undefined || !segmentNames.has(name)) return;
	const [meant] = meantReads(segment, [], names);
	if (meant) problems.push(warningOf(meant, at));
}

const segmentNames: ReadonlySet<string> = new Set([
	...clientNames,
	"item",
	"last",
]);

/** `{id}`, `:id` and `<id>`, as other routers write a value in a path. */
function faultOfPlaceholder(literal: string, names: Names): string | null {
	const braced = /^\{{1,2}\s*([\w.]+)\s*\}{1,2}$/.exec(literal)?.[1] ?? null;
	const read = signedRead(literal, names) ?? braced;
	if (read === null || literal.startsWith("$")) return null;
	// A segment may begin with a colon, unless the route has a parameter of that name.
	const isPlain =
		literal.startsWith(":") && !read.endsWith(`.${literal.slice(1)}`);
	if (isPlain) return null;
	return `a value in a path is written \`\${${read}}\`, not \`${literal}\``;
}

function faultOfLiteral(literal: string, segment: PathSegment): string | null {
	if (literal.includes("?")) {
		return "query parameters stand under `query`, not in the path";
	}
	if (/[^A-Za-z0-9\-._~!$&'()*+,;=:@%]/.test(literal)) {
		return `\`${literal}\` is not allowed in a path: percent-encode it`;
	}
	if (/%(?![0-9A-Fa-f]{2})/.test(literal)) {
		return "a `%` in a path is followed by two hexadecimal digits";
	}
	const fault = typeof segment === "string" ? faultOfPath(segment) : null;
	switch (fault) {
		case null:
			return null;
		case "has `.` or `..` as a segment":
			return "a path cannot hold `.` or `..` as a segment";
		default:
			return `this path ${fault}`;
	}
}
