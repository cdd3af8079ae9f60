import type { FieldConfig, FieldSchema } from "../config/config.ts";
import { Decimal, digitsMax, keepsDigits } from "../core/decimal.ts";
import type { RequestFault } from "../core/errors.ts";
import { createPattern } from "../core/pattern.ts";

/** The values given for one parameter, mostly texts; null for one that is not UTF-8. */
export type Given<One = string> = readonly (One | null)[];

/** Adds the value of one parameter to `values`, or its faults to `faults`. */
export type ReadField<One = string> = (
	given: Given<One>,
	values: Record<string, unknown>,
	faults: RequestFault[],
) => void;

/** Adds the fault of a value. */
export type Say = (message: string) => void;

/** Reads one value; null if it has a fault. */
export type ReadOne<One> = (given: One, say: Say) => unknown;

/** Coerces a parameter to its declared type. `place` begins its name in faults: `query`. */
export function prepareField(place: string, field: FieldConfig): ReadField {
	return prepareGiven(place, field, prepareScalar);
}

/** As `prepareField`, for values that may be something else than texts: `prepareOne` reads a single one. */
export function prepareGiven<One>(
	place: string,
	field: FieldConfig,
	prepareOne: (schema: FieldSchema) => ReadOne<One>,
): ReadField<One> {
	const { name, wireName, required, schema } = field;
	const at = `${place}.${place === "headers" ? wireName : name}`;
	const whenAbsent = schema.default ?? null;
	const coded = place === "form" ? "" : "percent-encoded ";
	const read =
		schema.type === "array"
			? prepareList(schema, prepareOne)
			: prepareOnly(prepareOne(schema));
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
		} else say(`is not ${coded}UTF-8`);
		for (const message of said) faults.push({ at, message });
	};
}

function isDecoded<One>(given: Given<One>): given is readonly One[] {
	return !given.includes(null);
}

function prepareOnly<One>(read: ReadOne<One>): ReadOne<readonly One[]> {
	return (given, say) => {
		if (given.length > 1) say("is given more than once");
		return read(given[0] as One, say);
	};
}

function prepareList<One>(
	schema: FieldSchema,
	prepareOne: (schema: FieldSchema) => ReadOne<One>,
): ReadOne<readonly One[]> {
	const read = prepareOne(schema.items ?? { type: "string" });
	const {
		minItems = 0,
		maxItems = Number.POSITIVE_INFINITY,
		uniqueItems,
	} = schema;
	return (given, say) => {
		if (given.length < minItems) say(`needs at least ${minItems} values`);
		if (given.length > maxItems) {
			say(`takes at most ${maxItems} values`);
			return null;
		}
		const values = given.map((one) => read(one, say));
		const valid = values.filter((value) => value !== null);
		const told = valid.map((value) =>
			value instanceof Decimal ? value.text : value,
		);
		if (uniqueItems && new Set(told).size < told.length) {
			say("repeats a value");
		}
		return values;
	};
}

/** Reads a text as a value of a scalar type, and checks it. */
export function prepareScalar(schema: FieldSchema): ReadOne<string> {
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
		if (text.length > digitsMax) return null;
		const number = /^-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)
			? Number(text)
			: null;
		if (number === null || !Number.isFinite(number)) return null;
		return isJsonNumber(text) && !keepsDigits(text, number)
			? new Decimal(text)
			: number;
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

/** The form of JSON, in which a decimal is printed again. */
function isJsonNumber(text: string): boolean {
	return /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text);
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
