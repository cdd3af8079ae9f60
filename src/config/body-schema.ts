import type { Ajv2020, ErrorObject } from "ajv/dist/2020.js";
import { createAjv } from "../core/ajv.ts";
import { createPattern } from "../core/pattern.ts";
import { suggest } from "../core/suggest.ts";
import { typeMeant } from "./other-words.ts";

/** A fault of a JSON Schema, at the keys that lead to it. */
export interface SchemaFault {
	readonly path: readonly string[];
	readonly message: string;
}

/** The fault of a schema; null if it is a JSON Schema (2020-12). */
export type FaultOfSchema = (schema: object) => SchemaFault | null;

let ajv: Ajv2020 | null = null;

/**
 * The compiler is made at the first schema of the process, and costs as much as a hundred schemas. It keeps nothing of what
 * it has judged: two schemas of the same `$id` are strangers to each other.
 */
export const faultOfSchema: FaultOfSchema = (schema) => {
	ajv ??= createAjv({
		allErrors: true,
		addUsedSchema: false,
		// Its warnings would go to the console, in its own words.
		strictTypes: false,
		logger: false,
		// Patterns have been judged, and a fault of theirs is no fault of the schema.
		code: { regExp: Object.assign(anyPattern, { code: "" }) },
	});
	try {
		if (ajv.validateSchema(schema) !== true) return firstFault(ajv, schema);
		ajv.compile(schema);
		return null;
	} catch (error) {
		const words = error instanceof Error ? error.message : String(error);
		return faultOfCompiling(words, schema, Object.keys(ajv.RULES.keywords));
	} finally {
		ajv.removeSchema(schema);
	}
};

let judge: Ajv2020 | null = null;

/** The keys that lead to where data do not fit a schema; null if they fit, or if the schema has a fault of its own. */
export function misfitOf(
	schema: object,
	data: unknown,
): readonly string[] | null {
	// As a message is judged when it is published.
	judge ??= createAjv({
		...{ strict: false, validateSchema: false, addUsedSchema: false },
		...{ ownProperties: true, multipleOfPrecision: 12, logger: false },
		code: { regExp: Object.assign(createPattern, { code: "" }) },
	});
	try {
		const fits = judge.compile(schema);
		if (fits(data)) return null;
		const [first] = fits.errors ?? [];
		if (first === undefined) return [];
		const { missingProperty, additionalProperty } = first.params;
		const key = missingProperty ?? additionalProperty;
		const path = keysOf(first.instancePath);
		return typeof key === "string" ? [...path, key] : path;
	} catch {
		return null;
	} finally {
		judge.removeSchema(schema);
	}
}

function keysOf(pointer: string): string[] {
	const keys = pointer.split("/").slice(1);
	return keys.map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function anyPattern(): { test: () => boolean } {
	return { test: () => true };
}

function firstFault({ errors }: Ajv2020, schema: object): SchemaFault {
	const [first] = errors ?? [];
	if (first === undefined) return { path: [], message: noSchema };
	const path = keysOf(first.instancePath);
	const name = path.at(-1) ?? "body";
	return { path, message: `\`${name}\` takes ${wanted(first, path, schema)}` };
}

const noSchema = "this is no JSON Schema of the version 2020-12";

const wordsOfTypes: Readonly<Record<string, string>> = {
	array: "a list",
	boolean: "`true` or `false`",
	integer: "a whole number",
	number: "a number",
	object: "a map",
	string: "a text",
};

function wanted(
	{ keyword, params }: ErrorObject,
	path: readonly string[],
	schema: object,
): string {
	const written = valueAt(schema, path);
	if (keyword === "enum") {
		const meant = typeMeant(written);
		const allowed = (params.allowedValues ?? []) as readonly string[];
		const list = allowed.map((value) => `\`${value}\``).join(", ");
		return meant !== null && allowed.includes(meant)
			? `\`${meant}\` instead of \`${written}\``
			: `one of ${list}`;
	}
	if (keyword === "minimum") return `a number, ${params.limit} or more`;
	if (keyword !== "type") return "another value";
	const types = [params.type].flat() as readonly string[];
	if (types.includes("object") && types.includes("boolean")) {
		const type = typeMeant(written) ?? String(written);
		return wordsOfTypes[type] === undefined
			? "a schema, such as `{ type: string }`"
			: `a schema: write \`{ type: ${type} }\``;
	}
	if (path.at(-1) === "required") {
		return "a list of names, and stands beside `properties`";
	}
	return types.map((type) => wordsOfTypes[type] ?? type).join(" or ");
}

function valueAt(schema: unknown, path: readonly string[]): unknown {
	let value = schema;
	for (const key of path) {
		value = (value as Readonly<Record<string, unknown>> | null)?.[key];
	}
	return value;
}

/** Translates what the compiler throws. */
function faultOfCompiling(
	words: string,
	schema: object,
	known: readonly string[],
): SchemaFault {
	const keyword = /unknown keyword: "(.*)"$/.exec(words)?.[1];
	if (keyword !== undefined) {
		const message = `unknown key \`${keyword}\` in a JSON Schema${suggest(keyword, known)}`;
		return { path: pathTo(keyword, schema) ?? [], message };
	}
	if (words.startsWith("unknown format")) {
		const message =
			"a `format` is not judged here: write a `pattern` and a `maxLength`";
		return { path: pathTo("format", schema) ?? [], message };
	}
	const reference = /^can't resolve reference (\S+)/.exec(words)?.[1];
	if (reference !== undefined) {
		const message = `\`$ref: ${reference}\` leads nowhere: write the schema under \`$defs\`, and \`#/$defs/<name>\``;
		return { path: pathTo("$ref", schema, reference) ?? [], message };
	}
	if (words.startsWith("no schema with key or ref")) {
		const message = "only the version 2020-12 is known: remove `$schema`";
		return { path: ["$schema"], message };
	}
	if (words.startsWith("enum must have")) {
		const path = pathTo("enum", schema) ?? [];
		return { path, message: "`enum` takes at least one value" };
	}
	return { path: [], message: noSchema };
}

/** The way to the first key of this name, with this value if one is given. Null if there is none. */
function pathTo(
	name: string,
	schema: unknown,
	value?: string,
): readonly string[] | null {
	if (typeof schema !== "object" || schema === null) return null;
	for (const [key, inner] of Object.entries(schema)) {
		if (key === name && (value === undefined || inner === value)) return [key];
		const path = pathTo(name, inner, value);
		if (path !== null) return [key, ...path];
	}
	return null;
}
