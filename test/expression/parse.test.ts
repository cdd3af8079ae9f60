import assert from "node:assert/strict";
import { test } from "node:test";
import {
	languageWords,
	parseExpression,
	parseText,
} from "../../src/expression/parse.ts";

/** A template as a short list: texts as they are, expressions as `{source}`. */
function shape(text: string): unknown {
	const { template, faults } = parseText(text);
	assert.deepEqual(faults, [], text);
	switch (template?.kind) {
		case "literal":
			return template.text;
		case "whole":
			return { source: template.expression.source };
		case "mixed":
			return template.parts.map((part) =>
				typeof part === "string" ? part : { source: part.source },
			);
		default:
			return null;
	}
}

test("finds the holes of a text, one alone keeping its value's type", () => {
	const a = { source: "a" };
	assert.deepEqual(shape(""), "");
	assert.deepEqual(shape("plain } text $ { x }"), "plain } text $ { x }");
	assert.deepEqual(shape("${a}"), a);
	assert.deepEqual(shape(" \n\t${ a } \n"), a);
	assert.deepEqual(shape("x ${a}"), ["x ", a]);
	assert.deepEqual(shape("${a}${a}"), [a, a]);
	assert.deepEqual(shape("${a}-${a} "), [a, "-", a, " "]);
	assert.deepEqual(shape("http://h/${a}//b"), ["http://h/", a, "//b"]);
});

test("ends a hole where the expression ends, whatever braces it holds", () => {
	assert.deepEqual(shape("${{ x: { y: 1 } }}"), { source: "{ x: { y: 1 } }" });
	assert.deepEqual(shape("${'}'}"), { source: "'}'" });
	assert.deepEqual(shape("${`a${`}`}`}}"), [{ source: "`a${`}`}`" }, "}"]);
	assert.deepEqual(shape("${(a)}"), { source: "a" });
	assert.deepEqual(shape("${(a) + (b)}"), { source: "(a) + (b)" });
});

test("reads `$${` as a literal `${`", () => {
	assert.deepEqual(shape("$${a}"), "${a}");
	assert.deepEqual(shape("$$${a}"), "$${a}");
	assert.deepEqual(shape("x $${a} ${b}"), ["x ${a} ", { source: "b" }]);
	assert.deepEqual(shape("${a}$${b}"), [{ source: "a" }, "${b}"]);
	assert.deepEqual(shape("$${${a}"), ["${", { source: "a" }]);
	assert.deepEqual(shape("${a}$"), [{ source: "a" }, "$"]);
	assert.deepEqual(shape("${'$'}${a}"), [{ source: "'$'" }, { source: "a" }]);
});

test("counts the offsets of faults, reads and nodes from the start of the text", () => {
	const { faults } = parseText("a ${x == 1} b ${y.foo()} c ${z");
	assert.deepEqual(
		faults.map(({ offset }) => offset),
		[6, 18, 27],
	);
	const { template } = parseText("a ${x} b ${y.z}");
	assert.ok(template?.kind === "mixed");
	const [, first, , second] = template.parts;
	assert.ok(typeof first === "object" && typeof second === "object");
	assert.deepEqual(first.ast, { kind: "name", at: 4, end: 5, name: "x" });
	assert.deepEqual(second.reads, [{ name: "y", path: ["z"], offset: 11 }]);
});

test("reports every faulty expression of a text, and no template then", () => {
	const { template, faults } = parseText("${a == b} ${c != d} ${e}");
	assert.equal(template, null);
	assert.deepEqual(
		faults.map(({ offset }) => offset),
		[4, 14],
	);
});

test("says where a hole is not closed or holds nothing", () => {
	const cases: Record<string, [offset: number, message: RegExp]> = {
		"${a": [0, /no `}`/],
		"x ${a ": [2, /no `}`/],
		"${}": [2, /missing/],
		"${ }": [3, /missing/],
		"${": [2, /too early/],
		"${a b}": [4, /only `}` can stand here, not `b`/],
		"${a; b}": [3, /not `;`/],
		"${a)}": [3, /not `\)`/],
		"${a 𝒳}": [4, /not `𝒳`/],
	};
	for (const [text, [offset, message]] of Object.entries(cases)) {
		const { template, faults } = parseText(text);
		assert.equal(template, null, text);
		assert.equal(faults[0]?.offset, offset, text);
		assert.match(faults[0]?.message ?? "", message, text);
		assert.equal(faults.length, 1, text);
	}
});

test("reads a bare expression to its end", () => {
	assert.equal(parseExpression(" a.b ").expression?.source, "a.b");
	const { expression, faults } = parseExpression("a.b c");
	assert.equal(expression, null);
	assert.deepEqual(faults, [
		{ offset: 4, message: "the expression ends before this: remove it" },
	]);
	assert.equal(parseExpression("").faults[0]?.offset, 0);
});

/** Each free name an expression reads, with its path: `query.city.x`. */
function reads(source: string): string[] {
	const { expression, faults } = parseExpression(source);
	assert.deepEqual(faults, [], source);
	return (expression?.reads ?? []).map(({ name, path, offset }) => {
		assert.ok(source.startsWith(name, offset), source);
		return [name, ...path].join(".");
	});
}

