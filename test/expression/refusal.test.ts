import assert from "node:assert/strict";
import { test } from "node:test";
import { parseExpression } from "../../src/expression/parse.ts";

/** Source, the offset of its one fault, and what its message says. */
type Case = readonly [source: string, offset: number, message: RegExp];

function check(cases: readonly Case[]): void {
	for (const [source, offset, message] of cases) {
		const { expression, faults } = parseExpression(source);
		assert.equal(expression, null, source);
		assert.equal(faults.length, 1, `${source}: ${JSON.stringify(faults)}`);
		const [fault] = faults;
		assert.match(fault?.message ?? "", message, source);
		assert.equal(fault?.offset, offset, `${source}: ${fault?.message}`);
	}
}

test("refuses what JavaScript has beyond its pure part, at its place", () => {
	check([
		["a + this", 4, /no `this`/],
		["this.x", 0, /no `this`/],
		["[new Date()]", 1, /no `Date`/],
		["new Thing()", 0, /no `new`/],
		["new.target", 0, /`new\.target`/],
		["super.x", 0, /no `super`/],
		["import('x')", 0, /no `import`/],
		["import.meta.url", 0, /`import\.meta`/],
		["x + await y", 4, /no `await`/],
		["yield", 0, /reserved/],
		["a, b", 1, /comma/],
		["(a, b)", 2, /comma/],
		["f[a, b]", 3, /comma/],
		["a`b`", 1, /tag/],
		["a.map(function (x) { return x })", 6, /arrow function/],
		["function () {}", 0, /no `function`/],
		["class {}", 0, /no classes/],
		["{ a() {} }", 2, /values only/],
		["{ get a() { return 1 } }", 2, /values only/],
		["{ set a(x) {} }", 2, /values only/],
		["{ async a() {} }", 2, /values only/],
		["a.map(x => { return x })", 11, /one expression/],
		["a.map(async x => x)", 6, /`async`/],
		["a.#b", 2, /no private names/],
		["#a in b", 0, /cannot stand here|not part/],
		["[a,,b]", 0, /no holes/],
		["[,]", 0, /no holes/],
	]);
});

test("refuses every assignment", () => {
	check([
		["a = 1", 2, /assigned/],
		["a.b = 1", 4, /assigned/],
		["a += 1", 2, /assigned/],
		["a ??= 1", 2, /assigned/],
		["[a] = b", 4, /assigned/],
		["a.map(x => x = 1)", 13, /assigned/],
		["a++", 1, /x \+ 1/],
		["--a", 0, /x \+ 1/],
		["a() = 1", 0, /assigned/],
		["1 = 2", 0, /assigned/],
		["{ a = 1 }", 4, /write `:`/],
	]);
});

test("refuses operators that convert silently, look into types or count bits", () => {
	check([
		["a == b", 2, /===/],
		["a != null", 2, /!==/],
		["(a) == (b)", 4, /===/],
		["'x' in a", 4, /no `in`/],
		["a instanceof b", 2, /no `instanceof`/],
		["typeof a", 0, /no `typeof`/],
		["void 0", 0, /no `void`/],
		["delete a.b", 0, /omit/],
		["delete a", 0, /omit/],
		["~a", 0, /no bit operator `~`/],
		["a & b", 2, /no bit operator `&`/],
		["a | b", 2, /no bit operator `\|`/],
		["a ^ b", 2, /no bit operator `\^`/],
		["a << b", 2, /no bit operator `<<`/],
		["a >> b", 2, /no bit operator `>>`/],
		["a >>> b", 2, /no bit operator `>>>`/],
		["-a ** 2", 3, /sign before `\*\*`/],
		["a ?? b || c", 7, /parentheses/],
	]);
});

