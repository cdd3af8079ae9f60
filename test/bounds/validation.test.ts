import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { longestTurn } from "../kit/blocked.ts";
import { type Answer, testRoute } from "../kit/gateway.ts";

/** Whatever a client sends, judging it takes a time in proportion to it, and says no more than a little. */

interface Case {
	readonly title: string;
	readonly request: object;
	readonly target?: string;
	readonly body?: unknown;
	/** The first fault. */
	readonly message: RegExp;
	readonly faults?: number;
}

const twenty = Array.from({ length: 20 }, (_, index) => `name${index}`);
const tree = {
	$ref: "#/$defs/node",
	$defs: {
		node: {
			anyOf: [
				{ type: "object", properties: { a: { $ref: "#/$defs/node" } } },
				{ type: "object", properties: { a: { $ref: "#/$defs/node" } } },
				{ type: "string" },
			],
		},
	},
};
const deep = JSON.parse(`${'{"a":'.repeat(50)}1${"}".repeat(50)}`);

const cases: Case[] = [
	{
		title: "a pattern with alternatives that overlap",
		request: {
			body: { type: "string", maxLength: 100_000, pattern: "^(\\w|\\d)*$" },
		},
		body: `${"a".repeat(30_000)}!`,
		message: /does not match/,
	},
	{
		title: "a pattern with many repeats of everything",
		request: {
			body: { type: "string", maxLength: 100_000, pattern: ".*a.*b.*c.*d" },
		},
		body: "abc".repeat(10_000),
		message: /does not match/,
	},
	{
		title: "a name judged by a pattern of `patternProperties`",
		request: {
			body: {
				type: "object",
				patternProperties: { "^(a+)+$": { type: "null" } },
			},
		},
		body: { ["a".repeat(30_000)]: 1 },
		message: /is not of type null/,
	},
	{
		title: "a text longer than it may be, beside a slow pattern",
		request: {
			body: {
				type: "object",
				properties: { v: { type: "string", maxLength: 40, pattern: "\\s+$" } },
			},
		},
		body: { v: `${" ".repeat(117_000)}x` },
		message: /is longer than 40 characters/,
		faults: 1,
	},
	{
		title: "a list of lists that are to differ",
		request: { body: { type: "array", uniqueItems: true } },
		body: [...Array.from({ length: 40_000 }, (_, n) => [n, [n]]), [7, [7]]],
		message: /repeats a value/,
	},
	{
		title: "a schema that refers to itself in more than one branch",
		request: { body: tree },
		body: deep,
		message: /takes too much work to check/,
		faults: 1,
	},
	{
		title: "a megabyte of maps that lack twenty members each",
		request: { body: { type: "array", items: { required: twenty } } },
		body: Array.from({ length: 300_000 }, () => ({})),
		message: /is required/,
		faults: 1,
	},
	{
		title: "a small body with thousands of faults",
		request: { body: { type: "array", items: { required: twenty } } },
		body: Array.from({ length: 2000 }, () => ({})),
		message: /is required/,
		faults: 16,
	},
	{
		title: "a long number that is none",
		request: { query: { n: { type: "number" } } },
		target: `/x?n=${"1".repeat(15_000)}x`,
		message: /is not of type number/,
	},
];

async function judged({ request, target = "/x", body }: Case): Promise<{
	readonly answer: Answer;
	readonly turnMs: number;
}> {
	const key = body === undefined ? "GET /x" : "POST /x";
	const { ask } = testRoute({ request, respond: 1 }, undefined, {
		key,
		// Judging is what is looked at here, and not how many values there may be.
		server: { maxValues: 1_000_000 },
	});
	const options =
		body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
	const { turnMs, value } = await longestTurn(() => ask(target, options));
	return { turnMs, answer: value as Answer };
}

describe("a request that is costly to judge", () => {
	for (const one of cases) {
		it(`keeps nobody waiting: ${one.title}`, async () => {
			const { answer, turnMs } = await judged(one);
			assert.equal(answer.status, 400);
			const { errors } = answer.json as {
				errors: { at: string; message: string }[];
			};
			assert.match(errors[0]?.message ?? "", one.message);
			if (one.faults !== undefined) assert.equal(errors.length, one.faults);
			// Reading a megabyte of JSON is in it.
			assert.ok(turnMs < 500, `${turnMs} ms`);
		});
	}

	it("is answered in few words: a fault's place has at most 200 characters", async () => {
		const request = {
			body: { type: "object", additionalProperties: { type: "null" } },
		};
		const body = { ["k".repeat(500_000)]: 1 };
		const { answer } = await judged({ title: "", request, body, message: /./ });
		const { errors } = answer.json as { errors: { at: string }[] };
		assert.equal(errors[0]?.at.length, 201);
		assert.ok(String(answer.body).length < 1000);
	});
});

describe("items that are to differ", () => {
	it("are equal whatever the order of their keys, and differ by kind", async () => {
		const request = { body: { type: "array", uniqueItems: true } };
		const { ask } = testRoute({ request, respond: 1 }, undefined, {
			key: "POST /x",
		});
		const status = async (body: unknown) =>
			(await ask("/x", { method: "POST", body: JSON.stringify(body) })).status;
		assert.equal(
			await status([
				{ a: 1, b: 2 },
				{ b: 2, a: 1 },
			]),
			400,
		);
		assert.equal(await status([1, "1", [1], { 1: 1 }, true, null]), 200);
		assert.equal(await status([["a", "b"], ["a,b"], ['a","b']]), 200);
	});
});
