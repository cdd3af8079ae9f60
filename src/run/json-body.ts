import type { Ajv2020, ErrorObject, ValidateFunction } from "ajv/dist/2020.js";
import type { RequestConfig } from "../config/config.ts";
import { createAjv } from "../core/ajv.ts";
import { Decimal } from "../core/decimal.ts";
import { GatewayError, type RequestFault } from "../core/errors.ts";
import {
	costOfReading,
	type JsonSurvey,
	leastCostOfReading,
	readJson,
	surveyJson,
} from "../core/json.ts";
import { placeOfFault } from "../core/json-place.ts";
import type { RequestMemory } from "../core/memory.ts";
import { createPattern } from "../core/pattern.ts";
import type { LoopTurn } from "../tasks/loop-turn.ts";
import { faultOf } from "./body-faults.ts";

/** The most faults that an answer names. */
export const faultsMax = 16;

/** Of a body up to this length every fault is looked for: there may be tens of thousands, a few megabytes. */
const allFaultsBytesMax = 8 * 1024;

/**
 * So many `$ref`s are followed for a body, and one more for each of its bytes. The branches of a schema that refers to
 * itself double at each level of the body.
 */
const referencesMin = 10_000;

/** Judges a body, as doubles. */
interface BodyCheck {
	/** Stops at the first fault. */
	readonly first: ValidateFunction;
	readonly all: ValidateFunction;
	/** Called before each use, with the body's length. */
	readonly begin: (bytes: number) => void;
}

/** Makes the judge of bodies for a checked schema. */
export type CompileBody = (schema: object) => BodyCheck;

/**
 * Two compilers for all schemas of a gateway, because each costs ten times as much as a schema. Two schemas may have the
 * same `$id`.
 */
export function createBodyCompiler(): CompileBody {
	let compilers: readonly Ajv2020[] | null = null;
	let referencesLeft = 0;
	const follow = () => {
		referencesLeft--;
		if (referencesLeft < 0) throw tooMuch();
		return true;
	};
	return (schema) => {
		compilers ??= [false, true].map((all) => createCompiler(all, follow));
		const counted = counting(schema) as object;
		const [first, all] = compilers.map((ajv) => ajv.compile(counted));
		return {
			first: first as ValidateFunction,
			all: all as ValidateFunction,
			begin: (bytes) => {
				referencesLeft = referencesMin + bytes;
			},
		};
	};
}

function createCompiler(allErrors: boolean, follow: () => boolean): Ajv2020 {
	const ajv = createAjv({
		allErrors,
		strict: false,
		validateSchema: false,
		addUsedSchema: false,
		// Otherwise every body would have a property `constructor`.
		ownProperties: true,
		// As doubles, 0.29 is no multiple of 0.01.
		multipleOfPrecision: 12,
		// Also of `patternProperties`. The code is for a mode that is not used.
		code: { regExp: Object.assign(createPattern, { code: "" }) },
	});
	// Before: behind a reference that fails nothing is looked at any more.
	const before = "$ref";
	ajv.addKeyword({ keyword: counter, before, validate: follow, errors: false });
	// Its own compares each item with each.
	ajv.removeKeyword("uniqueItems");
	ajv.addKeyword({
		keyword: "uniqueItems",
		type: "array",
		schemaType: "boolean",
		validate: (wanted: boolean, items: readonly unknown[]) =>
			!wanted || new Set(items.map(canonical)).size === items.length,
	});
	return ajv;
}

const counter = "sluice:reference";

/** Keywords whose value is data and no schema. */
const dataKeywords = new Set(["const", "default", "enum", "examples"]);

/** The schema, with the counter beside each reference. */
function counting(schema: unknown): unknown {
	if (Array.isArray(schema)) return schema.map(counting);
	if (typeof schema !== "object" || schema === null) return schema;
	const entries = Object.entries(schema).map(([keyword, value]) => [
		keyword,
		dataKeywords.has(keyword) ? value : counting(value),
	]);
	const { $ref, $dynamicRef } = schema as Record<string, unknown>;
	const refers = typeof ($ref ?? $dynamicRef) === "string";
	if (refers) entries.push([counter, true]);
	return Object.fromEntries(entries);
}

function tooMuch(): GatewayError {
	const message = "takes too much work to check against its schema";
	return new GatewayError("request_invalid", `the body ${message}`, {
		errors: [{ at: "body", message }],
	});
}

