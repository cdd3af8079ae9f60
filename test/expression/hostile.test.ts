import assert from "node:assert/strict";
import { test } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import { parseJson, printJson } from "../../src/core/json.ts";
import {
	functions,
	listMethods,
	textMethods,
} from "../../src/expression/language.ts";
import { compute } from "./compute.ts";

/** What an upstream may answer to do harm; read as the gateway reads it. */
const answers = [
	'{"__proto__": {"admin": true}}',
	'{"constructor": {"prototype": {"admin": true}}}',
	'{"a": {"__proto__": {"admin": true}, "id": 9223372036854775807}}',
	'{"__proto__": 1, "constructor": 2, "prototype": 3, "toString": 4, "valueOf": 5, "hasOwnProperty": 6, "toJSON": 7, "length": 8, "then": 9, "map": 10}',
	'[{"__proto__": {"admin": true}, "key": "__proto__"}, {"key": "constructor"}, {"key": "9223372036854775807"}]',
	'["__proto__", "constructor", "prototype", "toString", "length"]',
	'[["__proto__", {"admin": true}], ["constructor", 1], ["a", 9223372036854775807]]',
	"[9223372036854775807, -9223372036854775808, 9007199254740993]",
	'{"9223372036854775807": 9223372036854775807}',
	'"__proto__"',
	'"9223372036854775807"',
	"9223372036854775807",
	"null",
	"[]",
	"{}",
	`${"[".repeat(60)}9223372036854775807${"]".repeat(60)}`,
	`${'{"__proto__":'.repeat(60)}9223372036854775807${"}".repeat(60)}`,
	'{"a": 1, "a": {"__proto__": {"admin": true}}}',
	`"${"[".repeat(10_000)}"`,
	'"\\ud800"',
	'"%"',
];

/** Every construct that makes something of data, on `x`. */
const programs = [
	...[...functions].flatMap(([name, { most, arrow }]) => {
		if (arrow) {
			return ["y => y", "y => y.key", "y => y[0]", "(y, i) => i"].map(
				(f) => `${name}(x, ${f})`,
			);
		}
		const others = most > 1 ? ["x, x", "x, '__proto__'", "...x"] : [];
		return ["x", ...others].map((args) => `${name}(${args})`);
	}),
	...Object.keys(listMethods).flatMap((name) => calls(name)),
	...Object.keys(textMethods).flatMap((name) => calls(name)),
	"x.__proto__",
	"x['__proto__']",
	"x.constructor",
	"x.constructor.prototype",
	"x.a.__proto__.admin",
	"x[x]",
	"x[x[0]]",
	"{ ...x }",
	"{ ...x, a: 1, ...x }",
	"[...x]",
	"{ [x]: x }",
	"{ ['__proto__']: x }",
	"{ ['__proto__']: { admin: true }, ['constructor']: x }",
	"x.map(y => ({ [y]: x, [y.key]: y }))",
	"x.map(y => ({ ...y, copy: y.__proto__ }))",
	"x.map(({ __proto__: p, constructor: c, ...rest }) => [p, c, rest])",
	"x.map(({ [x[0]]: p, ...rest }) => [p, rest])",
	"[x].map(({ a: { ...rest } }) => rest)",
	"[x].map(([...rest]) => rest)",
	"x.reduce((made, y) => ({ ...made, [y]: y }), {})",
	"x.reduce((made, [key, value]) => ({ ...made, [key]: value }), {})",
	"Object.fromEntries(Object.entries(x))",
	"Object.fromEntries(x.map(y => [y, { admin: true }]))",
	"Object.groupBy(x, y => '__proto__')",
	"Object.groupBy(x, y => y)",
	"JSON.parse(JSON.stringify(x))",
	'JSON.parse(\'{"__proto__": {"admin": true}}\')',
	"printXml({ a: x })",
	"printXml({ a: { __proto__: x, constructor: x } })",
	"queryOf('?__proto__=1&constructor=2&__proto__=3')",
	"omit(x, 'a', '__proto__')",
	"compact({ ...x, b: null })",
	"`${x}`",
	"x + ''",
	"x === x",
	"x < x",
	"-x",
	"!x",
	"x ?? 1",
];

function calls(name: string): string[] {
	return [
		"",
		"x",
		"0",
		"'a'",
		"y => y",
		"0, x",
		"'a', x",
		"(y, z) => y, x",
	].map((args) => `x.${name}(${args})`);
}

/** Everything a polluted prototype could have changed. */
function prototypes(): unknown {
	return [Object, Array, String, Number, Boolean, BigInt, Function].map(
		({ prototype }) => [
			Object.getPrototypeOf(prototype) === null ||
				Object.getPrototypeOf(prototype) === Object.prototype,
			Object.getOwnPropertyNames(prototype).length,
			Object.getOwnPropertySymbols(prototype).length,
		],
	);
}

