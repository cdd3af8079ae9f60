import type {
	FieldConfig,
	FieldSchema,
	RequestConfig,
} from "../config/config.ts";
import { GatewayError, type RequestFault } from "../core/errors.ts";
import { allHeadersOf, decodedValue } from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { createPattern } from "../core/pattern.ts";
import type { LoopTurn } from "../tasks/loop-turn.ts";
import {
	type CompileBody,
	faultsMax,
	type JsonBody,
	type JsonBodyReader,
	prepareJsonBody,
} from "./json-body.ts";

/** The values of a request that expressions read: only those that the route declares. */
export interface RequestValues {
	readonly params: Readonly<Record<string, unknown>>;
	readonly query: Readonly<Record<string, unknown>>;
	readonly headers: Readonly<Record<string, unknown>>;
	readonly cookies: Readonly<Record<string, unknown>>;
	readonly body: unknown;
}

/** How a route's requests are read. */
export interface RequestReader {
	/** Reads the body, before the rest is looked at. Null if the route declares none. */
	readonly readBody: JsonBodyReader["read"] | null;
	/** Reads and coerces a request. Throws one `request_invalid` that names all its faults. */
	readonly read: (
		request: GatewayRequest,
		params: Readonly<Record<string, string>>,
		body: JsonBody | null,
		turn: LoopTurn,
	) => RequestValues;
}

/** The texts given for one parameter; null for one that is not percent-encoded UTF-8. */
type Given = readonly (string | null)[];

/** Adds the value of one parameter to `values`, or its faults to `faults`. */
type ReadField = (
	given: Given,
	values: Record<string, unknown>,
	faults: RequestFault[],
) => void;

/** Reads the declared values, and every path parameter. All faults are found before it throws `request_invalid`. */
export function prepareRequest(
	config: RequestConfig,
	compileBody: CompileBody,
): RequestReader {
	const params = config.params.map((field) => prepareField("params", field));
	const query = config.query.map((field) => prepareField("query", field));
	const headers = config.headers.map((field) => prepareField("headers", field));
	const cookies = config.cookies.map((field) => prepareField("cookies", field));
	const bodies = config.body && prepareJsonBody(config.body, compileBody);
	const read: RequestReader["read"] = (request, texts, body, turn) => {
		const faults: RequestFault[] = [];
		const values = {
			params: { ...texts } as Record<string, unknown>,
			query: {} as Record<string, unknown>,
			headers: {} as Record<string, unknown>,
			cookies: {} as Record<string, unknown>,
			body: null as unknown,
		};
		config.params.forEach(({ name }, index) => {
			params[index]?.([texts[name] ?? ""], values.params, faults);
		});
		if (query.length > 0) {
			const given = queryOf(request.target, config.query);
			query.forEach((read, index) => {
				read(given[index] ?? [], values.query, faults);
			});
		}
		config.headers.forEach(({ wireName }, index) => {
			headers[index]?.(
				allHeadersOf(request.headers, wireName).map(decodedValue),
				values.headers,
				faults,
			);
		});
		config.cookies.forEach(({ wireName }, index) => {
			const given = cookiesOf(request, wireName);
			cookies[index]?.(given, values.cookies, faults);
		});
		if (bodies && body) values.body = bodies.judge(body, faults, turn);
		if (faults.length > 0) {
			const errors = faults.slice(0, faultsMax);
			throw new GatewayError("request_invalid", describe(errors), { errors });
		}
		return values;
	};
	return { read, readBody: bodies && bodies.read };
}

/** For the log: only where the faults are, because messages may repeat the client's input. */
function describe(faults: readonly RequestFault[]): string {
	const places = new Set(faults.map(({ at }) => at));
	return `invalid: ${[...places].join(", ")}`;
}

