import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ByteStream } from "../../src/core/body/byte-stream.ts";
import { leave } from "../../src/core/body/byte-stream.ts";
import { RequestMemory } from "../../src/core/memory.ts";
import { openScope } from "../../src/tasks/scope.ts";
import {
	byPath,
	hanging,
	type TestGateway,
	testGateway,
	testRoute,
} from "../kit/gateway.ts";
import { putTogether } from "../kit/parts.ts";

const ndjson = { headers: ["accept", "application/x-ndjson"] };
const events = { headers: ["accept", "text/event-stream"] };

const board = {
	steps: {
		user: { get: "users/user" },
		orders: { get: "orders/${user.id}" },
		news: { get: "users/news", optional: true, timeout: "400ms" },
	},
	respond: {
		site: "shop",
		user: "${user}",
		orders: "${orders}",
		news: "${news}",
		count: "${orders.length + (news ?? []).length}",
	},
};
const services = {
	"/user": { json: { id: 7 }, afterMs: 100 },
	"/7": { json: [1, 2], afterMs: 50 },
	"/news": { json: ["n"], afterMs: 200 },
};

async function inParts(kit: TestGateway, options = ndjson) {
	const answer = await kit.ask("/x", options);
	return { answer, ...putTogether(answer) };
}

describe("an answer in parts", () => {
	it("sends each member as soon as what it reads has ended", async () => {
		const kit = testRoute(board, byPath(services));
		const { answer, times, value, end } = await inParts(kit);
		assert.equal(answer.status, 200);
		assert.equal(answer.header("content-type"), "application/x-ndjson");
		assert.equal(answer.header("cache-control"), "no-store");
		assert.equal(answer.header("sluice-complete"), null);
		const came = { site: 0, user: 100, orders: 150, news: 200, count: 200 };
		assert.deepEqual(times, came);
		assert.deepEqual(value, (await kit.ask("/x")).json);
		assert.deepEqual(end, { complete: true });
	});

	it("names the place of an item of a list by its number", async () => {
		const { user, news } = board.steps;
		const respond = ["${news}", "${user}"];
		const kit = testRoute({ steps: { user, news }, respond }, byPath(services));
		const { value, times } = await inParts(kit);
		assert.deepEqual(value, [["n"], { id: 7 }]);
		assert.deepEqual(times, { 0: 200, 1: 100 });
	});

	it("is one part if it is neither map nor list", async () => {
		const kit = testRoute(
			{ steps: { user: { get: "users/user" } } },
			byPath(services),
		);
		const { answer } = await inParts(kit);
		assert.equal(answer.text, '{"value":{"id":7}}\n{"complete":true}\n');
	});

	it("leaves out a member whose value is null, if it may be left out", async () => {
		const kit = testRoute(
			{
				...board,
				respond: { "a?": "${news}", "b?": "${user.name}", c: "${orders}" },
			},
			byPath({ ...services, "/news": { json: null } }),
		);
		const { value } = await inParts(kit);
		assert.deepEqual(value, { c: [1, 2] });
	});

	it("tells events with ids, so that a browser does not ask again", async () => {
		const kit = testRoute(
			{ steps: { user: { get: "users/user" } }, respond: { user: "${user}" } },
			byPath(services),
		);
		const answer = await kit.ask("/x", events);
		assert.equal(answer.header("content-type"), "text/event-stream");
		assert.equal(
			answer.text,
			'id: 1\nevent: part\ndata: {"at":"user","value":{"id":7}}\n\nid: 2\nevent: end\ndata: {"complete":true}\n\n',
		);
		const again = await kit.ask("/x", {
			headers: [...events.headers, "last-event-id", "1"],
		});
		assert.equal(again.status, 204);
		assert.equal(kit.calls.length, 1, "the route was not run again");
	});

	it("says in its last line what is missing, and why", async () => {
		const kit = testRoute(board, byPath({ ...services, "/news": hanging }));
		const { value, times, end } = await inParts(kit);
		assert.deepEqual((value as { news: unknown }).news, null);
		assert.equal(times.news, 400);
		const missing = [{ step: "news", error: "upstream_timeout" }];
		assert.deepEqual(end, { complete: false, missing });
	});

	it("names sixteen that are missing, and the number of the others", async () => {
		const kit = testRoute(
			{
				steps: {
					all: {
						each: Array.from({ length: 20 }, (_, i) => i),
						get: "users/none",
						optional: true,
					},
				},
			},
			byPath({ "/none": { status: 500 } }),
		);
		const { end } = await inParts(kit);
		assert.equal(end?.missing?.length, 16);
		assert.deepEqual(end?.missing?.[3], {
			step: "all",
			index: [3],
			error: "upstream_status",
		});
		assert.equal(end?.more, 4);
	});
});

