import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import type {
	FieldConfig,
	FieldSchema,
	RequestConfig,
} from "../config/config.ts";
import { GatewayError, type RequestFault } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { type GatewayRequest, headerOf } from "../core/messages.ts";

/** What expressions read of a request: only what the route declares. */
export interface RequestValues {
	readonly params: Readonly<Record<string, unknown>>;
	readonly query: Readonly<Record<string, unknown>>;
	readonly headers: Readonly<Record<string, unknown>>;
	readonly body: unknown;
}

/** Reads and coerces a request, or throws one `request_invalid` that names all its faults. */
export type ReadRequest = (
	request: GatewayRequest,
	params: Readonly<Record<string, string>>,
	body: Uint8Array | null,
) => RequestValues;

/** Adds the value of one parameter to `values`, or its fault to `faults`. */
type ReadField = (
	raw: readonly string[],
	values: Record<string, unknown>,
	faults: RequestFault[],
) => void;

export function prepareRequest(config: RequestConfig): ReadRequest {
	const params = config.params.map((field) => prepareField("params", field));
	const query = config.query.map((field) => prepareField("query", field));
	const headers = config.headers.map((field) => prepareField("headers", field));
	const readBody = config.body ? prepareBody(config.body) : null;
	return (request, texts, body) => {
		const faults: RequestFault[] = [];
		const values = {
			params: { ...texts } as Record<string, unknown>,
			query: {} as Record<string, unknown>,
			headers: {} as Record<string, unknown>,
			body: null as unknown,
		};
		config.params.forEach(({ name }, index) => {
			params[index]?.([texts[name] ?? ""], values.params, faults);
		});
		if (query.length > 0) {
			const given = queryOf(request.target, config.query, faults);
			query.forEach((read, index) => {
				read(given[index] ?? [], values.query, faults);
			});
		}
		config.headers.forEach(({ wireName }, index) => {
			headers[index]?.(headersOf(request, wireName), values.headers, faults);
		});
		if (readBody) values.body = readBody(request, body, faults);
		if (faults.length > 0) {
			throw new GatewayError("request_invalid", describe(faults), {
				errors: faults,
			});
		}
		return values;
	};
}

/** For the log: places only, for messages may repeat what the client sent. */
function describe(faults: readonly RequestFault[]): string {
	return `invalid: ${faults.map(({ at }) => at).join(", ")}`;
}

/** The texts given for each declared parameter. What cannot be decoded is a fault only where it is declared. */
function queryOf(
	target: string,
	fields: readonly FieldConfig[],
	faults: RequestFault[],
): string[][] {
	const found: string[][] = fields.map(() => []);
	const mark = target.indexOf("?");
	if (mark < 0) return found;
	for (const pair of target.slice(mark + 1).split("&")) {
		const equals = pair.indexOf("=");
		const name = decode(equals < 0 ? pair : pair.slice(0, equals));
		const index = fields.findIndex(({ wireName }) => wireName === name);
		if (index < 0) continue;
		const value = decode(equals < 0 ? "" : pair.slice(equals + 1));
		if (value === null) {
			faults.push({
				at: `query.${name}`,
				message: "is not percent-encoded UTF-8",
			});
		} else found[index]?.push(value);
	}
	return found;
}

/** Null where the text is not percent-encoded UTF-8: it is never read as something it does not say. */
function decode(text: string): string | null {
	try {
		return decodeURIComponent(text.replaceAll("+", " "));
	} catch {
		return null;
	}
}

function headersOf({ headers }: GatewayRequest, name: string): string[] {
	const values: string[] = [];
	for (let at = 0; at < headers.length; at += 2) {
		if (headers[at]?.toLowerCase() === name) values.push(headers[at + 1] ?? "");
	}
	return values;
}

function prepareField(place: string, field: FieldConfig): ReadField {
	const { name, wireName, required, schema } = field;
	const at = `${place}.${place === "headers" ? wireName : name}`;
	const whenAbsent = schema.default ?? null;
	const read =
		schema.type === "array" ? prepareList(schema) : prepareOnly(schema);
	return (raw, values, faults) => {
		values[name] = whenAbsent;
		if (raw.length === 0) {
			if (required) faults.push({ at, message: "is required" });
			return;
		}
		const before = faults.length;
		const value = read(raw, (message) => faults.push({ at, message }));
		if (faults.length === before) values[name] = value;
	};
}

type Say = (message: string) => void;

function prepareOnly(
	schema: FieldSchema,
): (raw: readonly string[], say: Say) => unknown {
	const read = prepareScalar(schema);
	return (raw, say) => {
		if (raw.length > 1) say("is given more than once");
		return read(raw[0] ?? "", say);
	};
}

function prepareList(
	schema: FieldSchema,
): (raw: readonly string[], say: Say) => unknown {
	const read = prepareScalar(schema.items ?? { type: "string" });
	const {
		minItems = 0,
		maxItems = Number.POSITIVE_INFINITY,
		uniqueItems,
	} = schema;
	return (raw, say) => {
		if (raw.length < minItems) say(`needs at least ${minItems} values`);
		if (raw.length > maxItems) {
			say(`takes at most ${maxItems} values`);
			return null;
		}
		const values = raw.map((text) => read(text, say));
		if (uniqueItems && new Set(values).size < values.length)
			say("repeats a value");
		return values;
	};
}

