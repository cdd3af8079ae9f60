import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { placeOfFault } from "../../src/core/json-place.ts";
import { createRandom } from "../upstream/answers.ts";
import { documents } from "./spoiled-json.ts";

const placeIn = (text: string) => placeOfFault(Buffer.from(text));

function isJson(text: string): boolean {
	try {
		JSON.parse(text);
		return true;
	} catch {
		return false;
	}
}

describe("the place where a text stops being JSON", () => {
	const places: readonly [text: string, line: number, column: number][] = [
		["", 1, 1],
		[" ", 1, 2],
		["[1, 2", 1, 6],
		["[1 2]", 1, 4],
		["[1,]", 1, 4],
		["[}", 1, 2],
		["{]", 1, 2],
		['{"a" 1}', 1, 6],
		['{"a":1,}', 1, 8],
		['{"a":1]', 1, 7],
		["1 2", 1, 3],
		["01", 1, 2],
		["-", 1, 1],
		["1.", 1, 1],
		["1e", 1, 1],
		["nul", 1, 1],
		['"\\x"', 1, 1],
		['{\r\n\t"a": "🦔", b}', 2, 13],
		["\ufeff[1,", 1, 4],
	];
	for (const [text, line, column] of places) {
		test(`is line ${line}, column ${column} in ${JSON.stringify(text)}`, () => {
			assert.deepEqual(placeIn(text), { line, column });
		});
	}

	test("is nowhere in what is JSON", () => {
		const more = [
			"[]",
			"{}",
			"[[],{}]",
			"-0.5e+300",
			" null ",
			'"\\ud800"',
			"\ufeff1",
		];
		for (const text of [...documents, ...more]) {
			assert.equal(placeIn(text), null, text);
		}
	});

	test("is somewhere exactly if the engine's reader fails, in 5,000 documents that are spoiled anywhere", (t) => {
		const seed = Date.now() % 1e9;
		t.diagnostic(`seed ${seed}`);
		const random = createRandom(seed);
		const of = (list: readonly string[]) => list[random(list.length)] ?? "";
		const odd = [
			'"',
			"{",
			"}",
			"[",
			"]",
			",",
			":",
			"\\",
			"0",
			"-",
			".",
			"e",
			"t",
			" ",
			"\n",
			"",
		];
		for (let round = 0; round < 5000; round++) {
			const text = of(documents);
			const at = random(text.length);
			const spoiled = text.slice(0, at) + of(odd) + text.slice(at + random(3));
			assert.equal(placeIn(spoiled) === null, isJson(spoiled), spoiled);
		}
	});
});
