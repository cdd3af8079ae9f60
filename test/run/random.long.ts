import { describe, it } from "node:test";
import { addsUpToTheWhole } from "./parts-properties.ts";
import {
	answersTheSame,
	endsAsItsPartsDo,
	leavesNothingBehind,
} from "./properties.ts";

describe("any of many routes", () => {
	it("does as docs/language.md says", () => endsAsItsPartsDo(60_000));

	it("adds up to the whole answer if it comes in parts", () =>
		addsUpToTheWhole(20_000));

	it("answers the same whichever part arrives first", () =>
		answersTheSame(3000));

	it("leaves nothing behind and keeps its deadline where connections are few", () =>
		leavesNothingBehind(3000));
});