describe("an answer in parts that fails", () => {
	it("ends with the problem, after a part was sent", async () => {
		const kit = testRoute(
			board,
			byPath({ ...services, "/7": { status: 500, afterMs: 50 } }),
		);
		const { answer, end, times } = await inParts(kit);
		assert.equal(answer.status, 200);
		assert.deepEqual(times, { site: 0, user: 100 });
		assert.equal(end?.complete, false);
		assert.deepEqual(end?.problem, (await kit.ask("/x")).json);
		const [told] = kit.ended;
		assert.equal(told?.error?.code, "upstream_status");
		assert.equal(told?.status, 200);
		assert.equal(told?.durationMs, 150);
	});

	it("is an ordinary problem, before a part was sent", async () => {
		const respond = { user: "${user}", orders: "${orders}", news: "${news}" };
		const kit = testRoute(
			{ ...board, respond },
			byPath({ ...services, "/user": { status: 500, afterMs: 10 } }),
		);
		const { answer } = await inParts(kit);
		assert.equal(answer.status, 502);
		assert.equal(answer.code, "upstream_status");
	});

	it("sends nothing after the deadline", async () => {
		const kit = testRoute({ ...board, deadline: "120ms" }, byPath(services));
		const { answer, end, times } = await inParts(kit);
		assert.deepEqual(times, { site: 0, user: 100 });
		assert.equal(end?.problem?.code, "deadline_exceeded");
		assert.equal(answer.atMs, 120);
	});

	it("fails as the whole does if a member cannot be made, when all steps have ended", async () => {
		const respond = {
			bad: "${user.id.length.x + `${user.none}`}",
			user: "${user}",
			orders: "${orders}",
			news: "${news}",
		};
		const kit = testRoute({ ...board, respond }, byPath(services));
		const { answer, end, times } = await inParts(kit);
		assert.deepEqual(times, { user: 100, orders: 150 });
		assert.deepEqual(end?.problem, (await kit.ask("/x")).json);
		assert.equal(answer.atMs, 200);
	});

	it("is bounded as the whole is, over all its parts", async () => {
		const half = "x".repeat(700);
		const kit = testRoute(
			{
				steps: { a: { get: "users/a" }, b: { get: "users/b" } },
				respond: { a: "${a}", b: "${b}" },
			},
			byPath({ "/a": { json: half }, "/b": { json: half, afterMs: 10 } }),
			{ server: { maxAnswer: "1KiB" } },
		);
		const { end, times } = await inParts(kit);
		assert.deepEqual(times, { a: 0 });
		assert.equal(end?.problem?.code, "limit_exceeded");
	});

	it("has undone what it had written", async () => {
		const kit = testRoute(
			{
				steps: {
					order: { post: "orders/order", undo: { delete: "orders/order" } },
					paid: { get: "users/paid", after: ["order"] },
				},
				respond: { order: "${order}", paid: "${paid}" },
			},
			byPath({
				"/order": { json: 1, afterMs: 10 },
				"/paid": { status: 500, afterMs: 10 },
			}),
		);
		const { end, times } = await inParts(kit);
		assert.deepEqual(times, { order: 10 });
		assert.equal(end?.problem?.code, "upstream_status");
		const methods = kit.calls.map(({ request }) => request.method);
		assert.deepEqual(methods, ["POST", "GET", "DELETE"]);
	});
});

