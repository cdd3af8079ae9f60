import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	lenientName,
	withoutParameters,
} from "../../../src/core/http/query.ts";

describe("a query without the parameters of some names", () => {
	const names = new Set(["key", "api_key"].map(lenientName));

	it("keeps the others as they came", () => {
		for (const query of [
			"",
			"a=1&b=%20+c",
			"a=key&b=1;2",
			"keys=1&monkey=2&ke=3",
			"a=1;b=2",
			"=key",
		]) {
			assert.equal(withoutParameters(query, names), query);
		}
	});

	it("has none that a server could read as one of them", () => {
		for (const pair of [
			"key=x",
			"key",
			"KEY=x",
			"k%65y=x",
			"k%2565y=x",
			"key[]=x",
			"key%5B0%5D=x",
			"+key=x",
			"%20key=x",
			"key%00y=x",
			"k%65y%ff=x",
			"key%C2%A0=x",
			"api.key=x",
			"api%2Ekey=x",
		]) {
			const query = withoutParameters(`a=1&${pair}&b=2`, names);
			assert.equal(query, "a=1&b=2", pair);
		}
	});

	it("has none behind a semicolon either", () => {
		assert.equal(withoutParameters("a=1;key=x;b=2", names), "a=1;b=2");
		assert.equal(withoutParameters(";KEY=x", names), "");
		assert.equal(withoutParameters("key=x;key=y&c=3", names), "c=3");
	});
});