test("refuses literals that are no data", () => {
	check([
		["undefined", 0, /write `null`/],
		["a === undefined", 6, /write `null`/],
		["NaN", 0, /no `NaN`/],
		["-Infinity", 1, /no `Infinity`/],
		["/x/", 0, /no regular expressions/],
		["a.replace(/x/g, 'y')", 10, /no regular expressions/],
		["[/[/]/]", 1, /no regular expressions/],
		["/x/zz", 0, /no regular expressions/],
		["/(/", 0, /no regular expressions/],
		["/x", 0, /no regular expressions/],
		["1n", 0, /without `n`/],
		["9007199254740993", 0, /lose digits/],
		["-9223372036854775807", 1, /lose digits/],
		["9223372036854775808", 0, /lose digits/],
		["0xfffffffffffffffff", 0, /lose digits/],
		["1e999", 0, /lose digits/],
		["{ 9007199254740993: 1 }", 2, /lose digits/],
		["010", 0, /no number/],
		["3px", 1, /letter/],
		["'abc", 0, /closing quote/],
		["`abc", 1, /closing backtick/],
		["'\\u{110000}'", 4, /no such character/],
	]);
	for (const source of ["9007199254740992", "1e21", "0.1", "1_000", "0b11"]) {
		assert.deepEqual(parseExpression(source).faults, [], source);
	}
});

test("refuses comments, wherever they stand", () => {
	check([
		["a /* x */ + b", 2, /no comments/],
		["/* x */ a", 0, /no comments/],
		["a // x", 2, /no comments/],
		["a + b /* x", 6, /no comments/],
		["[a, // x\n b]", 4, /no comments/],
		["// x", 0, /no comments/],
	]);
});

test("refuses statements and halves of expressions", () => {
	check([
		["if (a) b", 0, /statement/],
		["for (;;) {}", 0, /statement/],
		["var a", 0, /statement/],
		["return a", 0, /statement/],
		["throw a", 0, /statement/],
		["let a", 0, /reserved/],
		["a;", 1, /remove/],
		["a b", 2, /remove/],
		["a )", 2, /remove/],
		["(a", 2, /too early/],
		["a +", 3, /too early/],
		["a ?", 3, /too early/],
		["a.", 2, /too early/],
		["a..b", 2, /`\.` cannot stand/],
		["[...a", 5, /too early/],
		["...a", 0, /`\.\.\.` cannot stand/],
		["=> 1", 0, /`=>` cannot stand/],
		["@", 0, /`@` cannot stand/],
		["a + + ", 6, /too early/],
	]);
});

test("refuses functions as values: an arrow stands only where one is taken", () => {
	check([
		["x => x", 0, /not a value/],
		["[x => x]", 1, /not a value/],
		["{ f: x => x }", 5, /not a value/],
		["a ?? (x => x)", 6, /not a value/],
		["a.map(x => y => x)", 11, /not a value/],
		["a.concat(x => x)", 9, /not a value/],
		["(x => x)(1)", 0, /can be called/],
		["a.map(b)", 6, /`map` takes an arrow function/],
		["a.map('b')", 6, /`map` takes an arrow function/],
		["a.map(...b)", 6, /one by one/],
		["a.reduce(Number, 0)", 9, /`reduce` takes an arrow function/],
		["a.toSorted(Number)", 11, /`toSorted` takes an arrow function/],
		["sortBy(a, 'name')", 10, /`sortBy` takes an arrow function/],
		["String", 0, /write `String\(…\)`/],
		["[uniqueBy]", 1, /write `uniqueBy\(…\)`/],
		["Math", 0, /not a value/],
		["Math.max", 0, /write `Math\.max\(…\)`/],
		["Object", 0, /not a value/],
		["a[Math]", 2, /not a value/],
		["JSON['parse']", 0, /write `JSON\.parse\(…\)`/],
		["Math[a]", 0, /not a value/],
		["arguments", 0, /not a value/],
	]);
});

