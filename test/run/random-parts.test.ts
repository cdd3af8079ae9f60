import { describe, it } from "node:test";
import { addsUpToTheWhole } from "./parts-properties.ts";

const parts = [1, 2];

describe("any route that answers in parts", () => {
	for (const part of parts) {
		it(`adds up to the whole answer, in 250 random routes (${part} of ${parts.length})`, () =>
			addsUpToTheWhole(250));
	}
});
