import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseJson, printJson } from "../../src/core/json.ts";
import { mergePatch } from "../../src/live/merge-patch.ts";
import { merged } from "../kit/watch.ts";

const patchOf = (from: string, to: string) => {
	const patch = mergePatch(parseJson(from), parseJson(to));
	return patch === undefined ? undefined : printJson(patch);
};

/** From, to, and the patch; undefined if only the whole can say it. */
const cases: [from: string, to: string, patch: string | undefined][] = [
	["{}", "{}", "{}"],
	['{"a":1,"b":2}', '{"a":1,"b":3}', '{"b":3}'],
	['{"a":1,"b":2}', '{"b":2}', '{"a":null}'],
	['{"a":1}', '{"a":1,"b":[null]}', '{"b":[null]}'],
	[
		'{"a":{"b":{"c":1},"d":2}}',
		'{"a":{"b":{},"d":2}}',
		'{"a":{"b":{"c":null}}}',
	],
	['{"a":[1,2]}', '{"a":[1,3]}', '{"a":[1,3]}'],
	['{"a":[{"b":1}]}', '{"a":[{"b":1}]}', "{}"],
	['{"a":[1]}', '{"a":{"b":1}}', '{"a":{"b":1}}'],
	['{"a":{"b":1}}', '{"a":[1]}', '{"a":[1]}'],
	['{"a":{"b":1,"c":2}}', '{"a":{}}', '{"a":{"b":null,"c":null}}'],
	['{"a":1}', '{"a":{}}', '{"a":{}}'],
	["1", "2", "2"],
	["1", '{"a":1}', '{"a":1}'],
	['{"a":1}', "null", "null"],
	['{"a":1}', "[1]", "[1]"],
	// Null stands there already.
	['{"a":null,"b":1}', '{"a":null,"b":2}', '{"b":2}'],
	['{"a":null}', "{}", '{"a":null}'],
	// Null removes a member, so none can become null.
	['{"a":1}', '{"a":null}', undefined],
	["{}", '{"a":null}', undefined],
	["{}", '{"a":{"b":{"c":null}}}', undefined],
	["1", '{"a":null}', undefined],
	['{"a":[1]}', '{"a":{"b":null}}', undefined],
	// Numbers that a double would alter.
	['{"a":12345678901234567890}', '{"a":12345678901234567890}', "{}"],
	[
		'{"a":12345678901234567890}',
		'{"a":12345678901234567891}',
		'{"a":12345678901234567891}',
	],
	['{"a":1234567890123456.78}', '{"a":1234567890123456.78}', "{}"],
	[
		'{"a":1234567890123456.78}',
		'{"a":1234567890123456.79}',
		'{"a":1234567890123456.79}',
	],
	['{"__proto__":1}', '{"__proto__":{"b":2}}', '{"__proto__":{"b":2}}'],
	['{"__proto__":1}', "{}", '{"__proto__":null}'],
	["{}", '{"toString":1}', '{"toString":1}'],
	['{"toString":1}', "{}", '{"toString":null}'],
];

const value = fc.letrec((tie) => ({
	any: fc.oneof(
		{ maxDepth: 4 },
		fc.constantFrom(null, 0, 1, "a", true),
		fc.array(tie("any"), { maxLength: 3 }),
		fc.dictionary(fc.constantFrom("a", "b", "c", "toString"), tie("any"), {
			maxKeys: 4,
		}),
	),
})).any;

const plain = (of: unknown) => JSON.parse(JSON.stringify(of));

describe("a merge patch", () => {
	for (const [from, to, patch] of cases) {
		it(`is ${patch ?? "none"} from ${from} to ${to}`, () => {
			assert.equal(patchOf(from, to), patch);
		});
	}

	it("makes any value of any other, or there is none and the other has a null", () => {
		fc.assert(
			fc.property(value, value, (one, other) => {
				const [from, to] = [plain(one), plain(other)];
				const patch = mergePatch(from, to);
				if (patch === undefined) assert.match(JSON.stringify(to), /null/);
				else assert.deepEqual(plain(merged(from, plain(patch))), to);
			}),
			{ numRuns: 2000 },
		);
	});
});
