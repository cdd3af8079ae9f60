import { describe, it } from "node:test";
import {
	answersTheSame,
	endsAsItsPartsDo,
	leavesNothingBehind,
} from "./properties.ts";

describe("any of many routes", () => {
	it("starts each step when all it reads is there, and ends as its parts do", () =>
		endsAsItsPartsDo(6000));

	it("answers the same whichever part arrives first", () =>
		answersTheSame(3000));

	it("leaves nothing behind and keeps its deadline where connections are few", () =>
		leavesNothingBehind(3000));
});
