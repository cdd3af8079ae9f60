import { allRead } from "../core/all-read.ts";
import { isToken } from "../core/http/headers.ts";
import { faultOfPattern } from "../core/pattern.ts";
import type { FaultOfSchema } from "./body-schema.ts";
import type { FieldConfig, FieldSchema, RequestConfig } from "./config.ts";
import { fieldSchemas, fileSchema } from "./keys/parameter.ts";
import { requestKeys } from "./keys/request.ts";
import { unknownAmong } from "./names.ts";
import { typeMeant } from "./other-words.ts";
import type { Problem } from "./problem.ts";
import { checkShape, entryOf, plainOf, sourceAt } from "./shape.ts";
import type { EntrySource, MapSource, Source } from "./source.ts";

const formSchemas = { ...fieldSchemas, file: fileSchema };
type Type = keyof typeof formSchemas;

const types = Object.keys(fieldSchemas) as Type[];
/** The types of a form's fields. */
const formTypes = Object.keys(formSchemas) as Type[];

export interface RequestContext {
	readonly problems: Problem[];
	readonly faultOfSchema: FaultOfSchema;
}

/** Of use only where no problem was added. A null `source` declares nothing. Null `params` are not known. */
export function checkRequest(
	source: Source | null,
	params: readonly string[] | null,
	context: RequestContext,
): RequestConfig {
	const { problems } = context;
	const judged = { what: "`request`", problems };
	const read = requestKeys.read(source, judged, {});
	const { params: written, query, headers, cookies, ...bodies } = read;
	const { body, "body?": bodyOrNull, ...others } = bodies;
	const {
		form,
		"form?": formOrNull,
		text,
		"text?": textOrNull,
		...rest
	} = others;
	const { bytes, "bytes?": bytesOrNull, ...unread } = rest;
	allRead(unread);
	refuseTwoKinds(source, problems);
	const fields = (
		holder: MapSource | null,
		check = nothingMore,
		allowed = types,
	) =>
		(holder?.entries ?? []).map((entry) =>
			checkField(entry, check, problems, allowed),
		);
	const formFields = form ?? formOrNull;
	return {
		params: fields(written, (name) =>
			(params?.includes(name) ?? true)
				? null
				: unknownAmong("path parameter", name, params ?? []),
		),
		query: fields(query),
		headers: fields(headers, (name) =>
			isToken(name) ? null : `\`${name}\` cannot be a header's name`,
		).map((field) => ({
			...field,
			wireName: field.wireName.toLowerCase(),
			name: field.name.toLowerCase().replaceAll("-", "_"),
		})),
		cookies: fields(cookies, (name) =>
			isToken(name) ? null : `\`${name}\` cannot be a cookie's name`,
		).map((field) => ({ ...field, name: field.name.replaceAll("-", "_") })),
		body: checkBody(body, bodyOrNull, context),
		form: formFields && {
			fields: fields(formFields, nothingMore, formTypes),
			required: form !== null,
		},
		text: checkText(text ?? textOrNull, text !== null, problems),
		bytes: checkBytes(bytes ?? bytesOrNull, bytes !== null),
	};
}

const bodyKeys = ["body", "form", "text", "bytes"] as const;

/** A body is read as JSON or as a form, and besides as it came. */
function refuseTwoKinds(source: Source | null, problems: Problem[]): void {
	const find = (name: string) =>
		entryIn(source, name) ?? entryIn(source, `${name}?`);
	for (const name of bodyKeys) {
		const optional = entryIn(source, `${name}?`);
		if (entryIn(source, name) === null || optional === null) continue;
		const message = `\`${name}\` and \`${name}?\` are the same: keep one`;
		problems.push({ at: optional.at, message });
	}
	const body = find("body");
	const form = find("form");
	if (body !== null && form !== null) {
		const message = "a body is JSON or a form: keep `body` or `form`";
		problems.push({ at: form.at, message });
	}
	const typed = body ?? form;
	let first: EntrySource | null = null;
	for (const name of ["text", "bytes"]) {
		const entry = find(name);
		const own = entryIn(entry?.value ?? null, "types");
		if (own === null) continue;
		const other = typed ?? first;
		first ??= entry;
		if (other === null) continue;
		const message = `remove \`types\`: the types are those of \`${other.key}\``;
		problems.push({ at: own.at, message });
	}
}

function entryIn(source: Source | null, key: string): EntrySource | null {
	return source?.kind === "map" ? (source.entryOf(key) ?? null) : null;
}

function checkText(
	source: Source | null,
	required: boolean,
	problems: Problem[],
): RequestConfig["text"] {
	if (source === null) return null;
	checkPatterns(source, problems);
	const { types = null, ...schema } = plainOf(source) as {
		readonly types?: readonly string[];
	};
	return { schema: { type: "string", ...schema }, types, required };
}

