import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { codingWishOf } from "../../../src/core/http/accept-encoding.ts";

/** RFC 9110, 12.5.3. */
const cases: readonly [
	field: string | null,
	coding: string | null,
	refusesPlain?: boolean,
][] = [
	[null, null],
	["", null],
	["gzip", "gzip"],
	["GZIP", "gzip"],
	["x-gzip", "gzip"],
	["gzip, deflate, br, zstd", "zstd"],
	["gzip, deflate, br", "br"],
	["deflate", null],
	["compress, dcz", null],
	["*", "zstd"],
	["br;q=0, *;q=0.5", "zstd"],
	["zstd;q=0, br;q=0, *;q=0.5", "gzip"],
	["gzip;q=1.0, br;q=0.9", "gzip"],
	["gzip;q=0.5, br;q=0.5", "br"],
	["gzip;q=0.001", "gzip"],
	["gzip;q=0", null],
	["gzip; q=0.000", null],
	["identity", null],
	["identity;q=0.5, gzip;q=0.4", null],
	["identity;q=0.5, gzip;q=0.5", "gzip"],
	["identity;q=0.4, gzip;q=0.5", "gzip"],
	["identity, *;q=0", null],
	["identity;q=0", null, true],
	["identity;q=0, gzip", "gzip", true],
	["gzip, *;q=0", "gzip", true],
	["*;q=0", null, true],
	["*;q=0, identity", null],
	// A malformed weight says nothing.
	["gzip;q=2, br;q=0.5", "br"],
	["gzip;q=high", null],
	["gzip;q=0, gzip;q=1", "gzip"],
	[", ,gzip,", "gzip"],
];

describe("the coding that a client wants", () => {
	for (const [field, coding, refusesPlain = false] of cases) {
		const said = field === null ? "no field" : `\`${field}\``;
		it(`${said} is ${coding ?? "none"}${refusesPlain ? ", and not the plain bytes" : ""}`, () => {
			const headers = field === null ? [] : ["accept-encoding", field];
			assert.deepEqual(codingWishOf(headers), { coding, refusesPlain });
		});
	}

	it("counts all lines of the field", () => {
		const headers = ["accept-encoding", "br;q=0.5", "accept-encoding", "gzip"];
		assert.equal(codingWishOf(headers).coding, "gzip");
	});
});