function prepareScalar(
	schema: FieldSchema,
): (text: string, say: Say) => unknown {
	const parse = scalarParsers[schema.type];
	const checks = scalarChecks(schema);
	const wanted = schema.type === "string" ? "a text" : `of type ${schema.type}`;
	return (text, say) => {
		const value = parse?.(text) ?? null;
		if (value === null) {
			say(`is not ${wanted}`);
			return null;
		}
		for (const check of checks) {
			const message = check(value);
			if (message) say(message);
		}
		return value;
	};
}

const scalarParsers: Partial<
	Record<FieldSchema["type"], (text: string) => unknown>
> = {
	string: (text) => text,
	boolean: (text) => (text === "true" ? true : text === "false" ? false : null),
	number: (text) => {
		const number = /^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)
			? Number(text)
			: null;
		return Number.isFinite(number) ? number : null;
	},
	integer: (text) => {
		if (!/^-?\d{1,40}$/.test(text)) return null;
		const number = Number(text);
		// Digits are never lost: what a double cannot hold stays a bigint.
		return Number.isSafeInteger(number) ? number : BigInt(text);
	},
};

type Check = (value: unknown) => string | null;

function scalarChecks(schema: FieldSchema): Check[] {
	const checks: Check[] = [];
	const add = <T>(keyword: T | undefined, make: (keyword: T) => Check) => {
		if (keyword !== undefined) checks.push(make(keyword));
	};
	const rule = (holds: (value: never) => boolean, message: string): Check => {
		return (value) => (holds(value as never) ? null : message);
	};
	add(schema.enum, (allowed) =>
		rule(
			(value: string | number) => allowed.includes(value),
			`is not one of ${allowed.join(", ")}`,
		),
	);
	add(schema.minLength, (least) =>
		rule(
			(text: string) => lengthOf(text) >= least,
			`is shorter than ${least} characters`,
		),
	);
	add(schema.maxLength, (most) =>
		rule(
			(text: string) => lengthOf(text) <= most,
			`is longer than ${most} characters`,
		),
	);
	add(schema.pattern, (pattern) =>
		patternCheck(pattern, schema.maxLength ?? 0),
	);
	add(schema.minimum, (least) =>
		rule((n: number) => n >= least, `is less than ${least}`),
	);
	add(schema.maximum, (most) =>
		rule((n: number) => n <= most, `is more than ${most}`),
	);
	add(schema.exclusiveMinimum, (least) =>
		rule((n: number) => n > least, `is not more than ${least}`),
	);
	add(schema.exclusiveMaximum, (most) =>
		rule((n: number) => n < most, `is not less than ${most}`),
	);
	add(schema.multipleOf, (factor) =>
		rule(
			(n: number) => Number.isInteger(Number(n) / factor),
			`is not a multiple of ${factor}`,
		),
	);
	return checks;
}

/** The pattern sees only texts within `maxLength`: its work stays bounded. */
function patternCheck(pattern: string, lengthMax: number): Check {
	const expression = new RegExp(pattern, "u");
	return (value) => {
		const text = value as string;
		if (lengthOf(text) > lengthMax || expression.test(text)) return null;
		return `does not match ${pattern}`;
	};
}

/** Characters, as JSON Schema counts them: code points. */
function lengthOf(text: string): number {
	let pairs = 0;
	for (let at = 0; at < text.length; at++) {
		const code = text.charCodeAt(at);
		if (code >= 0xd800 && code < 0xdc00 && at + 1 < text.length) pairs++;
	}
	return text.length - pairs;
}

function prepareBody({
	schema,
	required,
}: NonNullable<RequestConfig["body"]>): (
	request: GatewayRequest,
	bytes: Uint8Array | null,
	faults: RequestFault[],
) => unknown {
	const validate = new Ajv2020({ allErrors: true, strict: false }).compile(
		schema,
	);
	return (request, bytes, faults) => {
		if (bytes === null || bytes.length === 0) {
			if (required) faults.push({ at: "body", message: "is required" });
			return null;
		}
		refuseOtherMedia(request);
		const value = readJson(bytes, faults);
		if (value === undefined) return null;
		// ajv knows no bigint: it judges the doubles next to them, the route gets the digits.
		if (!validate(withDoubles(value))) {
			for (const error of validate.errors ?? []) faults.push(faultOf(error));
		}
		return value;
	};
}

function refuseOtherMedia({ headers }: GatewayRequest): void {
	const type = headerOf(headers, "content-type");
	if (type !== null && /^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type))
		return;
	throw new GatewayError(
		"unsupported_media_type",
		"the body is not announced as JSON",
	);
}

function readJson(bytes: Uint8Array, faults: RequestFault[]): unknown {
	try {
		return parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
	} catch (error) {
		const tooDeep =
			error instanceof SyntaxError && error.message.startsWith("nested");
		faults.push({
			at: "body",
			message: tooDeep ? `is ${error.message}` : "is not JSON in UTF-8",
		});
		return undefined;
	}
}

function withDoubles(value: unknown): unknown {
	if (typeof value === "bigint") return Number(value);
	if (Array.isArray(value)) return value.map(withDoubles);
	if (typeof value !== "object" || value === null) return value;
	return Object.fromEntries(
		Object.entries(value).map(([key, inner]) => [key, withDoubles(inner)]),
	);
}

function faultOf(error: ErrorObject): RequestFault {
	return {
		at: `body${error.instancePath}`,
		message: error.message ?? "is invalid",
	};
}
