/**
 * JavaScript as the oracle: the same source, parsed by acorn and printed again, with every member access, call, operator
 * and spread going through a small function that states where the language differs: there is only null, own properties
 * only, and what JavaScript would silently convert fails. Everything else is the engine's own.
 */
import { createHash } from "node:crypto";
import {
	type AnyNode,
	type ArrowFunctionExpression,
	type CallExpression,
	type Pattern,
	parseExpressionAt,
} from "acorn";

/** Why the oracle fails, in the words of the error codes. */
export class Failure extends Error {
	readonly code: "reference_missing" | "step_failed";

	constructor(code: "reference_missing" | "step_failed") {
		super(code);
		this.code = code;
	}
}

/** What JavaScript makes of an expression, or the failure. `seen` is told each operator, method and function reached. */
export function evaluateByOracle(
	source: string,
	data: Readonly<Record<string, unknown>>,
	seen: (construct: string) => void,
): unknown {
	const node = parseExpressionAt(source, 0, { ecmaVersion: 2025 });
	const body = `"use strict"; return (${print(node)});`;
	const names = Object.keys(data);
	const run = new Function("$", ...names, body);
	const value = run(runtime(seen), ...names.map((name) => data[name]));
	for (const construct of constructsOf(node)) seen(construct);
	return value;
}

/** The kinds of nodes a program is made of; logical operators by their sign. */
function* constructsOf(node: object): Generator<string> {
	const { type, operator } = node as { type?: string; operator?: string };
	if (type) yield type === "LogicalExpression" ? `${operator}` : type;
	for (const part of Object.values(node)) {
		if (typeof part === "object" && part !== null) yield* constructsOf(part);
	}
}

/* Printing */

const quote = (text: string) => JSON.stringify(text);

function print(node: AnyNode): string {
	switch (node.type) {
		case "Literal":
			return typeof node.value === "string" ? quote(node.value) : `${node.raw}`;
		case "Identifier":
			return node.name;
		case "ChainExpression":
			return print(node.expression);
		case "MemberExpression":
			return printMember(node);
		case "CallExpression":
			return printCall(node);
		case "UnaryExpression":
			return node.operator === "!"
				? `(!${print(node.argument)})`
				: `$.sign(${quote(node.operator)}, ${print(node.argument)})`;
		case "BinaryExpression":
			return `$.operate(${quote(node.operator)}, ${print(node.left)}, ${print(node.right)})`;
		case "LogicalExpression":
			return `(${print(node.left)} ${node.operator} ${print(node.right)})`;
		case "ConditionalExpression":
			return `(${print(node.test)} ? ${print(node.consequent)} : ${print(node.alternate)})`;
		case "TemplateLiteral": {
			const parts = node.quasis.flatMap((quasi, index) => {
				const hole = node.expressions[index];
				const text = quote(quasi.value.cooked ?? "");
				return hole ? [text, `$.text(${print(hole)})`] : [text];
			});
			return `(${parts.join(" + ")})`;
		}
		case "ArrayExpression":
			return `[${node.elements.map((item) => (item ? print(item) : "null")).join(", ")}]`;
		case "SpreadElement":
			return `...$.spread(${print(node.argument)})`;
		case "ObjectExpression":
			return `({ ${node.properties.map(printProperty).join(", ")} })`;
		case "ArrowFunctionExpression":
			return printArrow(node);
		default:
			throw new Error(`the generator made a ${node.type}`);
	}
}

function printMember(node: AnyNode & { type: "MemberExpression" }): string {
	const { object, property, computed } = node;
	if (object.type === "Identifier" && object.name === "Math") {
		return `Math.${(property as { name: string }).name}`;
	}
	const key = computed
		? `() => ${print(property)}`
		: `() => ${quote((property as { name: string }).name)}`;
	return `$.get(${print(object)}, ${key})`;
}

function printProperty(node: AnyNode): string {
	// In an object, unlike in a list, JavaScript spreads anything, and null as nothing.
	if (node.type === "SpreadElement") return `...${print(node.argument)}`;
	if (node.type !== "Property") throw new Error(node.type);
	const key = node.computed
		? `[$.text(${print(node.key)})]`
		: printKey(node.key);
	return `${key}: ${print(node.value)}`;
}