test("refuses what is not there, and says what was meant", () => {
	check([
		["a.toUppercase()", 2, /did you mean `toUpperCase`/],
		["a.fliter(x => x)", 2, /did you mean `filter`/],
		["a.sort()", 2, /toSorted/],
		["a.reverse()", 2, /toReversed/],
		["a.push(1)", 2, /\[\.\.\.list, item\]/],
		["a.forEach(x => x)", 2, /map/],
		["a.match('x')", 2, /no regular expressions/],
		["a.toString()", 2, /String\(…\)/],
		["a.length()", 2, /write `\.length`/],
		["a.constructor('x')", 2, /no method `constructor`/],
		["a.valueOf()", 2, /no method `valueOf`/],
		["a.__defineGetter__('x', y => y)", 2, /no method/],
		["a.call(b)", 2, /no method/],
		["a?.b?.toLowercase()", 6, /did you mean `toLowerCase`/],
		["a['map'](x => x)", 2, /\.name\(…\)/],
		["a[b]()", 2, /\.name\(…\)/],
		["a()", 0, /no `a`/],
		["a()()", 0, /can be called/],
		["fetch('x')", 0, /calls are steps/],
		["eval('1')", 0, /only computes/],
		["require('fs')", 0, /only computes/],
		["parseInt(a)", 0, /Number\(…\)/],
		["uniqBy(a, x => x)", 0, /did you mean `uniqueBy`/],
		["map(a, x => x)", 0, /`map` is a method: write `value\.map\(…\)`/],
		["Math.rand()", 0, /did you mean `Math\.round`/],
		["Math.random()", 0, /equal data/],
		["Math.PIE", 0, /did you mean `Math\.PI`/],
		["Object.assign(a, b)", 0, /\{ \.\.\.a, \.\.\.b \}/],
		["Object.setPrototypeOf(a, b)", 0, /no `Object\.setPrototypeOf`/],
		["Object.defineProperty(a, 'b', c)", 0, /no `Object\.defineProperty`/],
		["Object()", 0, /not a function/],
		["JSON.x", 0, /no `JSON\.x`/],
		["Date.now()", 0, /request\.time/],
		["String.raw", 0, /no `String\.raw`/],
		["Number.MAX_SAFE_INTEGER", 0, /no `Number\.MAX_SAFE_INTEGER`/],
		["Function('return 1')()", 0, /can be called/],
	]);
});

test("refuses zones, locales and options that are written out and that nobody knows", () => {
	check([
		[
			"isoDate(0, 'Europe/Berln')",
			11,
			/no time zone — did you mean `Europe\/Berlin`/,
		],
		["isoDate(0, 'here')", 11, /`here` is no time zone: write one such as/],
		["isoDate(0, '+25:00')", 11, /is no time zone/],
		["formatTime(0, 'deutsch')", 14, /the locale is none that is known/],
		["formatTime(0, '')", 14, /the locale is none that is known/],
		[
			"formatTime(0, 'de', { datestyle: 'full' })",
			22,
			/no option of `formatTime` — did you mean `dateStyle`/,
		],
		[
			"formatTime(0, 'de', { dateStyle: 'huge' })",
			33,
			/`dateStyle` does not take this value/,
		],
		["formatTime(0, 'de', { timeZone: 'here' })", 32, /`here` is no time zone/],
		[
			"formatTime(0, 'de', { fractionalSecondDigits: 4 })",
			46,
			/does not take this value/,
		],
		[
			"formatTime(0, 'de', { dateStyle: 'full', day: 'numeric' })",
			20,
			/without options for single parts/,
		],
		["base64(a, 'URL')", 10, /only `'url'` can stand here/],
		["fromBase64(a, 'text')", 14, /only `'bytes'` can stand here/],
	]);
	for (const source of [
		"isoDate(0, 'europe/berlin')",
		"isoDate(0, '+03:30')",
		"isoDate(0, zone)",
		"formatTime(0, locale, { timeZone: zone, ...options })",
		"formatTime(0, 'de', { hour: 'numeric', hour12: false, timeZone: 'UTC' })",
		"base64(a, 'url')",
	]) {
		assert.deepEqual(parseExpression(source).faults, [], source);
	}
});