/** Equal values have the same text, whatever the order of their keys. */
function canonical(value: unknown): string {
	if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
	if (typeof value !== "object" || value === null) return JSON.stringify(value);
	const pairs = Object.entries(value).map(
		([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`,
	);
	return `{${pairs.toSorted().join()}}`;
}

/** A body that was read. */
export interface JsonBody {
	/** Null if there is none, or if it is not JSON. */
	readonly value: unknown;
	/** Why there is no value; null if there is one. */
	readonly fault: RequestFault | null;
	readonly bytes: number;
	readonly survey: JsonSurvey | null;
}

/** Reads a JSON body of at most so many values and keys, and then judges what was read. Both take their time of the turn. */
export interface JsonBodyReader {
	read(
		bytes: Uint8Array,
		valuesMax: number,
		memory: RequestMemory,
		turn: LoopTurn,
	): JsonBody;
	/** Gives the value, and adds its faults to `faults`. */
	judge(body: JsonBody, faults: RequestFault[], turn: LoopTurn): unknown;
}

export function prepareJsonBody(
	{ schema, required }: NonNullable<RequestConfig["body"]>,
	compileBody: CompileBody,
): JsonBodyReader {
	const check = compileBody(schema);
	return {
		read(bytes, valuesMax, memory, turn) {
			if (bytes.length > 0) return readBody(bytes, valuesMax, memory, turn);
			const fault = required ? { at: "body", message: "is required" } : null;
			return { value: null, fault, bytes: 0, survey: null };
		},
		judge(body, faults, turn) {
			const { value, fault, bytes, survey } = body;
			if (fault !== null) faults.push(fault);
			if (survey === null) return null;
			// A pattern takes 75 ns for a character, and up to 300 ns for a short text.
			turn.spent += 2 * survey.values + (bytes >>> 2);
			const errors = errorsOf(body, check);
			for (const error of errors.slice(0, faultsMax)) {
				faults.push(faultOf(error));
			}
			return value;
		},
	};
}

function readBody(
	bytes: Uint8Array,
	valuesMax: number,
	memory: RequestMemory,
	turn: LoopTurn,
): JsonBody {
	const { length } = bytes;
	const survey = surveyJson(bytes);
	if (survey.values > valuesMax) throw tooManyValues(valuesMax);
	const refusal = memory.takeBody(survey.memory);
	if (refusal !== null) throw refusal;
	turn.spent += costOfReading(survey, length);
	try {
		const value = readJson(bytes, survey);
		return { value, fault: null, bytes: length, survey };
	} catch (error) {
		const fault = { at: "body", message: wordsOf(error, bytes) };
		// The place was looked for, too.
		turn.spent += leastCostOfReading(length);
		return { value: null, fault, bytes: length, survey: null };
	}
}

/** What is wrong, and where. Never what stands there, because the answer may be shown to others. */
function wordsOf(error: unknown, bytes: Uint8Array): string {
	if (!(error instanceof SyntaxError)) return "is not in UTF-8";
	if (error.message.startsWith("nested")) return `is ${error.message}`;
	if (isAboutNumber(error)) return `is JSON in which ${error.message}`;
	const place = placeOfFault(bytes);
	return place === null
		? "is not JSON"
		: `is not JSON: line ${place.line}, column ${place.column}`;
}

function isAboutNumber(error: unknown): error is SyntaxError {
	return error instanceof SyntaxError && error.message.startsWith("a number");
}

function tooManyValues(valuesMax: number): GatewayError {
	const message = `has more than ${valuesMax} values and keys`;
	return new GatewayError(
		"request_too_large",
		`the body ${message} (\`server.maxValues\`)`,
		{ errors: [{ at: "body", message }] },
	);
}

/** ajv knows no bigint and no decimal. It judges the doubles next to them, and the route gets the digits. */
function errorsOf(
	{ value, bytes, survey }: JsonBody,
	{ first, all, begin }: BodyCheck,
): readonly ErrorObject[] {
	// To look for bigints in a map of many keys takes as long as to read it.
	const judged = survey?.longNumbers ? withDoubles(value) : value;
	begin(bytes);
	if (first(judged)) return [];
	if (bytes > allFaultsBytesMax) return first.errors ?? [];
	begin(bytes);
	all(judged);
	return all.errors ?? [];
}

/** The value itself if there is no long number in it: copying a large one takes longer than judging it. */
function withDoubles(value: unknown): unknown {
	return hasLongNumber(value) ? copyWithDoubles(value) : value;
}

function hasLongNumber(value: unknown): boolean {
	if (typeof value !== "object" || value === null) {
		return typeof value === "bigint";
	}
	if (value instanceof Decimal) return true;
	return Array.isArray(value)
		? value.some(hasLongNumber)
		: Object.values(value).some(hasLongNumber);
}

function copyWithDoubles(value: unknown): unknown {
	if (typeof value === "bigint" || value instanceof Decimal) {
		return Number(value);
	}
	if (Array.isArray(value)) return value.map(copyWithDoubles);
	if (typeof value !== "object" || value === null) return value;
	return Object.fromEntries(
		Object.entries(value).map(([key, inner]) => [key, copyWithDoubles(inner)]),
	);
}
