import assert from "node:assert/strict";
import { test } from "node:test";
import { charsetIn, mediaTypeIn } from "../../../src/core/http/media-type.ts";

test("a media type is in lower case and without parameters", () => {
	const cases: [string | null, string | null][] = [
		["text/html", "text/html"],
		["Text/HTML; charset=utf-8", "text/html"],
		[" application/vnd.api+json ;a=b", "application/vnd.api+json"],
		["text/html;", "text/html"],
		["", null],
		[null, null],
		["text", null],
		["text/", null],
		["/html", null],
		["text/html, text/plain", null],
		["text /html", null],
		["text/html charset=utf-8", null],
	];
	for (const [value, expected] of cases) {
		assert.equal(mediaTypeIn(value), expected, String(value));
	}
});

test("a charset is the first that is announced", () => {
	const cases: [string | null, string | null][] = [
		[null, null],
		["text/plain", null],
		["charset=utf-8", null],
		["text/plain; charset=utf-8", "utf-8"],
		["text/plain;charset=UTF-8", "UTF-8"],
		["text/plain;\tCHARSET=latin1 ; a=b", "latin1"],
		['text/plain; charset="utf-8"', "utf-8"],
		['text/plain; charset="ut\\f-8"', "utf-8"],
		["text/plain; a=b; charset=x; charset=y", "x"],
		['text/plain; a="; charset=x"; charset=y', "y"],
		['text/plain; a="\\"; charset=x"; charset=y', "y"],
		["text/plain; xcharset=x", null],
		["text/plain; charset=", ""],
		["text/plain; charset", null],
		["text/plain; charset =utf-8", null],
	];
	for (const [value, expected] of cases) {
		assert.equal(charsetIn(value), expected, String(value));
	}
});