test("refuses the wrong number of arguments", () => {
	check([
		["a.slice(1, 2, 3)", 14, /`slice` takes 0 to 2 arguments, not 3/],
		["a.repeat()", 9, /`repeat` takes 1 argument, not 0/],
		["a.with(0)", 8, /`with` takes 2 arguments, not 1/],
		["a.trim('x')", 7, /`trim` takes 0 arguments, not 1/],
		["a.map()", 6, /`map` takes 1 argument, not 0/],
		["a.map(x => x, b)", 14, /`map` takes 1 argument, not 2/],
		["Math.max()", 9, /at least 1/],
		["sortBy(a)", 8, /2 to 3/],
		["Number()", 7, /1 argument/],
		["JSON.stringify(a, null, 2)", 18, /1 argument/],
		["a.slice(...b)", 8, /one by one/],
		["uniqueBy(...b)", 9, /one by one/],
	]);
	for (const source of [
		"Math.max(...a)",
		"omit(...a)",
		"a.concat(b, ...c)",
		"a.toSorted()",
	]) {
		assert.deepEqual(parseExpression(source).faults, [], source);
	}
});

test("refuses parameters that hide a word of the language or are read too early", () => {
	check([
		["a.map((undefined) => 1)", 7, /word of the language/],
		["a.map(Math => 1)", 6, /word of the language/],
		["a.map(({ x: String }) => 1)", 12, /word of the language/],
		["a.map((...Object) => 1)", 10, /word of the language/],
		["a.map((eval) => 1)", 7, /word of the language/],
		["a.map((x, x) => 1)", 10, /same name/],
		["a.map(({ x }, [x]) => 1)", 15, /same name/],
		["a.map((x = y, y) => 1)", 11, /no value yet/],
		["a.map(({ x = x }) => 1)", 13, /no value yet/],
		["a.map(({ x = y.map(z => x) }) => 1)", 24, /no value yet/],
	]);
});

test("refuses to write `__proto__`, but lets it be read as data", () => {
	check([
		["{ __proto__: a }", 2, /`__proto__`/],
		["{ '__proto__': a }", 2, /`__proto__`/],
		["{ __proto__ }", 2, /`__proto__`/],
		["{ __proto__: a, __proto__: b }", 16, /`__proto__`/],
		["a.map(x => ({ x, __proto__: x }))", 17, /`__proto__`/],
	]);
	for (const source of [
		"a.__proto__",
		"a['__proto__']",
		"{ ['__proto__']: 1 }",
		"a.map(({ __proto__: x }) => x)",
	]) {
		assert.deepEqual(parseExpression(source).faults, [], source);
	}
});

test("reports all faults of an expression, in the order they stand", () => {
	const source = "a == undefined ? b.sort() : [typeof c, /* d */ x => x]";
	const { faults } = parseExpression(source);
	assert.deepEqual(
		faults.map(({ offset }) => source.slice(offset, offset + 4)),
		["== u", "unde", "sort", "type", "/* d", "x =>"],
	);
});

test("accepts every construct of the pure part", () => {
	const sources = [
		"a?.b?.[0]?.c",
		"a?.trim?.()",
		"-a + +b - !c * 2 / 3 % 4 ** 5",
		"a < b && c > d || e <= f && g >= h",
		"(a ?? b) || (c && d)",
		"a ? b : c ? d : e",
		"`a${b}c${`d${e}`}`",
		"[1, ...a, [], null, true, false]",
		"{ a, 'b': 1, [c]: 2, 3: 4, ...d, e: { f: [] } }",
		"a.map((x, i, all) => x)",
		"a.map(() => 1)",
		"a.map(({ x, y: z, w = 1, 'v': u, [k]: t, ...r }) => x)",
		"a.map(([x, , y = 2, [z], ...r]) => x)",
		"a.map((...all) => all)",
		"a.map((x = 1) => x)",
		"a.map((x => x))",
		"a.map(String).filter(Boolean).map(Math.abs).map(JSON.stringify)",
		"a.reduce((x, y) => x + y)",
		"Math.PI * r ** 2",
		"async + of + get + set",
		"\\u0061",
	];
	for (const source of sources) {
		assert.deepEqual(parseExpression(source).faults, [], source);
	}
});
