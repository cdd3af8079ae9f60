import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
	faultOfPath,
	normalPath,
	pathOf,
} from "../../../src/core/http/path.ts";
import { longestTurn } from "../../kit/blocked.ts";
import { couldStepUp } from "../../kit/lenient.ts";

const step = "has `.` or `..` as a segment";
const nul = "holds a NUL";
const often = "is percent-encoded more than eight times";

describe("the judge of paths", () => {
	const cases: [path: string, fault: string | null][] = [
		["", null],
		["a", null],
		["...", null],
		["a.", null],
		[".a", null],
		["%2e%2e%2e", null],
		["100%25", null],
		["a%2Fb", null],
		["a;b=..", null],
		["caf%C3%A9", null],
		["caf%E9", null],
		["%", null],
		["%zz", null],
		[".", step],
		["..", step],
		["%2e", step],
		["%2E.", step],
		["%252e%252E", step],
		["..%2f..%2fadmin", step],
		["..%5cadmin", step],
		["a%2F..", step],
		["..;a", step],
		["..%3Bx", step],
		["..%3Fx", step],
		["..%23x", step],
		["%20..", step],
		["..%09", step],
		// Bytes that are no UTF-8 end no decoding.
		["%252e%252e;%25ff", step],
		["%ff/%2e%2e", step],
		// Old decoders read more bytes than needed as one character.
		["%c0%ae%c0%ae", step],
		["%e0%80%ae.", step],
		["%f0%80%80%ae.", step],
		["a%c0%af..", step],
		["a%c1%9c..", step],
		["%00", nul],
		["a%2500b", nul],
		["..%00", nul],
		[`%${"25".repeat(7)}41`, null],
		[`%${"25".repeat(8)}41`, often],
	];
	for (const [path, fault] of cases) {
		it(`says of ${JSON.stringify(path)}: ${fault ?? "nothing"}`, () => {
			assert.equal(faultOfPath(path), fault);
		});
	}

	it("refuses what a reader of any habit could take for a step upwards, and nothing else", () => {
		const piece = fc.constantFrom(
			...".|..|/|\\|;|?|#| |a|%|25|2e|2E|2f|5c|3b|00|c0|ae|af|e0|80|ff|%25|%2e|%2f|%c0%ae|%252e|%00".split(
				"|",
			),
		);
		const path = fc
			.array(piece, { maxLength: 12 })
			.map((pieces) => pieces.join(""));
		fc.assert(
			fc.property(path, (sent) => {
				assert.equal(faultOfPath(sent) !== null, couldStepUp(sent), sent);
			}),
			{ numRuns: 20_000 },
		);
	});

	it("takes a time in proportion to the path's length, however often it is encoded", async () => {
		const path = `%${"25".repeat(8000)}`;
		const { turnMs } = await longestTurn(() => {
			for (let times = 0; times < 16; times++) {
				assert.equal(faultOfPath(path), often);
			}
		});
		assert.ok(turnMs < 100, `${turnMs} ms`);
	});
});

describe("the normal form of a path", () => {
	it("has no escape of an unreserved character, and digits in upper case", () => {
		assert.equal(normalPath("/%6cog%69n"), "/login");
		assert.equal(normalPath("/%d0%9c%2f%7e"), "/%D0%9C%2F~");
		assert.equal(normalPath("/%256c"), "/%256c");
		assert.equal(normalPath("/plain"), "/plain");
	});

	it("is that of a target without its query", () => {
		assert.equal(pathOf("/%61?b=%61?c"), "/a");
	});
});