function printKey(key: AnyNode): string {
	return key.type === "Identifier" ? quote(key.name) : print(key);
}

const namespaces = new Set(["Array", "JSON", "Math", "Object"]);

function printCall(node: CallExpression): string {
	const { callee } = node;
	const args = node.arguments.map(printArgument).join(", ");
	if (callee.type === "Identifier" && callee.name === "uuid") {
		return `$.apply("uuid", [${args}, request.id])`;
	}
	if (callee.type === "Identifier") {
		return `$.apply(${quote(callee.name)}, [${args}])`;
	}
	if (callee.type !== "MemberExpression") throw new Error(callee.type);
	const { name } = callee.property as { name: string };
	const { object } = callee;
	return object.type === "Identifier" && namespaces.has(object.name)
		? `$.apply(${quote(`${object.name}.${name}`)}, [${args}])`
		: `$.call(${print(object)}, ${quote(name)}, () => [${args}])`;
}

/** `list.map(String)`: the function by its name. */
function printArgument(node: AnyNode): string {
	const isFunction =
		node.type === "Identifier" &&
		["String", "Number", "Boolean", "escapeXml", "sha256"].includes(node.name);
	if (node.type === "Identifier" && node.name === "uuid") {
		return `(x) => $.apply("uuid", [x, request.id])`;
	}
	return isFunction ? `(x) => $.apply(${quote(node.name)}, [x])` : print(node);
}

/** Parameters are bound one after the other, through the same functions as everything else. */
function printArrow(node: ArrowFunctionExpression): string {
	const bindings = node.params.flatMap((parameter, index) =>
		parameter.type === "RestElement"
			? printBinding(parameter.argument, `$given.slice(${index})`)
			: printBinding(parameter, `$.orNull($given[${index}])`),
	);
	return `((...$given) => { ${bindings.join(" ")} return ${print(node.body)}; })`;
}

let bound = 0;

function printBinding(node: Pattern, value: string): string[] {
	switch (node.type) {
		case "Identifier":
			return [`const ${node.name} = ${value};`];
		case "AssignmentPattern":
			return printBinding(node.left, `(${value} ?? ${print(node.right)})`);
		case "ObjectPattern": {
			const whole = `$bound${bound++}`;
			const keys: string[] = [];
			const bindings = node.properties.flatMap((property) => {
				if (property.type === "RestElement") {
					return printBinding(
						property.argument,
						`$.without(${whole}, [${keys.join(", ")}])`,
					);
				}
				const key = property.computed
					? print(property.key)
					: printKey(property.key);
				keys.push(key);
				return printBinding(property.value, `$.get(${whole}, () => ${key})`);
			});
			return [`const ${whole} = ${value};`, ...bindings];
		}
		case "ArrayPattern": {
			const whole = `$bound${bound++}`;
			const bindings = node.elements.flatMap((item, index) => {
				if (item === null) return [];
				return item.type === "RestElement"
					? printBinding(item.argument, `${whole}.slice(${index})`)
					: printBinding(item, `$.orNull(${whole}[${index}])`);
			});
			return [`const ${whole} = [...$.spread(${value})];`, ...bindings];
		}
		default:
			throw new Error(`the generator made a ${node.type} parameter`);
	}
}

/* Running */

type Arrow = (...given: unknown[]) => unknown;

const orNull = (value: unknown) => (value === undefined ? null : value);

function wrong(value: unknown): never {
	throw new Failure(value === null ? "reference_missing" : "step_failed");
}

function text(value: unknown): string {
	return typeof value === "object" ? wrong(value) : String(value);
}

function number(value: unknown): number {
	return typeof value === "number" ? value : wrong(value);
}

function list(value: unknown): readonly unknown[] {
	return Array.isArray(value) ? value : wrong(value);
}

function xmlName(name: string): string {
	return /^[\p{L}:_][\p{L}\p{N}:._-]*$/u.test(name) ? name : wrong("");
}

