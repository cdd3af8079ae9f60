import assert from "node:assert/strict";
import { test } from "node:test";
import { cookieOf, cookiesOf } from "../../../src/core/http/cookies.ts";
import { stateOf } from "../../../src/core/http/trace-context.ts";

test("of a name that is given twice the first cookie counts, and all are found", () => {
	const headers = ["cookie", "a=1; b=2", "cookie", "a=3"];
	assert.equal(cookieOf(headers, "a"), "1");
	assert.deepEqual(cookiesOf(headers, "a"), ["1", "3"]);
	assert.equal(cookieOf(headers, "c"), null);
});

test("spaces and tabs stand around a name and a value, and other white space in them", () => {
	assert.equal(cookieOf(["cookie", " \t a \t=\t 1 \t;b=2"], "a"), "1");
	assert.equal(cookieOf(["cookie", "\u00a0a=1"], "a"), null);
	assert.equal(cookieOf(["cookie", 'a=" 1 "'], "a"), " 1 ");
	assert.equal(cookieOf(["cookie", "a=  "], "a"), "");
});

test("a run of blanks inside costs no more than to read it", () => {
	// With a cost that grows by the square this would take hours.
	const blanks = " ".repeat(2_000_000);
	const headers = ["cookie", `a${blanks}b=1${blanks}2; t=x`];
	assert.equal(cookieOf(headers, "t"), "x");
	assert.equal(stateOf(["tracestate", `a=1${blanks}2`]), "");
});
