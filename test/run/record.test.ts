import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Recorded } from "../../src/core/trail.ts";
import {
	type AskOptions,
	type Behaviour,
	byPath,
	hanging,
	testGateway,
} from "../kit/gateway.ts";

/** What a route records of one request, evaluated as soon as its end is told. */
async function recordedOf(
	route: object,
	behave?: Behaviour,
	{ target = "/x/7", ...asked }: AskOptions & { target?: string } = {},
): Promise<Recorded | null> {
	const upstreams = { users: { url: "http://users.test" } };
	const routes = { "GET /x/{id}": route };
	const test = testGateway({ history: true, upstreams, routes }, behave);
	let recorded: Recorded | null = null;
	test.gateway.events.trailEnded.push(({ trail }) => {
		recorded = trail.recorded?.() ?? null;
	});
	await test.ask(target, asked);
	assert.equal(test.trails[0]?.trail.recorded, null);
	return recorded;
}

const user = { get: "users/1", optional: true };

describe("the columns of a route's `record`", () => {
	test("hold data of the request and of its steps", async () => {
		const recorded = await recordedOf(
			{
				steps: { user },
				respond: "${user}",
				record: { user: "${params.id}", name: "${user.name}", kind: "person" },
			},
			byPath({ "/1": { json: { name: "Ann" } } }),
		);
		const values = { user: "7", name: "Ann", kind: "person" };
		assert.deepEqual(recorded, { values, faults: 0 });
	});

	test("keep texts, numbers, booleans and null, and print the rest", async () => {
		const json = {
			n: 1.5,
			yes: true,
			none: null,
			list: [1, "a"],
			map: { a: 1 },
		};
		const recorded = await recordedOf(
			{
				steps: { user },
				respond: "${user}",
				record: {
					number: "${user.n}",
					flag: "${user.yes}",
					none: "${user.none}",
					list: "${user.list}",
					map: "${user.map}",
					long: "${user.long}",
				},
			},
			byPath({
				"/1": {
					text: JSON.stringify({ ...json, long: 1 }).replace(
						'"long":1',
						'"long":12345678901234567890',
					),
				},
			}),
		);
		assert.deepEqual(recorded?.values, {
			...{ number: 1.5, flag: true, none: null },
			...{ list: '[1,"a"]', map: '{"a":1}', long: "12345678901234567890" },
		});
	});

	test("are null of steps that failed, were skipped or never began", async () => {
		const recorded = await recordedOf(
			{
				steps: {
					failed: { get: "users/1" },
					skipped: { get: "users/2", when: "${params.id === 'none'}" },
					begun: { get: "users/3" },
					waits: { get: "users/${begun.id}" },
				},
				respond: "${[failed, skipped, begun, waits]}",
				record: {
					failed: "${failed}",
					skipped: "${skipped}",
					begun: "${begun}",
					waits: "${waits}",
					user: "${params.id}",
				},
			},
			byPath({ "/1": { status: 500 }, "/3": hanging }),
		);
		const nothing = { failed: null, skipped: null, begun: null, waits: null };
		assert.deepEqual(recorded, {
			values: { ...nothing, user: "7" },
			faults: 0,
		});
	});

	test("say why a part is missing", async () => {
		const recorded = await recordedOf(
			{
				steps: { user },
				respond: "${user}",
				record: { why: "${missing.user}" },
			},
			byPath({ "/1": { status: 500 } }),
		);
		assert.deepEqual(recorded?.values, { why: "upstream_status" });
	});

	test("are null if they fail or are too long, and are counted", async () => {
		const recorded = await recordedOf(
			{
				steps: { user },
				respond: "${user}",
				record: {
					null_inside: "id ${user.none}",
					fits: "${user.fits}",
					long: "${user.long}",
					list: "${user.list}",
					user: "${params.id}",
				},
			},
			byPath({
				"/1": {
					json: {
						fits: "x".repeat(4000),
						long: "x".repeat(4001),
						list: ["x".repeat(4000)],
					},
				},
			}),
		);
		assert.deepEqual(recorded, {
			values: {
				...{ null_inside: null, fits: "x".repeat(4000) },
				...{ long: null, list: null, user: "7" },
			},
			faults: 3,
		});
	});

	test("compute for 10 ms at most", async () => {
		const list = Array.from({ length: 2_000 }, (_, index) => index);
		const square = "${user.filter(a => user.includes(-a - 1)).length}";
		const recorded = await recordedOf(
			{
				steps: { user },
				respond: "${user}",
				record: { first: "${user[1]}", square, last: "${params.id}" },
			},
			byPath({ "/1": { json: list } }),
		);
		assert.deepEqual(recorded?.values, { first: 1, square: null, last: "7" });
	});

	test("are not there of a request that the route refused", async () => {
		const route = {
			request: { query: { n: { type: "integer" } } },
			respond: "${query.n}",
			record: { number: "${query.n}" },
		};
		assert.equal(
			await recordedOf(route, undefined, { target: "/x/7?n=a" }),
			null,
		);
	});

	test("are there of a request that was passed on", async () => {
		const upstreams = { users: { url: "http://users.test" } };
		const route = {
			proxy: "users/${params.file}",
			record: { path: "${params.file}" },
		};
		const routes = { "GET /files/{file}": route };
		const test = testGateway({ history: true, upstreams, routes });
		const recorded: (Recorded | undefined)[] = [];
		test.gateway.events.trailEnded.push(({ trail }) => {
			recorded.push(trail.recorded?.());
		});
		await test.ask("/files/a");
		assert.deepEqual(recorded, [{ values: { path: "a" }, faults: 0 }]);
	});
});