test("tells the names an expression reads, with the static path behind each", () => {
	const cases: Record<string, string[]> = {
		"query.city.x": ["query.city.x"],
		"query?.city?.x": ["query.city.x"],
		"(query.city).x": ["query.city.x"],
		"query['city'].x": ["query.city.x"],
		"list[0].name": ["list"],
		"answer.list[0].name": ["answer.list"],
		"o[key.of].x": ["o", "key.of"],
		"query.city.trim()": ["query.city"],
		"query.city.length": ["query.city.length"],
		"a ?? b.c": ["a", "b.c"],
		"{ a, b: c, [d]: 1, ...e }": ["a", "c", "d", "e"],
		"`${a}-${b.c}`": ["a", "b.c"],
		"a.map(x => x.y + b.c)": ["a", "b.c"],
		"a.map(({ x = b, ...r }) => [x, r, r.x])": ["a", "b"],
		"Math.max(a, ...b)": ["a", "b"],
		"1 + 2": [],
	};
	for (const [source, names] of Object.entries(cases)) {
		assert.deepEqual(reads(source), names, source);
	}
});

test("takes a parameter for a parameter only inside its arrow", () => {
	assert.deepEqual(reads("a.map(a => a.b).concat(a.c)"), ["a", "a.c"]);
	assert.deepEqual(reads("x.map(x => x.map(x => x.y)).concat(x)"), ["x", "x"]);
	assert.deepEqual(reads("[x, y.map((x, i) => [x, i])]"), ["x", "y"]);
	assert.deepEqual(reads("y.map(([x, { z }]) => z.map(y => x + y))"), ["y"]);
});

test("makes plain frozen data of an expression, the same after JSON", () => {
	const source =
		"a.map(({ b: [c = 1, , ...d], ...e }, i) => ({ ...e, [c]: `x${d[0]}` })).filter(Boolean)[0]?.f ?? (-g > 1 ? [1, ...h] : !Math.max(1, 2))";
	const { expression } = parseExpression(source);
	assert.deepEqual(JSON.parse(JSON.stringify(expression)), expression);
	const walk = (value: unknown): void => {
		if (typeof value !== "object" || value === null) return;
		assert.ok(Object.isFrozen(value));
		assert.ok(
			Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype,
		);
		for (const part of Object.values(value)) walk(part);
	};
	walk(expression);
});

test("parses the same text to the same data", () => {
	const source = "a.map(x => x.map(y => y + x.z))";
	assert.deepEqual(parseExpression(source), parseExpression(source));
});

test("bounds the nesting of an expression at 64 levels", () => {
	const wrapped: Record<string, (levels: number) => string> = {
		lists: (levels) => `${"[".repeat(levels - 1)}a${"]".repeat(levels - 1)}`,
		maps: (levels) => `${"{a:".repeat(levels - 1)}a${"}".repeat(levels - 1)}`,
		signs: (levels) => `${"!".repeat(levels - 1)}a`,
		parentheses: (levels) =>
			`${"(".repeat(levels - 1)}a${")".repeat(levels - 1)}`,
		calls: (levels) =>
			`${"String(".repeat(levels - 1)}a${")".repeat(levels - 1)}`,
		arrows: (levels) =>
			`${"a.map(x => ".repeat(levels - 1)}a${")".repeat(levels - 1)}`,
	};
	for (const [name, form] of Object.entries(wrapped)) {
		for (const levels of [63, 64, 65]) {
			const { faults } = parseExpression(form(levels));
			assert.equal(faults.length, levels > 64 ? 1 : 0, `${levels} ${name}`);
			if (levels > 64) assert.match(faults[0]?.message ?? "", /64 levels/);
		}
	}
});

test("bounds a chain of operators or members at 256 links, however flat it reads", () => {
	for (const link of [" + a", ".a", "[0]", ".trim()", " && a", " ? a : a"]) {
		for (const links of [127, 128]) {
			const { faults } = parseExpression(`a${link.repeat(links)}`);
			assert.deepEqual(faults, [], link);
		}
	}
	for (const link of [" + a", ".a", " ?? a"]) {
		for (const links of [255, 256, 257]) {
			const { faults } = parseExpression(`a${link.repeat(links)}`);
			assert.equal(faults.length, links > 256 ? 1 : 0, `${links}${link}`);
		}
	}
});

test("survives sources that nest deeper than any stack", () => {
	const hundredThousand = 100_000;
	for (const opening of [
		"(",
		"[",
		"!",
		"{a:",
		"`${",
		"a.map(x=>",
		"a?",
		"-",
		"[a][",
	]) {
		const { expression, faults } = parseExpression(
			opening.repeat(hundredThousand),
		);
		assert.equal(expression, null);
		assert.equal(faults.length > 0, true, opening);
		assert.equal(
			parseText(`\${${opening.repeat(hundredThousand)}`).template,
			null,
		);
	}
	assert.equal(parseExpression(`a${"+a".repeat(50_000)}`).expression, null);
});

test("knows every word that no step may be named", () => {
	const words =
		"await class default delete for function if in new null return this true typeof undefined var void while with yield let static enum eval arguments NaN Infinity Object Math JSON Array Number String Boolean encodeURIComponent decodeURIComponent uniqueBy sortBy omit compact escapeXml printXml queryOf";
	for (const word of words.split(" ")) {
		assert.ok(languageWords.has(word), word);
	}
	for (const word of ["city", "map", "filter", "length", "process", "of"]) {
		assert.ok(!languageWords.has(word), word);
	}
});