/** Fails where any part of a value is no plain data, or has another prototype than it should. */
function checkPlain(value: unknown, source: string): void {
	if (value === null || typeof value !== "object") {
		assert.ok(
			["string", "number", "boolean", "bigint", "object"].includes(
				typeof value,
			),
			`${source} gives ${typeof value}`,
		);
		checkDigits(value, source);
		return;
	}
	const prototype: unknown = Object.getPrototypeOf(value);
	assert.equal(
		prototype,
		Array.isArray(value) ? Array.prototype : Object.prototype,
		source,
	);
	for (const key of Reflect.ownKeys(value)) {
		const property = Object.getOwnPropertyDescriptor(value, key);
		assert.ok(property && "value" in property, source);
		checkPlain(property.value, source);
	}
}

/** A long integer is one of those that went in, or the negative of one; a double never holds one. */
function checkDigits(value: unknown, source: string): void {
	if (typeof value === "bigint") {
		assert.ok(integers.has(value < 0n ? -value : value), source);
	}
	if (typeof value === "number") assert.ok(Math.abs(value) < 2 ** 53, source);
}

const integers: ReadonlySet<bigint> = new Set([
	9223372036854775807n,
	9223372036854775808n,
	9007199254740993n,
]);

test("changes no prototype and no digit, and crashes nowhere, whatever goes through every function", () => {
	const before = prototypes();
	const parse = parseable(programs);
	let values = 0;
	for (const text of answers) {
		const x = parseJson(text);
		const printed = printJson(x);
		for (const source of parse) {
			try {
				const value = compute(source, { x });
				values++;
				checkPlain(value, source);
			} catch (error) {
				if (!(error instanceof GatewayError)) throw error;
				assert.match(error.code, /^(?:step_failed|reference_missing)$/);
				assert.doesNotMatch(error.message, /the engine/, source);
			}
		}
		assert.equal(printJson(x), printed, "the data was changed");
		assert.deepEqual(prototypes(), before, text);
		assert.equal(Reflect.get({}, "admin"), undefined);
	}
	assert.ok(values > 1000, `only ${values} gave a value`);
});

/** Methods that take an arrow are refused without one, and the other way round: those are no programs. */
function parseable(sources: readonly string[]): string[] {
	return sources.filter((source) => {
		try {
			compute(source, { x: null });
			return true;
		} catch (error) {
			return error instanceof GatewayError;
		}
	});
}

test("keeps `__proto__` from data as an own key, through everything that makes a map", () => {
	const x = JSON.parse('{"__proto__": {"admin": true}, "a": 1}');
	const makers = [
		"{ ...x }",
		"{ b: 1, ...x }",
		"{ ['__proto__']: x.__proto__ }",
		"Object.fromEntries(Object.entries(x))",
		"omit(x, 'a')",
		"compact(x)",
		"[x].map(({ a, ...rest }) => rest)[0]",
		"JSON.parse(JSON.stringify(x))",
		"Object.groupBy([1], y => '__proto__')",
		"queryOf('?__proto__=1')",
	];
	for (const source of makers) {
		const made = compute(source, { x }) as object;
		assert.ok(Object.hasOwn(made, "__proto__"), source);
		assert.equal(Object.getPrototypeOf(made), Object.prototype, source);
		assert.equal(Reflect.get(made, "admin"), undefined, source);
	}
	assert.deepEqual(compute("Object.keys(x)", { x }), ["__proto__", "a"]);
	assert.deepEqual(compute("omit(x, '__proto__')", { x }), { a: 1 });
	assert.deepEqual(
		compute("[x].map(({ __proto__: p, ...rest }) => rest)[0]", { x }),
		{ a: 1 },
	);
});

test("sees nothing a polluted prototype holds", () => {
	const polluted = { admin: true, a: "polluted" };
	Object.assign(Object.prototype, polluted);
	try {
		const x = { b: 1 };
		assert.equal(compute("x.admin", { x }), null);
		assert.equal(compute("x['a']", { x }), null);
		assert.equal(compute("[x].map(({ a = 'own' }) => a)[0]", { x }), "own");
		assert.deepEqual(compute("Object.keys({ ...x })", { x }), ["b"]);
		assert.equal(compute("s.admin", { s: "text" }), null);
		assert.deepEqual(compute("Object.keys(compact(x))", { x }), ["b"]);
		assert.deepEqual(
			Object.keys(compute("Object.groupBy([1], y => 'a')") as object),
			["a"],
		);
	} finally {
		for (const name of Object.keys(polluted)) {
			Reflect.deleteProperty(Object.prototype, name);
		}
	}
});
