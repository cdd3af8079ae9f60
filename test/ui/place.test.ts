import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hashOf, placeOf, queryOf } from "../../ui/src/place.ts";

describe("the address of a view", () => {
	it("comes back as it was, whatever stands in a name or a filter", () => {
		for (const name of ["", "a", "a/b?c#d %41", "GET /weather/{id}", "é%"]) {
			for (const parameters of [{}, { route: "GET /x?", status: "5xx" }]) {
				const place = { view: "request", name, parameters };
				assert.deepEqual(placeOf(hashOf(place)), place);
			}
		}
	});

	it("is the traffic if it names nothing, and never fails", () => {
		const traffic = { view: "traffic", name: "", parameters: {} };
		for (const hash of ["", "#", "#/"]) {
			assert.deepEqual(placeOf(hash), traffic, hash);
		}
		assert.equal(placeOf("#/request/%E0%A4%A").name, "%E0%A4%A");
	});

	it("leaves out filters that are empty", () => {
		assert.equal(queryOf({ a: "", b: "1 2" }), "?b=1+2");
		assert.equal(
			hashOf({ view: "traffic", parameters: { a: "" } }),
			"#/traffic",
		);
	});
});
