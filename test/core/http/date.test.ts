import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseHttpDate } from "../../../src/core/http/date.ts";

describe("an HTTP date (RFC 9110, 5.6.7)", () => {
	for (const [text, iso] of [
		["Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37.000Z"],
		["Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37.000Z"],
		["Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37.000Z"],
		["Thu, 18 Aug 2050 02:01:18 GMT", "2050-08-18T02:01:18.000Z"],
		["Thursday, 18-Aug-50 02:01:18 GMT", "2050-08-18T02:01:18.000Z"],
		["Thu Aug 18 02:01:18 2050", "2050-08-18T02:01:18.000Z"],
		// RFC 9111, 4.2: a cache takes any case of letters.
		["thu, 18 AUG 2050 02:01:18 gmt", "2050-08-18T02:01:18.000Z"],
		["THURSDAY, 18-aug-50 02:01:18 gMT", "2050-08-18T02:01:18.000Z"],
		["THU aUG 18 02:01:18 2050", "2050-08-18T02:01:18.000Z"],
		["Thu, 29 Feb 2024 23:59:60 GMT", "2024-03-01T00:00:00.000Z"],
		["Sat, 01 Jan 0094 00:00:00 GMT", "0094-01-01T00:00:00.000Z"],
	] as const) {
		test(`is ${text}`, () => {
			assert.equal(new Date(parseHttpDate(text)).toISOString(), iso);
		});
	}

	for (const text of [
		"",
		"0",
		"-1",
		"soon",
		"2050-08-18T02:01:18Z",
		"Thu, 18 Aug 2050 02:01:18 AEST",
		"Thu, 18 Aug 2050 02:01:18 +0000",
		"Thu, 18 Aug 2050 02:01:18 UTC",
		"Thu, 18 Aug 2050 02:01:18",
		"Thu, 18  Aug 2050 02:01:18 GMT",
		"Thu, 18 Aug  2050 02:01:18 GMT",
		"Thu, 18 Aug 2050  02:01:18 GMT",
		"Thu,18 Aug 2050 02:01:18 GMT",
		"Thu 18 Aug 2050 02:01:18 GMT",
		"18 Aug 2050 02:01:18 GMT",
		"Thu, 18-Aug-2050 02:01:18 GMT",
		"Thu, 18 Aug 50 02:01:18 GMT",
		"Thu, 18 Aug 2050 2:01:18 GMT",
		"Thu, 18 Aug 2050 02.01.18 GMT",
		"Thu, 18 Aug 2050 24:00:00 GMT",
		"Thu, 18 Aug 2050 02:60:00 GMT",
		"Thu, 31 Jun 2050 02:01:18 GMT",
		"Thu, 00 Jun 2050 02:01:18 GMT",
	]) {
		test(`is not ${JSON.stringify(text)}`, () => {
			assert.equal(parseHttpDate(text), Number.NaN);
		});
	}

	test("of two digits is at most 50 years ahead", () => {
		const now = new Date().getUTCFullYear();
		for (const [ahead, year] of [
			[0, now],
			[50, now + 50],
			[51, now - 49],
		] as const) {
			const digits = String((now + ahead) % 100).padStart(2, "0");
			const read = parseHttpDate(`Monday, 01-Jan-${digits} 00:00:00 GMT`);
			assert.equal(new Date(read).getUTCFullYear(), year);
		}
	});
});