function elements(name: string, value: unknown): string {
	const tag = xmlName(name);
	const items: readonly unknown[] = Array.isArray(value) ? value : [value];
	return items
		.map((item) => {
			const own =
				typeof item === "object" && item !== null && !Array.isArray(item)
					? Object.entries(item)
					: [["#text", text(item)] as const];
			const attributes = own
				.filter(([key]) => key.startsWith("@"))
				.map(
					([key, of]) =>
						` ${xmlName(key.slice(1))}="${escaped(text(of), true)}"`,
				);
			const inside = own
				.filter(([key]) => !key.startsWith("@"))
				.map(([key, of]) =>
					key === "#text" ? escaped(text(of), false) : elements(key, of),
				)
				.join("");
			const begin = `<${tag}${attributes.join("")}`;
			return inside === "" ? `${begin}/>` : `${begin}>${inside}</${tag}>`;
		})
		.join("");
}

function escaped(of: string, attribute: boolean): string {
	const made = String(apply("escapeXml", [of])).replaceAll("\r", "&#13;");
	return attribute
		? made.replaceAll("\n", "&#10;").replaceAll("\t", "&#9;")
		: made;
}

function map(value: unknown): Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value)
		? (value as Record<string, unknown>)
		: wrong(value);
}

function finite(value: unknown): unknown {
	if (typeof value === "number" && !Number.isFinite(value)) wrong(value);
	return value;
}

/** The engine's own result; where it throws, the program fails. */
function guarded<Result>(run: () => Result): Result {
	try {
		return run();
	} catch (error) {
		if (error instanceof Failure) throw error;
		throw new Failure("step_failed");
	}
}

function get(value: unknown, keyOf: () => unknown): unknown {
	if (value === null) return null;
	const key = keyOf();
	if (key === null) return null;
	const name = text(key);
	return Object.hasOwn(Object(value), name)
		? orNull((value as Record<string, unknown>)[name])
		: null;
}

function spread(value: unknown): Iterable<unknown> {
	if (value === null) return [];
	return Array.isArray(value) || typeof value === "string"
		? value
		: wrong(value);
}

function without(value: unknown, keys: readonly unknown[]): unknown {
	const left: Record<string, unknown> = { ...(value as object) };
	for (const key of keys) if (key !== null) delete left[String(key)];
	return left;
}

function operate(operator: string, a: unknown, b: unknown): unknown {
	const kinds = `${typeof a} ${typeof b}`;
	const mixed = /^(?:number bigint|bigint number)$/.test(kinds);
	const same = mixed ? a == b : a === b;
	if (operator === "===") return same;
	if (operator === "!==") return !same;
	const joins = operator === "+" && /string/.test(kinds);
	const orders = /[<>]/.test(operator);
	const fits =
		/^(?:number number|bigint bigint)$/.test(kinds) ||
		(orders && /^(?:string string|number bigint|bigint number)$/.test(kinds)) ||
		(joins && !/object/.test(kinds));
	if (!fits) {
		if (a === null || b === null) throw new Failure("reference_missing");
		throw new Failure("step_failed");
	}
	if (operator === "**" && typeof b === "bigint" && b > 1000n) wrong(b);
	const compute = new Function("a", "b", `return a ${operator} b`);
	const result = guarded(() => compute(a, b));
	if (typeof result === "bigint" && result.toString(2).length > 4096) wrong(0);
	return finite(result);
}

function sign(operator: string, value: unknown): unknown {
	if (operator === "-" && typeof value === "bigint") return -value;
	return operator === "-" ? -number(value) : +number(value);
}

const textArguments: Readonly<Record<string, readonly Arrow[]>> = {
	at: [number],
	charAt: [number],
	concat: [text, text, text],
	endsWith: [text, number],
	includes: [text, number],
	indexOf: [text, number],
	lastIndexOf: [text, number],
	normalize: [text],
	padEnd: [number, text],
	padStart: [number, text],
	repeat: [number],
	replace: [text, text],
	replaceAll: [text, text],
	slice: [number, number],
	split: [text, number],
	startsWith: [text, number],
	substring: [number, number],
};

const anything: Arrow = (value) => value;
const listArguments: Readonly<Record<string, readonly Arrow[]>> = {
	at: [number],
	flat: [number],
	includes: [anything, number],
	indexOf: [anything, number],
	join: [text],
	slice: [number, number],
	with: [number, anything],
};

