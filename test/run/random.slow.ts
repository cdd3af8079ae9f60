import { describe, it } from "node:test";
import { answersTheSame, leavesNothingBehind } from "./properties.ts";

describe("any route", () => {
	it("answers the same whichever part arrives first", () =>
		answersTheSame(500));

	it("leaves nothing behind and keeps its deadline where connections are few", () =>
		leavesNothingBehind(300));
});
