import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { watchingWords } from "../../ui/src/watching.ts";

const words = (
	watchers: number,
	watches: number,
	[changed, unchanged, failed]: [number, number, number],
) =>
	watchingWords({
		route: "GET /x",
		...{ watchers, watches },
		runs: { changed, unchanged, failed },
	});

describe("a live route on the page", () => {
	it("says who watches it, and what the runs for them came to", () => {
		assert.equal(
			words(3, 1, [2, 10, 1]),
			"3 clients watch 1 answer. 13 runs for those who watch since the start: 2 with another answer, 10 with the same, 1 failed.",
		);
		assert.equal(
			words(1, 1, [1, 0, 0]),
			"1 client watches 1 answer. 1 run for those who watch since the start: 1 with another answer, 0 with the same, 0 failed.",
		);
	});

	it("says if nobody watches it, and if nobody ever has", () => {
		assert.equal(words(0, 0, [0, 0, 0]), "Nobody watches it now.");
		assert.match(words(0, 0, [1, 0, 0]), /^Nobody watches it now\. 1 run /);
	});
});
