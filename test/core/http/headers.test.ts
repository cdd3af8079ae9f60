import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import {
	agreeOn,
	agreeOnList,
	allHeadersOf,
	decodedValue,
	eachHeader,
	hasHeaderOf,
	headerOf,
	headersWithout,
	isFieldValue,
	isHeaderValue,
	isToken,
	membersOf,
	namesIn,
	onlyHeaderOf,
} from "../../../src/core/http/headers.ts";

const headers = ["Etag", "1", "Vary", "a", "etag", "2", "VARY", "B ,, c"];

test("visits each field in the order it travels, with its name as it is written", () => {
	const seen: string[] = [];
	eachHeader(headers, (name, value) => seen.push(name, value));
	assert.deepEqual(seen, headers);
	eachHeader([], () => assert.fail("there is none"));
});

test("gives the first value of a field, however its name is written, and null for none", () => {
	assert.equal(headerOf(headers, "etag"), "1");
	assert.equal(headerOf(headers, "vary"), "a");
	assert.equal(headerOf(headers, "age"), null);
	assert.equal(headerOf([], "etag"), null);
});

test("takes no value for a name", () => {
	assert.equal(headerOf(["a", "etag", "b", "c"], "etag"), null);
	assert.equal(headerOf(["a", "b", "etag", "etag"], "etag"), "etag");
	assert.deepEqual(allHeadersOf(["a", "etag", "etag", "x"], "etag"), ["x"]);
});

test("gives the value of a field that is there once, and null where it is there twice or never", () => {
	assert.equal(onlyHeaderOf(["Host", "a", "b", "c"], "host"), "a");
	assert.equal(onlyHeaderOf(["host", "a", "Host", "a"], "host"), null);
	assert.equal(onlyHeaderOf(["b", "c"], "host"), null);
	assert.equal(onlyHeaderOf(["host", ""], "host"), "");
});

test("gives all values of a field, in the order they came", () => {
	assert.deepEqual(allHeadersOf(headers, "etag"), ["1", "2"]);
	assert.deepEqual(allHeadersOf(headers, "age"), []);
});

test("reads a list of names over all its lines, in lower case and without empty members", () => {
	assert.deepEqual(namesIn(headers, "vary"), ["a", "b", "c"]);
	assert.deepEqual(namesIn(headers, "connection"), []);
});

test("splits a list at its commas, but not within a quoted text", () => {
	const lists: [string, string[]][] = [
		["", []],
		[" , ,", []],
		["a", ["a"]],
		["a, b ,c", ["a", "b", "c"]],
		['"a,b",c', ['"a,b"', "c"]],
		['"a\\",b",c', ['"a\\",b"', "c"]],
		["a\\,b", ["a\\", "b"]],
		['"a, b', ['"a, b']],
		['"a\\', ['"a\\']],
	];
	for (const [value, members] of lists) {
		assert.deepEqual(membersOf(value), members, value);
	}
});

test("tells whether one of several fields is there", () => {
	assert.equal(hasHeaderOf(headers, new Set(["age", "vary"])), true);
	assert.equal(hasHeaderOf(headers, new Set(["a", "1", "age"])), false);
});

test("leaves fields out by their names in lower case, and keeps the others as they are written", () => {
	const kept = headersWithout(headers, (name) => name === "vary");
	assert.deepEqual(kept, ["Etag", "1", "etag", "2"]);
	assert.deepEqual(
		headersWithout(headers, () => false),
		headers,
	);
});

describe("two lists agree on a field", () => {
	const rows: [string, string[], string[], boolean][] = [
		["that neither has", ["a", "1"], [], true],
		["that one of them has", ["x", "1"], ["a", "1"], false],
		["that the other has", [], ["x", "1"], false],
		["whose values are the same", ["X", "1"], ["a", "2", "x", "1"], true],
		["whose values differ", ["x", "1"], ["x", "2"], false],
		["that is there as often", ["x", "1", "x", "2"], ["x", "1"], false],
		["that is there more often", ["x", "1"], ["x", "1", "x", "1"], false],
		["in its order", ["x", "1", "x", "2"], ["x", "2", "x", "1"], false],
	];
	for (const [title, some, others, agree] of rows) {
		test(`${title}: ${agree}`, () => {
			assert.equal(agreeOn("x", some, others), agree);
		});
	}
});

test("a value is visible ASCII, space and tab, and never the end of a line", () => {
	for (const text of ["", "a b\tc", "!~"]) assert.ok(isHeaderValue(text), text);
	for (const text of ["a\r\nb: c", "\n", "\0", "\x7f", "\x80", "ü", "Ж"]) {
		assert.ok(!isHeaderValue(text), JSON.stringify(text));
	}
});

test("a value that came may have bytes beyond ASCII, and is UTF-8 or Latin-1", () => {
	for (const text of ["", "a b\tc", "\x80\xff", "é"])
		assert.ok(isFieldValue(text), text);
	for (const text of ["\n", "\r", "\0", "\x7f", "Ж"])
		assert.ok(!isFieldValue(text), JSON.stringify(text));
	for (const [value, text] of [
		["a", "a"],
		["\xc3\xa9", "é"],
		["\xe9", "é"],
		["\xc3\xa9\xe9", "Ã©é"],
	] as const)
		assert.equal(decodedValue(value), text);
});

test("a name is a token", () => {
	for (const text of ["a", "X-A", "!#$%&'*+-.^_`|~9"]) {
		assert.ok(isToken(text), text);
	}
	for (const text of ["", "a b", "a:", "a\n", "(a)", '"', "ü"]) {
		assert.ok(!isToken(text), JSON.stringify(text));
	}
});

describe("two fields are the same list", () => {
	for (const [name, some, others, agree] of [
		["x", ["x", "1,2"], ["x", " 1 , 2 "], true],
		["x", ["x", "1", "x", "2"], ["x", "1, 2"], true],
		["x", ["x", "1,2"], ["x", "2,1"], false],
		["x", ["x", "1,,2,"], ["x", "1,2"], true],
		["x", ["x", "1,2"], ["x", "1 2"], false],
		["x", ["x", "a"], ["x", "A"], false],
		["x", [], [], true],
		["x", ["x", ""], [], false],
		["x", ["x", '"a, b"'], ["x", '"a,b"'], false],
		["x", ["x", '"a", "b"'], ["x", '"a","b"'], true],
		["x", ["x", '"\\", "'], ["x", '"\\","'], false],
		["accept-language", ["x", ""], ["accept-language", "de"], false],
		[
			"accept-language",
			["accept-language", "en, de"],
			["accept-language", "eN,De"],
			true,
		],
		[
			"accept-encoding",
			["accept-encoding", "GZIP"],
			["accept-encoding", "gzip"],
			true,
		],
	] as const) {
		it(`${name}: ${some.join(" ")} and ${others.join(" ")}: ${agree}`, () => {
			assert.equal(agreeOnList(name, some, others), agree);
			assert.equal(agreeOnList(name, others, some), agree);
		});
	}

	it("takes a time that grows as the field does", () => {
		const long = " \t".repeat(500_000);
		assert.ok(!agreeOnList("x", ["x", `a${long}b`], ["x", `a${long}c`]));
	});
});