function checkBytes(
	source: Source | null,
	required: boolean,
): RequestConfig["bytes"] {
	if (source === null) return null;
	const { types = null, maxSize = null } = plainOf(source) as {
		readonly types?: readonly string[];
		readonly maxSize?: string;
	};
	return { maxSize, types, required };
}

function nothingMore(_name: string): Problem["message"] | null {
	return null;
}

function checkField(
	{ key, at, value: source }: EntrySource,
	check: (name: string) => Problem["message"] | null,
	problems: Problem[],
	allowed: readonly Type[],
): FieldConfig {
	const name = key.replace(/\?$/, "");
	const message = check(name);
	if (message) problems.push({ at, message });
	const schema = checkFieldSchema(name, source, problems, allowed);
	const fault = schema ? faultOfDefault(schema) : null;
	if (fault)
		problems.push({
			at: (entryOf(source, "default") ?? source).at,
			message: fault,
		});
	return {
		name,
		wireName: name,
		required: !key.endsWith("?") && entryOf(source, "default") === null,
		schema: schema ?? { type: "string" },
	};
}

/** The written `type` chooses the branch, so that the message is about the type that was meant. */
function checkFieldSchema(
	name: string,
	source: Source,
	problems: Problem[],
	allowed: readonly Type[],
): FieldSchema | null {
	const type = entryOf(source, "type");
	const meant = type === null ? null : plainOf(type);
	const found = allowed.find((one) => one === meant);
	if (found === undefined) {
		problems.push({
			at: (type ?? source).at,
			message: `\`${name}\` needs a \`type\`${cureOfType(name, source, allowed)}`,
		});
		return null;
	}
	const shaped = checkShape(formSchemas[found], source, {
		what:
			found === "file" ? "a file of a form" : `a parameter of type ${found}`,
		problems,
	});
	checkPatterns(source, problems);
	const items = entryOf(source, "items");
	if (found === "array" && items) {
		const scalars = allowed.filter((one) => one !== "array");
		if (!checkFieldSchema(name, items, problems, scalars)) return null;
	}
	return shaped ? (plainOf(source) as FieldSchema) : null;
}

function cureOfType(
	name: string,
	source: Source,
	allowed: readonly string[],
): string {
	const written = plainOf(entryOf(source, "type") ?? source);
	const meant = allowed.find((one) => one === written) ?? typeMeant(written);
	if (meant === null || !allowed.includes(meant)) {
		return `: one of ${allowed.map((one) => `\`${one}\``).join(", ")}`;
	}
	return source.kind === "map"
		? `: write \`type: ${meant}\``
		: `: write \`${name}: { type: ${meant} }\``;
}

function faultOfDefault({ type, ...schema }: FieldSchema): string | null {
	if (schema.default === undefined) return null;
	const fits =
		type === "integer"
			? Number.isInteger(schema.default)
			: type === "array"
				? Array.isArray(schema.default)
				: typeof schema.default === type;
	return fits ? null : `\`default\` is not of type ${type}`;
}

function checkBody(
	required: MapSource | null,
	optional: MapSource | null,
	context: RequestContext,
): RequestConfig["body"] {
	const body = required ?? optional;
	const schema = body && checkSchema(body, context);
	return schema && { schema, required: required !== null };
}

/** A JSON Schema that takes bounded time. Null if it was refused. */
export function checkSchema(
	source: MapSource,
	{ problems, faultOfSchema }: RequestContext,
): object | null {
	checkPatterns(source, problems);
	const schema = plainOf(source) as object;
	const fault = faultOfSchema(schema);
	if (fault === null) return schema;
	const { path, message } = fault;
	problems.push({ at: sourceAt(source, path).source.at, message });
	return null;
}

/** Every pattern in a schema must be one that takes bounded time. */
function checkPatterns(source: Source, problems: Problem[]): void {
	if (source.kind === "list") {
		for (const item of source.items) checkPatterns(item, problems);
	}
	if (source.kind === "function") {
		const message = "a function is no part of a JSON Schema";
		problems.push({ at: source.at, message });
	}
	if (source.kind !== "map") return;
	for (const { key, value } of source.entries) {
		if (key === "patternProperties") checkNames(value, problems);
		if (key !== "pattern" || value.kind !== "scalar") {
			checkPatterns(value, problems);
			continue;
		}
		const bounded = entryOf(source, "maxLength") !== null;
		const message = faultOfPattern(value.text) ?? (bounded ? null : unbounded);
		if (message) problems.push({ at: value.at, message });
	}
}

const unbounded =
	"a `pattern` needs a `maxLength` beside it, to bound its work";

/** The names of `patternProperties` are patterns. */
function checkNames(source: Source, problems: Problem[]): void {
	if (source.kind !== "map") return;
	for (const { key, at } of source.entries) {
		const message = faultOfPattern(key);
		if (message) problems.push({ at, message });
	}
}