const textMethods = [
	...Object.keys(textArguments),
	..."toLowerCase toUpperCase trim trimEnd trimStart".split(" "),
];
const arrowMethods =
	"every filter find findIndex findLast flatMap map reduce some".split(" ");
const listMethods = [
	...Object.keys(listArguments),
	...arrowMethods,
	..."concat toReversed toSorted".split(" "),
];

function call(
	value: unknown,
	name: string,
	argumentsOf: () => unknown[],
): unknown {
	if (value === null) return null;
	const given = argumentsOf();
	if (typeof value === "string" && textMethods.includes(name)) {
		return callText(value, name, given);
	}
	if (Array.isArray(value) && listMethods.includes(name)) {
		return callList(value, name, given);
	}
	if (typeof value === "number" && name === "toFixed") {
		const digits = given.map(number);
		return guarded(() => value.toFixed(...digits));
	}
	throw new Failure("step_failed");
}

function callText(value: string, name: string, given: unknown[]): unknown {
	const args = given.map((item, at) => textArguments[name]?.[at]?.(item));
	// Longer than the language allows, and than a test has memory for.
	const size = Number(args[0]);
	if (name === "repeat" && value.length * size > 2 ** 23) wrong(size);
	if (name.startsWith("pad") && size > 2 ** 23 && args[1] !== "") wrong(size);
	const method = Reflect.get(String.prototype, name) as Arrow;
	return orNull(guarded(() => Reflect.apply(method, value, args)));
}

function callList(value: unknown[], name: string, given: unknown[]): unknown {
	const args = given.map(
		(item, at) => listArguments[name]?.[at]?.(item) ?? item,
	);
	if (name === "join") {
		for (const item of value) if (item !== null) text(item);
	}
	if (name === "toSorted") {
		const [compare] = args as Arrow[];
		if (!compare)
			return value
				.map(ownText)
				.toSorted(byText)
				.map(([item]) => item);
		return value.toSorted((a, b) => number(compare(a, b)));
	}
	const method = Reflect.get(Array.prototype, name) as Arrow;
	return orNull(guarded(() => Reflect.apply(method, value, args)));
}

function ownText(item: unknown): [unknown, string] {
	return [item, text(item)];
}

function byText([, a]: [unknown, string], [, b]: [unknown, string]): number {
	return a < b ? -1 : a > b ? 1 : 0;
}

/** JSON.rawJSON and the source that JSON.parse tells are too young for TypeScript's library. */
const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;

