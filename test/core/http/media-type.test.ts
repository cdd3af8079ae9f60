import assert from "node:assert/strict";
import { test } from "node:test";
import { mediaTypeIn } from "../../../src/core/http/media-type.ts";

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