describe("the head of an answer in parts", () => {
	it("waits for what the status and the header fields read", async () => {
		const kit = testRoute(
			{
				...board,
				status: "${user.id === 7 ? 203 : 200}",
				headers: { "x-n": "${news[0]}", etag: '"1"' },
			},
			byPath(services),
		);
		const { answer, times } = await inParts(kit);
		assert.equal(answer.status, 203);
		assert.equal(answer.header("x-n"), "n");
		assert.equal(answer.header("etag"), null, "it is that of the whole");
		assert.deepEqual(new Set(Object.values(times)), new Set([200]));
	});

	it("is that of the whole if the status has no body", async () => {
		const kit = testRoute({ ...board, status: 204 }, byPath(services));
		const { answer } = await inParts(kit);
		assert.equal(answer.status, 204);
		assert.equal(answer.header("sluice-complete"), "?1");
	});

	it("waits for every reply, so that a reply is always the whole answer", async () => {
		const steps = {
			...board.steps,
			early: { when: "${news === null}", reply: { status: 404, body: "gone" } },
		};
		const found = testRoute({ ...board, steps }, byPath(services));
		assert.deepEqual(
			new Set(Object.values((await inParts(found)).times)),
			new Set([200]),
		);
		const gone = testRoute(
			{ ...board, steps },
			byPath({ ...services, "/news": { json: null, afterMs: 200 } }),
		);
		const { answer } = await inParts(gone);
		assert.equal(answer.status, 404);
		assert.equal(answer.text, '"gone"');
	});

	for (const [title, route] of [
		["`stream: false`", { ...board, stream: false }],
		[
			"a content type of the author's",
			{ ...board, headers: { "content-type": "application/hal+json" } },
		],
	] as const) {
		it(`is that of the whole with ${title}`, async () => {
			const kit = testRoute(route, byPath(services));
			const answer = await kit.ask("/x", ndjson);
			assert.equal(answer.pieces.length, 0);
			assert.equal(answer.header("sluice-complete"), "?1");
			const id = ["last-event-id", "1"];
			const again = await kit.ask("/x", {
				headers: [...events.headers, ...id],
			});
			assert.equal(again.status, 200);
		});
	}

	it("is that of the whole for HEAD", async () => {
		const kit = testRoute(board, byPath(services));
		const answer = await kit.ask("/x", { ...ndjson, method: "HEAD" });
		assert.equal(
			answer.header("content-type"),
			"application/json; charset=utf-8",
		);
	});

	it("tells caches of the whole that `Accept` chooses, if they may keep it", async () => {
		const headers = { "cache-control": "max-age=60" };
		const varyOf = async (route: object) =>
			(await testRoute(route, byPath(services)).ask("/x")).header("vary");
		assert.equal(await varyOf(board), null);
		assert.equal(await varyOf({ ...board, headers }), "accept");
		assert.equal(await varyOf({ ...board, headers, stream: false }), null);
	});
});

