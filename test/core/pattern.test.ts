import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createPattern, faultOfPattern } from "../../src/core/pattern.ts";
import { longestTurn } from "../kit/blocked.ts";

/** Characters by which the two syntaxes, or what they mean, might differ. */
const characters = [
	..."aA0_-. \n\r\t\v\f\b\0[]^$&:é\u00a0\u2028\u2029\ufeff\u180e\u200bα😀\ud7ff",
];
const texts = fc
	.array(fc.constantFrom(...characters), { maxLength: 4 })
	.map((list) => list.join(""));

describe("a pattern", () => {
	const atom = fc.constantFrom(
		..."a|A|0|é|😀|.|\\s|\\S|\\d|\\D|\\w|\\W|[a]|[^a]|[^]|[]|[\\s]|[^\\s]|[\\S]|[\\d.]|[\\w-]|[[:alpha:]]|[\\b]|[\\]^]|[a-z]|[&&]|\\b|\\B|^|$|\\u0061|\\u{1F600}|\\uD83D\\uDE00|\\x61|\\cJ|\\0|\\/|\\.|\\[|\\n|\\t|\\v|\\p{L}|\\P{L}|\\p{Script=Greek}|[\\p{Lu}0]|(a)|(?:a|é)|(?<n>a)|[α-ω]".split(
			"|",
		),
	);
	const quantified = fc
		.tuple(atom, fc.constantFrom("", "", "*", "+?", "?", "{1,2}"))
		.map(([one, quantifier]) =>
			/^(?:\^|\$|\\b|\\B)$/.test(one) ? one : one + quantifier,
		);
	const pattern = fc
		.array(quantified, { minLength: 1, maxLength: 3 })
		.map((list) => list.join(""))
		.filter((source) => (source.match(/\(\?</g) ?? []).length < 2)
		// The alternatives above were split at their bars.
		.filter((source) => {
			try {
				return Boolean(new RegExp(source, "u"));
			} catch {
				return false;
			}
		});

	it("says of every text what ECMAScript says", () => {
		fc.assert(
			fc.property(pattern, fc.array(texts, { maxLength: 8 }), (source, all) => {
				assert.equal(faultOfPattern(source), null, source);
				const own = createPattern(source);
				// From the start, because V8 14.6 does not find `[^a]$` in an emoji when it looks from the end.
				const theirs = new RegExp(`^[^]*?(?:${source})`, "u");
				for (const text of all) {
					assert.equal(
						own.test(text),
						theirs.test(text),
						`/${source}/ of ${JSON.stringify(text)}`,
					);
				}
			}),
			{ numRuns: 3000 },
		);
	});

	const refused: [source: string, words: RegExp][] = [
		["(", /not a regular expression/],
		["^(?=a)a", /looks around with `\(\?=…\)`/],
		["a(?!b)", /looks around with `\(\?!…\)`/],
		["(?<=a)b", /looks around with `\(\?<=…\)`/],
		["(?<!a)b", /looks around with `\(\?<!…\)`/],
		["(a)\\1", /refers back with `\\1`/],
		["(?<n>a)\\k<n>", /refers back with `\\k<n>`/],
		["(?i:a)", /sets flags with `\(\?i:`/],
		["\\p{ID_Start}", /names `\\p\{ID_Start\}`/],
		["a{1001}", /repeats too much/],
		["(a{100}){100}", /repeats too much/],
	];
	for (const [source, words] of refused) {
		it(`is refused with its reason: ${source}`, () => {
			assert.match(faultOfPattern(source) ?? "", words);
			assert.throws(() => createPattern(source));
		});
	}

	it("takes a time in proportion to the text's length, whatever repeats stand in it", async () => {
		const cases: [source: string, text: string][] = [
			["^(\\w|\\d)*$", `${"a".repeat(60_000)}!`],
			["^(a+)+$", `${"a".repeat(60_000)}!`],
			[".*a.*b.*c.*d", "abc".repeat(20_000)],
			["\\s+$", `${" ".repeat(60_000)}x`],
			["^(a|a)*$", `${"a".repeat(60_000)}!`],
		];
		for (const [source, text] of cases) {
			const own = createPattern(source);
			const { turnMs } = await longestTurn(() => {
				assert.equal(own.test(text), false);
			});
			assert.ok(turnMs < 250, `${source}: ${turnMs} ms`);
		}
	});
});
