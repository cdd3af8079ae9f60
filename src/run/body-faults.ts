import type { ErrorObject } from "ajv/dist/2020.js";
import type { RequestFault } from "../core/errors.ts";

/** A fault of a body, in the words that faults of parameters have. A missing key is at its own place. */
export function faultOf(error: ErrorObject): RequestFault {
	const { instancePath, keyword, params } = error;
	const missing = keyword === "required" ? `/${params.missingProperty}` : "";
	const at = `body${instancePath}${missing}`;
	return {
		at: at.length > placeLengthMax ? `${at.slice(0, placeLengthMax)}…` : at,
		message: messages[keyword]?.(params) ?? "is invalid",
	};
}

/** The most characters of a place: the keys of a body are the client's. */
const placeLengthMax = 200;

// biome-ignore lint/suspicious/noExplicitAny: each keyword has parameters of its own.
type Message = (params: Record<string, any>) => string;

const messages: Readonly<Record<string, Message>> = {
	required: () => "is required",
	type: ({ type }) =>
		type === "string" ? "is not a text" : `is not of type ${orList(type)}`,
	enum: ({ allowedValues }) => `is not one of ${printed(allowedValues)}`,
	const: ({ allowedValue }) => `is not ${printed([allowedValue])}`,
	minLength: ({ limit }) => `is shorter than ${limit} characters`,
	maxLength: ({ limit }) => `is longer than ${limit} characters`,
	pattern: ({ pattern }) => `does not match ${pattern}`,
	minimum: ({ limit }) => `is less than ${limit}`,
	maximum: ({ limit }) => `is more than ${limit}`,
	exclusiveMinimum: ({ limit }) => `is not more than ${limit}`,
	exclusiveMaximum: ({ limit }) => `is not less than ${limit}`,
	multipleOf: ({ multipleOf }) => `is not a multiple of ${multipleOf}`,
	minItems: ({ limit }) => `needs at least ${limit} values`,
	maxItems: ({ limit }) => `takes at most ${limit} values`,
	items: ({ limit }) => `takes at most ${limit} values`,
	uniqueItems: () => "repeats a value",
	contains: ({ minContains }) =>
		`needs at least ${minContains} values of the declared form`,
	minProperties: ({ limit }) => `needs at least ${limit} keys`,
	maxProperties: ({ limit }) => `takes at most ${limit} keys`,
	additionalProperties: ({ additionalProperty }) =>
		undeclared(additionalProperty),
	unevaluatedProperties: ({ unevaluatedProperty }) =>
		undeclared(unevaluatedProperty),
	unevaluatedItems: ({ len }) => `takes at most ${len} values`,
	propertyNames: () => "has a key that is not allowed",
	dependentRequired: ({ property, missingProperty }) =>
		`needs \`${missingProperty}\` beside \`${property}\``,
	anyOf: () => "has none of the declared forms",
	oneOf: ({ passingSchemas }) =>
		passingSchemas === null
			? "has none of the declared forms"
			: "has more than one of the declared forms",
	not: () => "has a form that is refused",
	if: () => "does not have the form that its other values ask for",
	"false schema": () => "is not allowed",
};

function orList(types: string | readonly string[]): string {
	return [types].flat().join(" or ");
}

function printed(values: readonly unknown[]): string {
	return values
		.map((value) => (typeof value === "string" ? value : JSON.stringify(value)))
		.join(", ");
}

function undeclared(name: string): string {
	const told = name.length > 80 ? `${name.slice(0, 80)}…` : name;
	return `has a key that is not declared: ${told}`;
}
