import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { configOf, worstKinds } from "../../bench/worst-kinds.ts";
import { checkValue, configOrThrow } from "../../src/config/load.ts";

describe("the kinds of input of the bench of the worst", () => {
	it("each have a config that loads", () => {
		for (const kind of worstKinds) {
			const config = configOf(kind, "http://service.test");
			configOrThrow(checkValue(config, kind.title, {}));
		}
	});

	it("each have a title of their own", () => {
		const titles = worstKinds.map(({ group, title }) => `${group}: ${title}`);
		assert.equal(new Set(titles).size, titles.length);
	});
});
