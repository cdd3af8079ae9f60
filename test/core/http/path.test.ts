import assert from "node:assert/strict";
import { test } from "node:test";
import { isDots } from "../../../src/core/http/path.ts";

test("a step upwards or in place is one or two dots, however they are encoded", () => {
	for (const segment of [".", "..", "%2e", "%2E.", ".%2e", "%2e%2E"]) {
		assert.ok(isDots(segment), segment);
	}
	for (const segment of ["", "...", "a.", ".a", "%2e%2e%2e", "%252e", "%2f"]) {
		assert.ok(!isDots(segment), segment);
	}
});