function apply(name: string, given: unknown[]): unknown {
	const [first = null, arrow, last] = given as [unknown, Arrow, unknown];
	if (name.startsWith("Math.")) {
		const numbers = given.map(number);
		const run = Reflect.get(Math, name.slice(5)) as Arrow;
		return finite(run(...numbers));
	}
	switch (name) {
		case "Array.isArray":
			return Array.isArray(first);
		case "Boolean":
			return Boolean(first);
		case "Number":
			return toNumber(first);
		case "String":
			return text(first);
		case "JSON.stringify":
			return JSON.stringify(first, (_key, value) =>
				typeof value === "bigint" ? rawJson(String(value)) : value,
			);
		case "JSON.parse":
			return guarded(() => JSON.parse(text(first), keepDigits));
		case "encodeURIComponent":
			return guarded(() => encodeURIComponent(text(first)));
		case "decodeURIComponent":
			return guarded(() => decodeURIComponent(text(first)));
		case "Object.keys":
			return Object.keys(
				typeof first === "object" ? (first ?? wrong(first)) : wrong(first),
			);
		case "Object.values":
			return Object.values(
				typeof first === "object" ? (first ?? wrong(first)) : wrong(first),
			);
		case "Object.entries":
			return Object.entries(
				typeof first === "object" ? (first ?? wrong(first)) : wrong(first),
			);
		case "Object.fromEntries":
			return Object.fromEntries(
				list(first).map((entry) => {
					const [key = null, value = null] = list(entry);
					return [text(key), value];
				}),
			);
		case "Object.groupBy":
			return {
				...Object.groupBy(list(first), (item, index) =>
					text(arrow(item, index)),
				),
			};
		case "compact":
			return Array.isArray(first)
				? first.filter((item) => item !== null)
				: Object.fromEntries(
						Object.entries(map(first)).filter(([, value]) => value !== null),
					);
		case "omit": {
			const left = given.slice(1).map(text);
			return Object.fromEntries(
				Object.entries(map(first)).filter(([key]) => !left.includes(key)),
			);
		}
		case "escapeXml":
			return text(first)
				.toWellFormed()
				.replaceAll("&", "&amp;")
				.replaceAll("<", "&lt;")
				.replaceAll(">", "&gt;")
				.replaceAll('"', "&quot;")
				.replaceAll("'", "&apos;");
		case "printXml":
			return Object.entries(map(first))
				.map(([name, value]) => {
					if (name.startsWith("@") || name === "#text") wrong("");
					return elements(name, value);
				})
				.join("");
		case "queryOf": {
			const [, query = ""] = /\?([^#]*)/.exec(text(first)) ?? [];
			return [...new URLSearchParams(query)].reduce(
				(made, [key, value]) =>
					Object.hasOwn(made, key) ? made : { ...made, [key]: value },
				{},
			);
		}
		case "sortBy":
			return sortBy(list(first), arrow, last === "desc" ? -1 : 1);
		case "uniqueBy": {
			const keys = list(first).map((item, index) => {
				const key = arrow(item, index);
				return typeof key === "object" && key !== null ? wrong(key) : key;
			});
			return list(first).filter(
				(_, index) => keys.indexOf(keys[index]) === index,
			);
		}
		case "isoTime":
			return new Date(time(first)).toISOString();
		case "isoDate": {
			const ms = time(first);
			return isoDate(ms, given.length > 1 ? text(arrow) : "UTC");
		}
		case "formatTime": {
			const ms = time(first);
			const options = given.length > 2 ? optionsOf : () => ({});
			return formatTime(ms, text(arrow), () => options(last));
		}
		case "parseTime":
			return parseTime(text(first));
		case "base64": {
			const plain = btoa(binaryOf(text(first)));
			return given.length > 1
				? plain.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")
				: plain;
		}
		case "fromBase64":
			return fromBase64(text(first));
		case "sha256":
			return createHash("sha256")
				.update(binaryOf(text(first)), "latin1")
				.digest("hex");
		case "uuid":
			return uuid(binaryOf(text(first)), String(arrow));
		case "mergeDeep":
			return given.map(map).reduce(mergeDeep, {});
		default:
			throw new Error(`the oracle does not know ${name}`);
	}
}

function time(value: unknown): number {
	const ms = Math.trunc(number(value));
	const year = new Date(ms).getUTCFullYear();
	return year >= 0 && year <= 9999 ? ms : wrong(0);
}

function isoDate(ms: number, timeZone: string): string {
	const parts = guarded(() =>
		new Intl.DateTimeFormat("en-US", {
			...{ timeZone, era: "short", year: "numeric" },
			...{ month: "2-digit", day: "2-digit" },
		}).formatToParts(ms),
	);
	const part = (wanted: string) =>
		parts.find(({ type }) => type === wanted)?.value ?? "";
	const before = part("era").startsWith("B");
	const year = before ? 1 - Number(part("year")) : Number(part("year"));
	if (year < 0 || year > 9999) wrong(0);
	return `${String(year).padStart(4, "0")}-${part("month")}-${part("day")}`;
}

const timeOptions =
	"calendar dateStyle day dayPeriod era fractionalSecondDigits hour hour12 hourCycle minute month numberingSystem second timeStyle timeZone timeZoneName weekday year".split(
		" ",
	);

function optionsOf(value: unknown): Intl.DateTimeFormatOptions {
	for (const [key, option] of Object.entries(map(value))) {
		if (!timeOptions.includes(key)) wrong(0);
		text(option);
	}
	return value as Intl.DateTimeFormatOptions;
}

function formatTime(
	ms: number,
	locale: string,
	given: () => Intl.DateTimeFormatOptions,
): string {
	const options = { timeZone: "UTC", ...given() };
	return guarded(() => {
		if (Intl.DateTimeFormat.supportedLocalesOf(locale).length === 0) wrong(0);
		return new Intl.DateTimeFormat(locale, options).format(ms);
	});
}

/** Of the forms that JavaScript reads as UTC, or with an offset; it reads others as local time. */
function parseTime(value: string): number {
	const form = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?$/;
	const ms = form.test(value) ? Date.parse(value) : Number.NaN;
	return Number.isNaN(ms) ? wrong(0) : ms;
}

/** The bytes of a text in UTF-8, one character for each. */
function binaryOf(value: string): string {
	if (!value.isWellFormed()) wrong(0);
	return unescape(encodeURIComponent(value));
}

function fromBase64(value: string): string {
	return guarded(() => {
		const bytes = atob(value.replaceAll("-", "+").replaceAll("_", "/"));
		return decodeURIComponent(escape(bytes));
	});
}

function uuid(name: string, id: string): string {
	const hex = createHash("sha1")
		.update("736c756963658000a075756964000001", "hex")
		.update(`${id}/${name}`, "latin1")
		.digest("hex");
	const variant = ((Number.parseInt(hex[16] ?? "", 16) & 3) | 8).toString(16);
	return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function mergeDeep(
	base: Record<string, unknown>,
	over: Record<string, unknown>,
): Record<string, unknown> {
	const both = [...Object.entries(base), ...Object.entries(over)];
	const names = [...new Set(both.map(([key]) => key))];
	const isMap = (value: unknown): value is Record<string, unknown> =>
		typeof value === "object" && value !== null && !Array.isArray(value);
	return Object.fromEntries(
		names.map((key) => {
			const before = Object.hasOwn(base, key) ? base[key] : null;
			if (!Object.hasOwn(over, key)) return [key, before];
			const value = over[key];
			return [
				key,
				isMap(before) && isMap(value) ? mergeDeep(before, value) : value,
			];
		}),
	);
}

function keepDigits(
	_key: string,
	value: unknown,
	...[context]: { source?: string }[]
): unknown {
	const { source = "" } = context ?? {};
	return typeof value === "number" &&
		/^-?\d+$/.test(source) &&
		String(value) !== source &&
		source !== "-0"
		? BigInt(source)
		: value;
}

function toNumber(value: unknown): unknown {
	if (typeof value === "object") wrong(value);
	if (typeof value === "bigint") return value;
	const made = finite(Number(value)) as number;
	const digits = String(value).trim();
	return /^[+-]?\d+$/.test(digits) && `${BigInt(digits)}` !== `${made}`
		? BigInt(digits)
		: made;
}

/** An insertion sort: simple, stable, and nothing like what is tested. */
function sortBy(
	items: readonly unknown[],
	keyOf: Arrow,
	direction: 1 | -1,
): unknown[] {
	const sorted: { item: unknown; key: unknown }[] = [];
	const last: unknown[] = [];
	let kind = "";
	for (const [index, item] of items.entries()) {
		const key = keyOf(item, index);
		if (key === null) {
			last.push(item);
			continue;
		}
		const own = typeof key === "bigint" ? "number" : typeof key;
		if (own === "object" || (kind !== "" && kind !== own)) wrong(0);
		kind = own;
		const place = sorted.findIndex((other) =>
			direction === 1
				? (other.key as number) > (key as number)
				: (other.key as number) < (key as number),
		);
		sorted.splice(place < 0 ? sorted.length : place, 0, { item, key });
	}
	return [...sorted.map(({ item }) => item), ...last];
}

function runtime(seen: (construct: string) => void) {
	return {
		get,
		spread,
		without,
		orNull,
		text,
		sign: (operator: string, value: unknown) => {
			const result = sign(operator, value);
			seen(`unary ${operator}`);
			return result;
		},
		operate: (operator: string, a: unknown, b: unknown) => {
			const result = operate(operator, a, b);
			seen(operator);
			return result;
		},
		call: (value: unknown, name: string, argumentsOf: () => unknown[]) => {
			const result = call(value, name, argumentsOf);
			if (value !== null) {
				seen(`${Array.isArray(value) ? "list" : typeof value}.${name}`);
			}
			return result;
		},
		apply: (name: string, given: unknown[]) => {
			seen(name);
			return apply(name, given);
		},
	};
}
