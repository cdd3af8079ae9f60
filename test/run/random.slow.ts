import { describe, it } from "node:test";
import {
	answersTheSame,
	endsAsItsPartsDo,
	leavesNothingBehind,
} from "./properties.ts";

describe("any route", () => {
	it("starts each step when all it reads is there, and ends as its parts do", () =>
		endsAsItsPartsDo(400));

	it("answers the same whichever part arrives first", () =>
		answersTheSame(200));

	it("leaves nothing behind and keeps its deadline where connections are few", () =>
		leavesNothingBehind(200));
});
