import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { filledUpTo, kinds, mebi } from "../kit/costly-json.ts";
import { testRoute } from "../kit/gateway.ts";
import { turnsOf } from "../kit/turns.ts";

/** Whatever body a client sends, reading and judging it keeps nobody waiting. */

const name = { maxLength: 1000, pattern: "^[a-z0-9]{1,10}$" };

const schemas: Readonly<Record<string, object>> = {
	"no rule": {},
	"unique items": { uniqueItems: true },
	"a pattern for each name": {
		propertyNames: name,
		items: { propertyNames: name },
	},
	"a pattern for each property": {
		patternProperties: { [name.pattern]: { type: "number" } },
		items: { patternProperties: { [name.pattern]: { type: "number" } } },
	},
	"itself in two branches": {
		$ref: "#/$defs/node",
		$defs: {
			node: {
				anyOf: [
					{
						type: "object",
						additionalProperties: { $ref: "#/$defs/node" },
					},
					{ type: "array", items: { $ref: "#/$defs/node" } },
					{ type: ["number", "string"] },
				],
			},
		},
	},
};

function routeOf(schema: object, server = {}) {
	const route = { request: { body: schema }, respond: 1 };
	return testRoute(route, undefined, { key: "POST /x", server });
}

describe("a client's body that is costly to read", () => {
	const bodies = kinds.flatMap((kind) => [
		{
			title: `as much as may be of ${kind.title}`,
			body: filledUpTo(kind, 100_000, mebi),
		},
		{ title: `1 MiB of ${kind.title}`, body: kind.make(mebi) },
	]);

	for (const [title, schema] of Object.entries(schemas)) {
		it(`keeps nobody waiting at the default limits, judged by ${title}`, async () => {
			const over: string[] = [];
			for (const { title, body } of bodies) {
				const { turns } = await turnsOf(() =>
					routeOf(schema).ask("/x", { method: "POST", body }),
				);
				if (turns > 1) over.push(`${title}: ${turns} times 100 ms`);
			}
			assert.deepEqual(over, []);
		});
	}

	it("waits for another turn of the loop when others have come at once", async () => {
		const [, , maps] = kinds;
		assert.ok(maps);
		const body = filledUpTo(maps, 100_000, mebi);
		const { turns } = await turnsOf(async () => {
			const { send, settle } = routeOf({});
			const sent = Array.from({ length: 20 }, () =>
				send("/x", { method: "POST", body }),
			);
			await settle();
			for (const { answer } of sent) assert.equal((await answer).status, 200);
		});
		assert.ok(turns < 1, `${turns} times 100 ms`);
	});

	it("may have as many values and keys as `server.maxValues` says, and not one more", async () => {
		const body = '[{"a":"[,:{"},{"b":1}]';
		for (const [maxValues, status] of [
			[7, 200],
			[6, 413],
		] as const) {
			const { ask } = routeOf({}, { maxValues });
			const answer = await ask("/x", { method: "POST", body });
			assert.equal(answer.status, status, `${maxValues}`);
			if (status === 200) continue;
			assert.equal(answer.code, "request_too_large");
			assert.match(answer.text, /has more than 6 values and keys/);
		}
	});

	it("is refused by default above 100,000 values and keys", async () => {
		for (const [items, status] of [
			[99_999, 200],
			[100_000, 413],
		] as const) {
			const body = `[${"1,".repeat(items - 1)}1]`;
			const { ask } = routeOf({});
			const answer = await ask("/x", { method: "POST", body });
			assert.equal(answer.status, status, `${items}`);
		}
	});
});
