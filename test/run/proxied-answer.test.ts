import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { byPath, type TestGateway, testRoute } from "../kit/gateway.ts";

/** The fields that a proxied route sets in its upstream's answer. */

const sent = [
	...["content-type", "text/plain"],
	...["x-debug", "1"],
	...["x-plan", "theirs"],
	...["cache-control", "public, max-age=60"],
	...["set-cookie", "a=1"],
	...["x-count", "7"],
	...["x-count", "8"],
];

function start(
	headers: object,
	{ proxy = {}, steps = {}, route = {}, status = 200 } = {},
): TestGateway {
	return testRoute(
		{
			steps,
			proxy: { to: "search/file", answer: { headers }, ...proxy },
			...route,
		},
		byPath({
			"/plan": { json: { name: "gold" } },
			"/file": { text: "file", status, headers: sent },
		}),
	);
}

async function fieldsOf(kit: TestGateway, options = {}): Promise<string[]> {
	const { headers } = await kit.ask("/x", options);
	return headers.flatMap((name, at) =>
		at % 2 === 0 && name !== "sluice-complete"
			? [`${name}: ${headers[at + 1]}`]
			: [],
	);
}

describe("a field that a proxied route sets", () => {
	it("replaces the upstream's, or drops it if there is none", async () => {
		const kit = start({
			"X-Plan": "ours",
			"x-debug?": null,
			"x-new": ["one", "two"],
			"x-none?": "${request.method === 'PUT' ? 'put' : null}",
		});
		assert.deepEqual(await fieldsOf(kit), [
			"content-type: text/plain",
			"cache-control: public, max-age=60",
			"x-count: 7",
			"x-count: 8",
			"x-plan: ours",
			"x-new: one",
			"x-new: two",
		]);
	});

	it("reads the head of the answer, and the steps", async () => {
		const kit = start(
			{
				"x-plan": "${plan.name}",
				"x-count": "${response.headers.x_count}",
				"x-status": "${response.status}",
				"x-kind": "${response.headers.content_type.split('/')[0]}",
			},
			{ steps: { plan: { get: "users/plan" } }, status: 404 },
		);
		const fields = await fieldsOf(kit);
		assert.deepEqual(fields.slice(-4), [
			"x-plan: gold",
			"x-count: 7, 8",
			"x-status: 404",
			"x-kind: text",
		]);
	});

	it("is a cookie beside those that pass", async () => {
		const headers = { "set-cookie": ["b=2", "c=3"] };
		const cookies = async (proxy: object) =>
			(await fieldsOf(start(headers, { proxy }))).filter((field) =>
				field.startsWith("set-cookie"),
			);
		const own = ["set-cookie: b=2", "set-cookie: c=3"];
		assert.deepEqual(await cookies({}), own);
		assert.deepEqual(await cookies({ pass: ["set-cookie"] }), [
			"set-cookie: a=1",
			...own,
		]);
	});

	it("says instead of the gateway who may keep the answer", async () => {
		const options = {
			steps: { plan: { get: "users/plan" } },
			route: {
				request: {
					headers: { authorization: { type: "string", maxLength: 9 } },
				},
			},
			proxy: { after: ["plan"] },
		};
		const told = async (headers: object) =>
			(
				await fieldsOf(start(headers, options), {
					headers: ["authorization", "me"],
				})
			).filter((field) => /^(cache-control|vary)/.test(field));
		assert.deepEqual(await told({}), [
			"cache-control: public, max-age=60",
			"vary: authorization",
			"cache-control: private, no-cache",
		]);
		assert.deepEqual(await told({ "cache-control": "private", vary: "*" }), [
			"cache-control: private",
			"vary: *",
		]);
	});

	it("gives way to `no-store` if the steps lack something", async () => {
		const kit = start(
			{ "cache-control": "max-age=1" },
			{
				steps: {
					plan: { get: "users/missing", expect: false, optional: true },
				},
				proxy: { after: ["plan"] },
			},
		);
		const fields = await fieldsOf(kit);
		assert.ok(fields.includes("cache-control: no-store"));
		assert.ok(!fields.some((field) => field.includes("max-age")));
	});

	it("describes no content in a 304", async () => {
		const headers = { "content-disposition": "attachment", "x-a": "1" };
		const fields = await fieldsOf(start(headers, { status: 304 }));
		assert.ok(fields.includes("x-a: 1"));
		assert.ok(!fields.some((field) => field.startsWith("content-dis")));
	});

	it("that cannot be made is a problem document, and leaves nothing behind", async () => {
		for (const [value, code] of [
			["${response.headers.x_none}", "reference_missing"],
			["${[][0] + 1}", "reference_missing"],
			["${'\u043f\u0440\u0438\u0432\u0435\u0442'}", "step_failed"],
			["${'a\\nb'}", "step_failed"],
			[
				"${[0,1,2,3,4,5,6,7,8,9].map(a => [0,1,2,3,4,5,6,7,8,9].map(b => 'x'.padEnd(1000000, a + b))).length}",
				"limit_exceeded",
			],
		] as const) {
			const kit = start({ "x-a": value });
			assert.equal((await kit.ask("/x")).code, code, value);
		}
	});

	it("is in the answer to HEAD, too, and not in what a step replies", async () => {
		const kit = start(
			{ "x-a": "${response.status}" },
			{
				steps: { no: { when: "${query.no}", reply: { body: "no" } } },
				route: {
					request: { query: { no: { type: "boolean", default: false } } },
				},
			},
		);
		assert.ok((await fieldsOf(kit, { method: "HEAD" })).includes("x-a: 200"));
		const { headers, text } = await kit.ask("/x?no=true");
		assert.equal(text, '"no"');
		assert.ok(!headers.includes("x-a"));
	});
});
