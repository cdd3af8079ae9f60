import assert from "node:assert/strict";
import { test } from "node:test";
import { testGateway } from "../kit/gateway.ts";

interface Problem {
	readonly errors: readonly { readonly at: string; readonly message: string }[];
}

/** A schema, a body, and each fault as `place: message`. */
const cases: readonly (readonly [object, unknown, readonly string[]])[] = [
	[{ type: "string" }, 1, ["body: is not a text"]],
	[{ type: "integer" }, 1.5, ["body: is not of type integer"]],
	[{ type: ["string", "null"] }, 1, ["body: is not of type string or null"]],
	[{ enum: ["a", 1] }, 2, ["body: is not one of a, 1"]],
	[{ const: { a: 1 } }, 2, ['body: is not {"a":1}']],
	[{ minLength: 3 }, "ab", ["body: is shorter than 3 characters"]],
	[{ maxLength: 1 }, "ab", ["body: is longer than 1 characters"]],
	[{ maxLength: 9, pattern: "^a$" }, "b", ["body: does not match ^a$"]],
	[{ minimum: 3 }, 2, ["body: is less than 3"]],
	[{ maximum: 3 }, 4, ["body: is more than 3"]],
	[{ exclusiveMinimum: 3 }, 3, ["body: is not more than 3"]],
	[{ exclusiveMaximum: 3 }, 3, ["body: is not less than 3"]],
	[{ multipleOf: 2 }, 3, ["body: is not a multiple of 2"]],
	[{ minItems: 2 }, [1], ["body: needs at least 2 values"]],
	[{ maxItems: 1 }, [1, 2], ["body: takes at most 1 values"]],
	[{ uniqueItems: true }, [1, 1], ["body: repeats a value"]],
	[
		{ type: "array", contains: { const: 1 }, minContains: 2 },
		[1],
		["body: needs at least 2 values of the declared form"],
	],
	[{ minProperties: 1 }, {}, ["body: needs at least 1 keys"]],
	[{ maxProperties: 0 }, { a: 1 }, ["body: takes at most 0 keys"]],
	[
		{ required: ["a", "b"] },
		{},
		["body/a: is required", "body/b: is required"],
	],
	[
		{ properties: { a: {} }, additionalProperties: false },
		{ b: 1 },
		["body: has a key that is not declared: b"],
	],
	[
		{ unevaluatedProperties: false },
		{ b: 1 },
		["body: has a key that is not declared: b"],
	],
	[
		{ dependentRequired: { a: ["b"] } },
		{ a: 1 },
		["body: needs `b` beside `a`"],
	],
	[{ not: { type: "string" } }, "a", ["body: has a form that is refused"]],
	[
		{ oneOf: [{ minimum: 1 }, { minimum: 2 }] },
		3,
		["body: has more than one of the declared forms"],
	],
	[
		{ type: "array", prefixItems: [{}], items: false, minItems: 1 },
		[1, 2],
		["body: takes at most 1 values"],
	],
	[{ properties: { a: false } }, { a: 1 }, ["body/a: is not allowed"]],
];

for (const [schema, body, told] of cases) {
	test(`a body that is not ${JSON.stringify(schema)} is told: ${told.join()}`, async () => {
		const { ask } = testGateway(
			JSON.stringify({
				routes: { "POST /x": { request: { body: schema }, respond: 1 } },
			}),
		);
		const answer = await ask("/x", {
			method: "POST",
			body: typeof body === "string" ? JSON.stringify(body) : body,
			contentType: "application/json",
		});
		assert.equal(answer.status, 400);
		const { errors } = answer.json as unknown as Problem;
		assert.deepEqual(
			errors.map(({ at, message }) => `${at}: ${message}`),
			told,
		);
	});
}
