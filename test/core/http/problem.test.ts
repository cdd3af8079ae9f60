import assert from "node:assert/strict";
import { test } from "node:test";
import { GatewayError } from "../../../src/core/errors.ts";
import { headerOf } from "../../../src/core/http/headers.ts";
import { problemResponse } from "../../../src/core/http/problem.ts";

function retryAfterOf(retryAfterMs?: number): string | null {
	const facts = retryAfterMs === undefined ? {} : { retryAfterMs };
	const error = new GatewayError("breaker_open", "left alone", facts);
	return headerOf(problemResponse(error, "id").headers, "retry-after");
}

test("says when to ask again in whole seconds, rounded up and never 0", () => {
	const seconds = [0, 1, 999, 1000, 1001, 59_000.5].map(retryAfterOf);
	assert.deepEqual(seconds, ["1", "1", "1", "1", "2", "60"]);
});

test("says nothing of when to ask again where nobody knows", () => {
	assert.equal(retryAfterOf(), null);
});