describe("a client that leaves an answer in parts", () => {
	it("aborts what nobody else wants", async () => {
		const kit = testRoute(board, byPath(services));
		const { answer, leave } = kit.send("/x", ndjson);
		await kit.clock.advance(120);
		leave();
		await kit.settle();
		const { end, times } = putTogether(await answer);
		assert.equal(end, null);
		assert.deepEqual(times, { site: 0, user: 100 });
		kit.assertNothingLeft();
		assert.deepEqual(
			kit.calls.map(({ endedMs }) => endedMs),
			[100, 120, 120],
		);
		assert.deepEqual(
			kit.ended.map(({ error, durationMs }) => [error?.code, durationMs]),
			[["client_closed", 120]],
		);
	});

	it("does not end a run that has written", async () => {
		const kit = testRoute(
			{
				steps: {
					order: { post: "orders/order" },
					paid: { put: "users/paid", body: "${order}" },
				},
				respond: { at: "now", order: "${order}", paid: "${paid}" },
			},
			byPath({
				"/order": { json: 1, afterMs: 100 },
				"/paid": { json: 2, afterMs: 100 },
			}),
		);
		const { answer, leave } = kit.send("/x", ndjson);
		await kit.clock.advance(50);
		leave();
		await kit.settle();
		await answer;
		kit.assertNothingLeft();
		const [told, ...others] = kit.ended;
		assert.deepEqual(others, []);
		assert.equal(told?.outlived, true);
		assert.equal(told?.durationMs, 200);
		assert.deepEqual(
			told?.writes.map(({ outcome }) => outcome),
			["done", "done"],
		);
	});

	it("may leave the body alone, unread or half read", async () => {
		for (const pieces of [0, 1]) {
			const kit = testRoute(board, byPath(services));
			const { body } = await unread(kit);
			const reading = body[Symbol.asyncIterator]();
			if (pieces > 0) await reading.next();
			if (pieces > 0) await reading.return?.();
			else leave(body);
			await kit.settle();
			kit.assertNothingLeft();
			assert.deepEqual(
				kit.ended.map(({ error }) => error?.code),
				["client_closed"],
			);
			assert.ok(kit.calls.every(({ endedMs }) => endedMs === 0));
		}
	});
});

/** An answer in parts that nobody has begun to read. */
async function unread({ gateway, clock }: TestGateway) {
	const scope = openScope({ clock });
	const memory = new RequestMemory(gateway.memory);
	const { body, ongoing } = await gateway.handle(
		{
			...{ id: "unread", method: "GET", target: "/x", headers: ndjson.headers },
			...{ ip: "127.0.0.1", arrivedMs: clock.now(), memory },
			readBody: async () => new Uint8Array(),
			streamBody: () => null,
		},
		scope,
	);
	return { body: body as ByteStream, memory, ongoing };
}

describe("a request whose answer has begun", () => {
	it("keeps its place until its run has ended", async () => {
		const kit = testGateway(
			{
				overload: { requests: 1 },
				upstreams: { users: { url: "http://users.test" } },
				routes: {
					"GET /x": {
						steps: { slow: { get: "users/slow" } },
						respond: { first: 1, slow: "${slow}" },
					},
				},
			},
			byPath({ "/slow": { json: 1, afterMs: 10 } }),
		);
		const { body, ongoing } = await unread(kit);
		assert.equal(kit.gateway.state().requests?.running, 1);
		let settled = false;
		void ongoing?.then(() => {
			settled = true;
		});
		await kit.clock.advance(9);
		assert.equal(settled, false);
		await kit.settle();
		assert.equal(settled, true);
		assert.equal(kit.gateway.state().requests?.running, 0);
		leave(body);
	});
});

describe("a client that reads an answer in parts slowly", () => {
	it("costs what `maxAnswer` allows, and keeps no place among the requests in progress", async () => {
		const long = "x".repeat(100_000);
		const replies = byPath({ "/big": { json: long, afterMs: 10 } });
		const kit = testGateway(
			{
				overload: { requests: 1 },
				upstreams: { users: { url: "http://users.test" } },
				routes: {
					"GET /x": {
						steps: {
							big: { each: [1, 2, 3, 4, 5, 6, 7, 8], get: "users/big" },
						},
						respond: { first: 1, all: "${big}", again: "${big}" },
					},
					"GET /y": { respond: 1 },
				},
			},
			replies,
		);
		const before = kit.gateway.memory.held;
		const { body, memory } = await unread(kit);
		await kit.settle();
		const held = kit.gateway.memory.held - before;
		assert.ok(held > 1_600_000, `${held} are counted`);
		const heldBefore = kit.gateway.memory.held;
		assert.equal((await kit.ask("/y")).status, 200);
		const other = kit.gateway.memory.held - heldBefore;
		let bytes = 0;
		for await (const piece of body) bytes += piece.length;
		assert.ok(bytes > 1_600_000);
		memory.end();
		assert.equal(kit.gateway.memory.held - other, before);
	});
});
