import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { surveyJson } from "../../src/core/json.ts";
import { documents } from "../core/spoiled-json.ts";
import { type Reply, testRoute } from "../kit/gateway.ts";

/** Reads members of an answer. */
const some =
	"${[answer.name, answer.main.temp, answer.main?.sub.x ?? 0, answer.list]}";

/** Makes the same of the whole. */
const whole =
	"${[answer].map(one => [one.name, one.main.temp, one.main?.sub.x ?? 0, one.list])[0]}";

/** A route of one call, whose answer the replies are. */
function asking(step: object, more: object = {}, server: object = {}) {
	let now: Reply = {};
	const { ask, callsEnded } = testRoute(
		{ steps: { a: { get: "users/a", ...step } }, respond: "${a}", ...more },
		() => now,
		{ server },
	);
	return async (reply: Reply) => {
		now = reply;
		const { status, text } = await ask("/x");
		return { status, text, words: callsEnded.at(-1)?.error?.message ?? null };
	};
}

describe("a step that reads members of its answer", () => {
	it("gives what it would make of the whole, or fails in the same words", async () => {
		const others = [
			...["", "null", "[]", "[1]", '"text"', "7", "{}", "<html>", '{"name":'],
			...[
				'{"name":1e400}',
				'{"main":"text","list":{}}',
				'{"main":[1],"list":3}',
			],
			...["\ufeff{}", '{"name":"\\ud800"}', `{"x":${"[".repeat(70)}`],
			`{"name":${"9".repeat(1001)}}`,
		];
		const ways = [
			[200, {}],
			[404, { answers: ["any"] }],
			[404, { answers: { 404: "${answer.name}" } }],
		] as const;
		for (const [status, step] of ways) {
			const members = asking({ ...step, pick: some });
			const all = asking({ ...step, pick: whole });
			for (const text of [...documents, ...others]) {
				const reply = { status, text };
				assert.deepEqual(await members(reply), await all(reply), text);
			}
		}
		const bytes = Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d);
		const { words } = await asking({ pick: some })({ bytes });
		assert.match(words ?? "", /answered what is not UTF-8/);
	});

	it("may have an answer of as many values as `maxValues` says, and not one more", async () => {
		const text = JSON.stringify({ name: "x", list: [{ a: 1 }, [], {}, 2] });
		const { values } = surveyJson(Buffer.from(text));
		for (const [maxValues, passes] of [
			[values - 1, false],
			[values, true],
			[values + 1, true],
		] as const) {
			const { ask } = testRoute(
				{ steps: { a: { get: "users/a", pick: "${answer.name}" } } },
				() => ({ text }),
				{ upstreams: { users: { url: "http://users.test", maxValues } } },
			);
			const { status, code } = await ask("/x");
			assert.deepEqual(
				[status, code ?? null],
				passes ? [200, null] : [502, "upstream_invalid"],
			);
		}
	});

	it("reads as much as the whole for `maxRead`", async () => {
		const json = { name: "x", list: Array.from({ length: 300 }, () => []) };
		const step = { pick: "${answer.name}" };
		assert.equal((await asking(step)({ json })).status, 200);
		const refused = await asking(step, { maxRead: "1KiB" })({ json });
		assert.match(refused.text, /limit_exceeded/);
	});

	it("tells what GraphQL says, if the answer is not as expected", async () => {
		const json = { data: null, errors: [{ message: "no such field" }] };
		const step = { expect: "${answer.data}", pick: "${answer.data.user}" };
		const { words } = await asking(step)({ json });
		assert.match(words ?? "", /GraphQL says: no such field/);
	});

	it("takes the memory of the members, and not of the rest", async () => {
		const list = Array.from({ length: 66_000 }, () => ({ a: 1 }));
		const json = { name: "x", list };
		const server = { memory: "16MiB" };
		const members = await asking(
			{ pick: "${answer.name}" },
			{},
			server,
		)({
			json,
		});
		assert.deepEqual([members.status, members.text], [200, '"x"']);
		const all = await asking(
			{ pick: "${answer.list.length}" },
			{},
			server,
		)({
			json,
		});
		assert.match(all.text, /limit_exceeded/);
	});

	it("gives its members to those who name them, without `pick`", async () => {
		const [members, all] = [
			{ name: "${a.name}", temp: "${a.main.temp}", list: "${a.list}" },
			"${[a].map(a => ({ name: a.name, temp: a.main.temp, list: a.list }))[0]}",
		].map((respond) => asking({}, { respond }));
		for (const text of documents) {
			assert.deepEqual(await members?.({ text }), await all?.({ text }), text);
		}
	});
});

describe("an answer that several share", () => {
	it("is read as a whole, and frozen, for all who coalesce", async () => {
		const step = (pick: string) => ({ get: "users/a", pick });
		const { ask, calls } = testRoute(
			{
				steps: {
					a: step("${answer.name}"),
					b: step("${answer.main}"),
					c: step("${answer}"),
				},
				respond: "${[a, b, c]}",
			},
			() => ({ text: '{"name":"x","main":{"temp":1},"rest":2}' }),
			{ upstreams: { users: { url: "http://users.test", coalesce: true } } },
		);
		const { json } = await ask("/x");
		const main = { temp: 1 };
		assert.deepEqual(json, ["x", main, { name: "x", main, rest: 2 }]);
		assert.equal(calls.length, 1);
	});

	it("is kept as a whole by a cache, for steps that read more", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					a: { get: "users/a", pick: "${answer.name}" },
					b: { get: "users/a", after: ["a"], pick: "${answer.rest}" },
				},
				respond: "${[a, b]}",
			},
			() => ({
				text: '{"name":"x","rest":2}',
				headers: ["cache-control", "max-age=60"],
			}),
			{ upstreams: { users: { url: "http://users.test", cache: {} } } },
		);
		for (let time = 0; time < 3; time++) {
			assert.deepEqual((await ask("/x")).json, ["x", 2]);
		}
		assert.equal(calls.length, 1);
	});
});
