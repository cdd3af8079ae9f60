import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { TextSearch } from "../../src/core/text-search.ts";

/** Where texts stand, found by looking at every place. */
function everyPlace(text: string, wanted: readonly string[]): number[] {
	const hit = new Array<boolean>(text.length).fill(false);
	// Places that only touch are two.
	const begins = new Set<number>();
	const joins = new Set<number>();
	for (const one of wanted) {
		for (let at = text.indexOf(one); at >= 0; at = text.indexOf(one, at + 1)) {
			hit.fill(true, at, at + one.length);
			begins.add(at);
			for (let in_ = at + 1; in_ < at + one.length; in_++) joins.add(in_);
		}
	}
	const found: number[] = [];
	for (let at = 0; at <= text.length; at++) {
		const before = at > 0 && hit[at - 1] === true;
		const here = hit[at] === true;
		const isBorder = begins.has(at) && !joins.has(at);
		if (before && (!here || isBorder)) found.push(at);
		if (here && (!before || isBorder)) found.push(at);
	}
	return found;
}

/** Few letters, so that texts overlap, contain and repeat each other. */
const letters = (min: number, max: number) =>
	fc
		.array(fc.constantFrom("a", "b", "c"), { minLength: min, maxLength: max })
		.map((all) => all.join(""));

describe("a search for many texts", () => {
	it("finds each of them wherever it stands, as one looks at every place", () => {
		fc.assert(
			fc.property(
				fc.array(letters(4, 9), { minLength: 1, maxLength: 8 }),
				letters(0, 60),
				(wanted, text) => {
					const search = new TextSearch(new Set(wanted));
					const found = search.find(text) ?? [];
					assert.deepEqual(found, everyPlace(text, wanted));
				},
			),
			{ numRuns: 500 },
		);
	});

	it("finds texts that are longer than what it looks at first, also if they end alike", () => {
		const tail = "0123456789".repeat(4);
		const wanted = [`x${tail}`, `yy${tail}`, tail];
		const search = new TextSearch(new Set(wanted));
		const text = `${tail} x${tail} yy${tail} zz${tail}`;
		assert.deepEqual(search.find(text), everyPlace(text, wanted));
	});

	it("finds texts that were added later, and says if one is too short for that", () => {
		const search = new TextSearch(new Set(["first-secret", "second-one--"]));
		assert.equal(search.find("a third-secret"), null);
		assert.equal(search.add("third-secret"), true);
		assert.deepEqual(search.find("a third-secret"), [2, 14]);
		assert.equal(search.add("short"), false);
		// Twice as many as at first: then most of a text could not be skipped any more.
		assert.equal(search.add("fourth-secret"), true);
		assert.equal(search.add("fifth-secret"), false);
	});

	it("knows of bytes whether one may stand there", () => {
		fc.assert(
			fc.property(
				fc.array(letters(4, 9), { minLength: 1, maxLength: 8 }),
				letters(0, 60),
				(wanted, text) => {
					const search = new TextSearch(new Set(wanted));
					if (search.find(text) === null) return;
					assert.ok(search.mayStandIn(Buffer.from(text)));
				},
			),
		);
		const search = new TextSearch(new Set(["secret"]));
		assert.equal(search.mayStandIn(Buffer.from("nothing of the kind")), false);
		assert.equal(search.mayStandIn(Buffer.alloc(0)), false);
	});
});
