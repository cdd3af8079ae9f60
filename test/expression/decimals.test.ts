import assert from "node:assert/strict";
import { test } from "node:test";
import { dataOf } from "../../src/core/body/data.ts";
import { Decimal } from "../../src/core/decimal.ts";
import { parseJson, printJson } from "../../src/core/json.ts";
import { compute, failureOf } from "./compute.ts";

/** `long` and `more` have digits that no double has. `seen` is a double to 17 digits, as many services print one. */
const data = parseJson(`{
	"long": 1234567890123456.78,
	"more": 1234567890123456.79,
	"same": 1234567890123456.780,
	"less": -1234567890123456.78,
	"tiny": 1e-400,
	"seen": 0.10000000000000001,
	"id": 9223372036854775807,
	"list": [0.10000000000000001, 1234567890123456.78, 2]
}`) as Record<string, unknown>;

function results(cases: Record<string, unknown>): void {
	for (const [source, value] of Object.entries(cases)) {
		const made = compute(source, data);
		if (typeof value === "string") assert.equal(printJson(made), value, source);
		else assert.deepEqual(made, value, source);
	}
}

test("passes on and prints the digits of decimals that no double has", () => {
	results({
		long: "1234567890123456.78",
		"{ price: long, list }":
			'{"price":1234567890123456.78,"list":[0.10000000000000001,1234567890123456.78,2]}',
		"String(long)": '"1234567890123456.78"',
		"`${long} EUR`": '"1234567890123456.78 EUR"',
		"'EUR ' + long": '"EUR 1234567890123456.78"',
		"JSON.stringify([long])": '"[1234567890123456.78]"',
		"JSON.parse('[1234567890123456.78]')": "[1234567890123456.78]",
		"list.join('; ')": '"0.10000000000000001; 1234567890123456.78; 2"',
		"{ [long]: 1 }": '{"1234567890123456.78":1}',
		"{ ...long, a: 1 }": '{"a":1}',
		"long.x": null,
		"Boolean(tiny)": true,
		"Array.isArray(long)": false,
		"list.at(1)": "1234567890123456.78",
	});
});

test("compares decimals to their last digit", () => {
	results({
		"long === long": true,
		"long === same": true,
		"long === more": false,
		"long !== more": true,
		"long < more": true,
		"more <= long": false,
		"less < long": true,
		"less < 0": true,
		"long > 1234567890123456": true,
		"long < id": true,
		"id > long": true,
		"long === 'a'": false,
		"long === null": false,
		"tiny > 0": true,
		"tiny < 1e-300": true,
		"long.x === null": true,
		"seen === 0.1": true,
		"0.1 >= seen": true,
		"list.indexOf(0.1)": 0,
		"list.includes(same)": true,
		"list.includes(more)": false,
		"sortBy([more, 3, id, long, less, tiny], x => x)":
			"[-1234567890123456.78,1e-400,3,1234567890123456.78,1234567890123456.79,9223372036854775807]",
		"uniqueBy([long, same, more, seen, 0.1], x => x).length": 4,
		"Object.keys(Object.groupBy([long, same], x => x))":
			'["1234567890123456.78","1234567890123456.780"]',
	});
});

test("computes with a decimal whose digits are those of a double, and with no other", () => {
	results({
		"seen + 1": 1.1,
		"-seen": -0.1,
		"+seen": 0.1,
		"Math.round(seen * 10)": 1,
		"Math.max(...[seen, 0.05])": 0.1,
		"seen.toFixed(2)": '"0.10"',
		"[seen, 1].reduce((a, b) => a + b)": 1.1,
		"Number(long)": 1234567890123456.8,
		"Number(seen)": 0.1,
		"Number(long).toFixed(0)": '"1234567890123457"',
	});
	const wanted = /a number of more digits than can be computed with/;
	for (const source of [
		"long + 1",
		"long - long",
		"id + long",
		"seen + id",
		"-long",
		"Math.round(long)",
		"long.toFixed(2)",
		"'abc'.slice(long)",
		"Object.keys(long)",
		"compact(long)",
		"long.map(x => x)",
		"mergeDeep({}, long)",
		"isoTime(long)",
	]) {
		const error = failureOf(source, data);
		assert.equal(error.code, "step_failed", source);
		assert.match(error.message, source === "seen + id" ? /too large/ : wanted);
	}
	assert.equal(failureOf("long < null", data).code, "reference_missing");
	assert.equal(failureOf("long < 'a'", data).code, "step_failed");
});

test("says of a number that no double can hold what it is", () => {
	assert.match(
		failureOf("JSON.parse('[1e400]')").message,
		/the text is JSON in which a number is too large/,
	);
});

test("gives an author's function the nearest number", () => {
	const meter = { burn() {}, hold() {} };
	assert.deepEqual(
		dataOf({ a: [new Decimal("1234567890123456.78")] }, "f", meter),
		{
			a: [1234567890123456.8],
		},
	);
});
