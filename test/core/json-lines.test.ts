import assert from "node:assert/strict";
import { test } from "node:test";
import { surveyJson } from "../../src/core/json.ts";
import {
	LineError,
	readLines,
	surveyLines,
} from "../../src/core/json-lines.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const read = (text: string) => readLines(bytes(text));

test("each line is a value, whatever ends it", () => {
	const cases: [string, unknown[]][] = [
		["1", [1]],
		["1\n", [1]],
		["1\n2", [1, 2]],
		["1\r\n2\r\n", [1, 2]],
		["\n\n1\n \t\r\n2\n\n", [1, 2]],
		['{"a":1}\n[2]\n"x"\nnull\ntrue', [{ a: 1 }, [2], "x", null, true]],
		['"a\\nb"\n', ["a\nb"]],
		['"a\u2028b"', ["a\u2028b"]],
		["\ufeff1\n2", [1, 2]],
		[" \n", []],
		['{"a":1,"a":2}', [{ a: 2 }]],
		["9223372036854775807\n1", [9223372036854775807n, 1]],
	];
	for (const [text, values] of cases) {
		assert.deepEqual(read(text), values, JSON.stringify(text));
	}
});

test("the first line that is not JSON is told", () => {
	const cases: [text: string, line: number, last: boolean][] = [
		["x", 1, true],
		["1\nx\n2", 2, false],
		["1\n\n{\n2", 3, false],
		['1\n{"a":', 2, true],
		// Each line is a value of its own.
		["1,2", 1, true],
		["[1\n,2]", 1, false],
		["1 2\n", 1, false],
		// White space of JSON is not all white space.
		["1\n\u00a0\n", 2, false],
		["\u001e1\n", 1, false],
		["1\n1e400\n", 2, false],
		[`1\n${"[".repeat(65)}${"]".repeat(65)}`, 2, true],
	];
	for (const [text, line, last] of cases) {
		assert.throws(
			() => read(text),
			(error) => {
				assert.ok(error instanceof LineError, text);
				assert.deepEqual([error.line, error.last], [line, last], text);
				return true;
			},
		);
	}
	assert.throws(() => readLines(new Uint8Array([0x31, 0x0a, 0xff])), TypeError);
});

test("lines may nest as deep as JSON may, each for itself", () => {
	const deep = `${"[".repeat(64)}${"]".repeat(64)}`;
	assert.equal(read(`${deep}\n${deep}`).length, 2);
});

test("an attribute of a prototype is a key like any other", () => {
	const [value] = read('{"__proto__":1}') as [object];
	assert.deepEqual(Object.entries(value), [["__proto__", 1]]);
	assert.equal(Object.getPrototypeOf(value), Object.prototype);
});

test("a line counts as two values more than it has", () => {
	const one = surveyJson(bytes('{"a":1}')).values;
	const many = surveyLines(bytes('{"a":1}\n'.repeat(1000)));
	assert.ok(many.values >= 1000 * (one + 1), String(many.values));
	assert.equal(surveyLines(bytes("\n".repeat(1000))).values, 1 + 2 * 1001);
});
