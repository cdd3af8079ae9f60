import { describe, it } from "node:test";
import { endsAsItsPartsDo } from "./properties.ts";

/** In parts, because a test has a minute, on machines that do other things besides. */
const parts = [1, 2, 3, 4, 5];

describe("any route of steps, groups, lists and replies does as docs/language.md says", () => {
	for (const part of parts) {
		it(`in 1000 random routes (${part} of ${parts.length})`, () =>
			endsAsItsPartsDo(1000));
	}
});
