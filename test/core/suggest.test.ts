import assert from "node:assert/strict";
import { test } from "node:test";
import { suggest } from "../../src/core/suggest.ts";

const known = ["city", "cities", "weather", "now", "toUpperCase"];

test("suggests the name that was meant where a slip of the hand explains it", () => {
	const cases = {
		citys: "city",
		ciyt: "city",
		wether: "weather",
		weahter: "weather",
		Weather: "weather",
		touppercase: "toUpperCase",
		nwo: "now",
		citie: "cities",
	};
	for (const [name, meant] of Object.entries(cases)) {
		assert.equal(suggest(name, known), ` — did you mean \`${meant}\`?`, name);
	}
});

test("suggests nothing where nothing is near", () => {
	for (const name of ["", "x", "translate", "no such name", "ab", "w"]) {
		assert.equal(suggest(name, known), "", name);
	}
});

test("allows one slip for three letters, and more for longer names", () => {
	assert.notEqual(suggest("abx", ["abc"]), "");
	assert.equal(suggest("axy", ["abc"]), "");
	assert.notEqual(suggest("abcdxy", ["abcdef"]), "");
	assert.equal(suggest("abcxyz", ["abcdef"]), "");
});

test("prefers the nearest name, and of equally near ones the first", () => {
	assert.match(suggest("cat", ["bat", "cats", "car"]), /`bat`/);
	assert.match(suggest("weathr", ["wether", "weather"]), /`weather`/);
});
