import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { preferredType } from "../../../src/core/http/accept.ts";

const ndjson = "application/x-ndjson";
const events = "text/event-stream";

/** By RFC 9110, 12.5.1, for a route whose usual answer is JSON. */
const cases: [accept: string, preferred: string | null][] = [
	["", null],
	["*/*", null],
	["application/json", null],
	[ndjson, ndjson],
	["Application/X-NDJSON", ndjson],
	[events, events],
	[`${ndjson}, */*;q=0.1`, ndjson],
	[`${ndjson}, */*`, null],
	[`${ndjson};q=0.9, application/json;q=0.8`, ndjson],
	[`${ndjson};q=0.8, application/json;q=0.9`, null],
	[`application/json, ${events}`, null],
	[`${events}, application/json;q=0, */*`, events],
	[`${ndjson};q=0.5, ${events}`, events],
	[`${events}, ${ndjson}`, ndjson],
	[`${ndjson};q=0`, null],
	[`${ndjson};q=0.000`, null],
	[`${ndjson};q=0.001`, ndjson],
	[`${ndjson};q=2`, null],
	[`${ndjson};q=-1`, null],
	[`${ndjson};q=`, null],
	[`${ndjson};q=0.1234`, null],
	[`${ndjson};q="1"`, ndjson],
	[`${ndjson} ; charset=utf-8 ; q=0.3 , */*;q=0.2`, ndjson],
	["text/*", null],
	["text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", null],
	["application/*;q=0.5, text/event-stream;q=0.6", events],
	["application/*;q=0.7, text/event-stream;q=0.6", null],
	[`,, ;q=1, "${ndjson}"`, null],
];

describe("what a client accepts", () => {
	for (const [accept, preferred] of cases) {
		it(`prefers ${preferred ?? "the usual answer"} if it is \`${accept}\``, () => {
			const fields = ["accept", accept];
			const types = [ndjson, events] as const;
			assert.equal(preferredType(fields, "application/json", types), preferred);
		});
	}

	it("is one list in several fields", () => {
		const fields = ["Accept", "*/*;q=0.5", "accept", ndjson];
		const types = [ndjson] as const;
		assert.equal(preferredType(fields, "application/json", types), ndjson);
	});
});