/** The texts given for each declared parameter. Others are not looked at. */
function queryOf(target: string, fields: readonly FieldConfig[]): Given[] {
	const found: (string | null)[][] = fields.map(() => []);
	const mark = target.indexOf("?");
	if (mark < 0) return found;
	for (const pair of target.slice(mark + 1).split("&")) {
		const equals = pair.indexOf("=");
		const name = decode(equals < 0 ? pair : pair.slice(0, equals));
		const index = fields.findIndex(({ wireName }) => wireName === name);
		if (index < 0) continue;
		found[index]?.push(decode(equals < 0 ? "" : pair.slice(equals + 1)));
	}
	return found;
}

/** Null if the text is not percent-encoded UTF-8, so that it is never read as another text. */
function decode(text: string): string | null {
	if (!text.includes("%") && !text.includes("+")) return text;
	try {
		return decodeURIComponent(text.replaceAll("+", " "));
	} catch {
		return null;
	}
}

/** RFC 6265, 4.2: pairs between semicolons. A value may stand in quotes, which are not part of it. */
function cookiesOf(request: GatewayRequest, name: string): string[] {
	const pairs = allHeadersOf(request.headers, "cookie").flatMap((line) =>
		line.split(";"),
	);
	return pairs.flatMap((pair) => {
		const equals = pair.indexOf("=");
		if (equals < 0 || pair.slice(0, equals).trim() !== name) return [];
		return [
			pair
				.slice(equals + 1)
				.trim()
				.replace(/^"(.*)"$/, "$1"),
		].map(decodedValue);
	});
}

function prepareField(place: string, field: FieldConfig): ReadField {
	const { name, wireName, required, schema } = field;
	const at = `${place}.${place === "headers" ? wireName : name}`;
	const whenAbsent = schema.default ?? null;
	const read =
		schema.type === "array" ? prepareList(schema) : prepareOnly(schema);
	return (given, values, faults) => {
		values[name] = whenAbsent;
		const said: string[] = [];
		// Many items of a list may have the same fault.
		const say = (message: string) => {
			if (!said.includes(message)) said.push(message);
		};
		if (isDecoded(given)) {
			if (given.length > 0) values[name] = read(given, say);
			else if (required) say("is required");
		} else say("is not percent-encoded UTF-8");
		for (const message of said) faults.push({ at, message });
	};
}

function isDecoded(given: Given): given is readonly string[] {
	return !given.includes(null);
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
		const valid = values.filter((value) => value !== null);
		if (uniqueItems && new Set(valid).size < valid.length) {
			say("repeats a value");
		}
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
		if (/^-?\d+$/.test(text)) return parseInteger(text);
		// No digit can belong to two repeats, so the time grows with the text alone.
		const number = /^-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)
			? Number(text)
			: null;
		return Number.isFinite(number) ? number : null;
	},
	integer: parseInteger,
};

/** No digit is lost: an integer that a double would not print as it came is a bigint, as in JSON. */
function parseInteger(text: string): number | bigint | null {
	if (!/^-?\d{1,40}$/.test(text)) return null;
	const number = Number(text);
	const exact = Number.isSafeInteger(number) || String(number) === text;
	return exact ? number : BigInt(text);
}

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
			(n: number | bigint) => isMultiple(n, factor),
			`is not a multiple of ${factor}`,
		),
	);
	return checks;
}

/** As doubles 0.29 / 0.01 is 28.999999999999996: both numbers and the division lose half a unit in the last place. */
function isMultiple(n: number | bigint, factor: number): boolean {
	if (Number.isInteger(factor)) {
		return typeof n === "bigint" ? n % BigInt(factor) === 0n : n % factor === 0;
	}
	const times = Number(n) / factor;
	const off = Math.abs(times - Math.round(times));
	return off <= 2 * Number.EPSILON * Math.abs(times);
}

/** The pattern sees only texts within `maxLength`, so its work stays bounded. */
function patternCheck(pattern: string, lengthMax: number): Check {
	const own = createPattern(pattern);
	return (value) => {
		const text = value as string;
		if (lengthOf(text) > lengthMax || own.test(text)) return null;
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
