import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	type Behaviour,
	byPath,
	hanging,
	type Reply,
	type SeenCall,
	testRoute,
} from "../kit/gateway.ts";

/** Answers the calls in turn, whatever they ask; the last answer for all that follow. */
function inTurn(...replies: readonly Reply[]): Behaviour {
	let at = 0;
	return () => replies[Math.min(at++, replies.length - 1)] ?? {};
}

const pending: Reply = { json: { state: "pending" }, afterMs: 10 };
const done: Reply = { json: { state: "done" }, afterMs: 10 };

/** A route that asks for a job until it is done. */
function polling(behave: Behaviour, step: object = {}, route: object = {}) {
	return testRoute(
		{
			steps: {
				job: {
					get: "users/job",
					pick: "${answer.state}",
					repeat: {
						while: "${answer.state !== 'done'}",
						max: 5,
						wait: "100ms",
					},
					...step,
				},
			},
			respond: "${job}",
			...route,
		},
		behave,
	);
}

/** Pages of a cursor: `count` of them. */
function pagesUpTo(count: number): Behaviour {
	return ({ request }) => {
		const page = Number(/cursor=(\d+)/.exec(request.target)?.[1] ?? 1);
		const next = page < count ? String(page + 1) : null;
		return { json: { items: [`${page}a`, `${page}b`], next }, afterMs: 10 };
	};
}

function cursor(behave: Behaviour, step: object = {}, route: object = {}) {
	return testRoute(
		{
			steps: {
				pages: {
					get: "users/items",
					query: { "cursor?": "${last.next}" },
					repeat: { while: "${answer.next}", max: 10 },
					...step,
				},
			},
			respond: "${pages.flatMap(page => page.items)}",
			...route,
		},
		behave,
	);
}

function targets(calls: readonly SeenCall[]): string[] {
	return calls.map(({ request }) => request.target);
}

function starts(calls: readonly SeenCall[]): number[] {
	return calls.map(({ startedMs }) => startedMs);
}

describe("repeat", () => {
	it("fails if a round fails, and nothing of the rounds before is taken for the whole", async () => {
		const behave = inTurn(pending, { status: 500, afterMs: 5 });
		const required = await polling(behave).ask("/x");
		assert.deepEqual([required.code, required.atMs], ["upstream_status", 115]);
		const optional = polling(inTurn(pending, { status: 500 }), {
			optional: true,
		});
		const answer = await optional.ask("/x");
		assert.equal(answer.json, null);
		assert.equal(answer.header("sluice-missing"), "job;error=upstream_status");
		const filled = polling(inTurn(pending, { text: "<html>" }), {
			fallback: ["unknown"],
		});
		assert.deepEqual((await filled.ask("/x")).json, ["unknown"]);
	});

	it("tells its fallback of the round that failed, and of the last item where too few were good", async () => {
		const fallback = '${failure.code + " " + failure.status}';
		const rounds = polling(inTurn(pending, { status: 503 }), { fallback });
		assert.equal((await rounds.ask("/x")).json, "upstream_status 503");
		const items = polling(
			({ request }) => ({
				status: request.target === "/a" ? 500 : 502,
				afterMs: request.target === "/a" ? 20 : 10,
			}),
			{
				each: ["a", "b"],
				enough: 1,
				get: "users/${item}",
				fallback,
			},
		);
		assert.equal((await items.ask("/x")).json, "upstream_status 500");
	});

	it("takes as many rounds as `max` says, and fails where the condition still holds", async () => {
		for (const [count, code] of [
			[2, null],
			[3, null],
			[4, "limit_exceeded"],
		] as const) {
			const { ask, calls } = cursor(pagesUpTo(count), {
				repeat: { while: "${answer.next}", max: 3 },
			});
			const answer = await ask("/x");
			assert.equal(calls.length, Math.min(count, 3));
			if (code === null) {
				assert.equal((answer.json as []).length, 2 * count);
			} else assert.equal(answer.code, code);
		}
		const one = { repeat: { while: "${answer.next}", max: 1 } };
		assert.equal((await cursor(pagesUpTo(1), one).ask("/x")).status, 200);
		const two = await cursor(pagesUpTo(2), one).ask("/x");
		assert.equal(two.code, "limit_exceeded");
	});

	it("is bounded where a cursor always names the same page, and by the route's calls", async () => {
		const loop: Behaviour = () => ({ json: { items: [], next: "same" } });
		const bounded = cursor(loop);
		assert.equal((await bounded.ask("/x")).code, "limit_exceeded");
		assert.equal(bounded.calls.length, 10);
		const few = cursor(loop, {}, { calls: 4 });
		assert.equal((await few.ask("/x")).code, "limit_exceeded");
		assert.equal(few.calls.length, 4);
	});

	it("bounds each attempt by timeout, and all rounds by within", async () => {
		const slow = polling(inTurn(pending, hanging), { timeout: "50ms" });
		const late = await slow.ask("/x");
		assert.deepEqual([late.code, late.atMs], ["upstream_timeout", 160]);
		const within = polling(inTurn(pending, hanging), { within: "150ms" });
		const cut = await within.ask("/x");
		assert.deepEqual([cut.code, cut.atMs], ["upstream_timeout", 150]);
	});

	it("does not begin a wait that would last until its time is over", async () => {
		for (const [deadline, endMs, code] of [
			// The second round would begin at 110 ms.
			["109ms", 10, "deadline_exceeded"],
			["110ms", 10, "deadline_exceeded"],
			["111ms", 111, "deadline_exceeded"],
		] as const) {
			const { ask } = polling(inTurn(pending), {}, { deadline });
			const answer = await ask("/x");
			assert.deepEqual([answer.code, answer.atMs], [code, endMs]);
		}
		for (const [within, endMs] of [
			["110ms", 10],
			["111ms", 111],
		] as const) {
			const { ask } = polling(inTurn(pending), { within });
			const answer = await ask("/x");
			assert.deepEqual([answer.code, answer.atMs], ["upstream_timeout", endMs]);
		}
	});

	it("ends with its client, in a call and in a wait", async () => {
		for (const leavesMs of [5, 10, 60, 109, 110, 115]) {
			const kit = polling(inTurn(pending));
			const { answer, leave } = kit.send("/x");
			kit.clock.after(leavesMs, leave);
			await kit.settle();
			const { code, atMs } = await answer;
			assert.deepEqual([code, atMs], ["client_closed", leavesMs]);
			kit.assertNothingLeft();
		}
	});

	it("ends with a route that fails beside it, and when nobody reads it any more", async () => {
		const kit = testRoute(
			{
				steps: {
					job: {
						get: "users/job",
						repeat: { while: true, max: 100, wait: "100ms" },
						optional: true,
					},
					quick: { get: "orders/quick", fallback: "${job}" },
				},
				respond: "${quick}",
			},
			byPath({ "/quick": { json: "quick", afterMs: 250 } }),
		);
		const answer = await kit.ask("/x");
		assert.deepEqual([answer.json, answer.atMs], ["quick", 250]);
		assert.deepEqual(
			targets(kit.calls).filter((target) => target === "/job").length,
			3,
		);
	});

	it("fails where its condition cannot be computed", async () => {
		const { ask } = polling(inTurn({ json: {} }), {
			repeat: { while: "${answer.left > 0}", max: 3 },
		});
		assert.equal((await ask("/x")).code, "reference_missing");
	});

	it("reads seven pages of a cursor", async () => {
		const { ask, calls } = cursor(pagesUpTo(7));
		const answer = await ask("/x");
		assert.equal((answer.json as []).length, 14);
		assert.equal(answer.atMs, 70);
		assert.equal(answer.header("sluice-complete"), "?1");
		assert.deepEqual(targets(calls), [
			"/items",
			...[2, 3, 4, 5, 6, 7].map((page) => `/items?cursor=${page}`),
		]);
	});

	it("polls until something is done, and waits between rounds", async () => {
		const { ask, calls } = polling(inTurn(pending, pending, done));
		const answer = await ask("/x");
		assert.deepEqual(answer.json, ["pending", "pending", "done"]);
		assert.deepEqual(starts(calls), [0, 110, 220]);
	});

	it("begins the next round at once without a wait", async () => {
		const { ask, calls } = cursor(pagesUpTo(3));
		await ask("/x");
		assert.deepEqual(starts(calls), [0, 10, 20]);
	});

	it("gives the value of the round before as `last`, null in the first, and the number as `round`", async () => {
		const own = testRoute(
			{
				steps: {
					all: {
						post: "search/${round}",
						query: { page: "${round + 1}" },
						headers: { "x-last?": "${last}" },
						body: { last: "${last}" },
						answers: { 404: "none ${round}" },
						pick: "${`${last}+${round}`}",
						repeat: { while: "${round < 2}", max: 3 },
					},
				},
			},
			inTurn({ status: 404 }, {}),
		);
		assert.deepEqual((await own.ask("/x")).json, [
			"none 0",
			"none 0+1",
			"none 0+1+2",
		]);
		assert.deepEqual(targets(own.calls), [
			"/0?page=1",
			"/1?page=2",
			"/2?page=3",
		]);
		assert.deepEqual(
			own.calls.map(({ request }) => request.body),
			['{"last":null}', '{"last":"none 0"}', '{"last":"none 0+1"}'],
		);
	});

	it("asks the condition after a listed status, too", async () => {
		const { ask } = testRoute(
			{
				steps: {
					file: {
						get: "users/file",
						answers: { 404: null },
						repeat: { while: "${response.status === 404}", max: 5 },
					},
				},
				respond: "${file.at(-1)}",
			},
			inTurn({ status: 404 }, { status: 404 }, { json: "there" }),
		);
		assert.equal((await ask("/x")).json, "there");
	});

	it("ends for false and null only, as `when` skips", async () => {
		const held: unknown[] = [1, "", 0, false];
		const { ask } = testRoute(
			{
				steps: {
					all: { get: "users/x", repeat: { while: "${answer}", max: 9 } },
				},
			},
			inTurn(...held.map((json) => ({ json }))),
		);
		assert.deepEqual((await ask("/x")).json, held);
	});

	it("judges its condition `when` once, before the first round", async () => {
		const skipped = polling(inTurn(done), { when: false });
		assert.equal((await skipped.ask("/x")).json, null);
		assert.equal(skipped.calls.length, 0);
	});

	it("repeats each item of a list on its own: the value is a list of lists", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					all: {
						each: ["a", "b"],
						as: "name",
						get: "users/${name}",
						query: { "after?": "${last}", at: "${index}" },
						pick: "${name + round}",
						repeat: { while: "${round < index + 1}", max: 3, wait: "10ms" },
					},
				},
			},
			({ request }) => ({
				afterMs: request.target.startsWith("/a") ? 5 : 1,
			}),
		);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, [
			["a0", "a1"],
			["b0", "b1", "b2"],
		]);
		assert.deepEqual(targets(calls).toSorted(), [
			"/a?after=a0&at=0",
			"/a?at=0",
			"/b?after=b0&at=1",
			"/b?after=b1&at=1",
			"/b?at=1",
		]);
	});

	it("fills in per item, for all rounds of the item", async () => {
		const { ask } = testRoute(
			{
				steps: {
					all: {
						each: ["a", "b"],
						as: "name",
						get: "users/${name}/${round}",
						repeat: { while: "${round < 1}", max: 2 },
						fallback: "no ${name}",
					},
				},
			},
			byPath({
				"/a/1": { status: 500 },
				"/b/0": { json: 1 },
				"/b/1": { json: 2 },
			}),
		);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, ["no a", [1, 2]]);
		assert.equal(
			answer.header("sluice-missing"),
			"all;index=0;error=upstream_status",
		);
	});

	it("is an item that succeeds or fails as a whole with `enough`", async () => {
		const { ask } = testRoute(
			{
				steps: {
					all: {
						each: ["a", "b", "c"],
						as: "name",
						enough: 1,
						get: "users/${name}/${round}",
						repeat: { while: "${round < 1}", max: 2, wait: "50ms" },
					},
				},
			},
			byPath({
				"/a/1": { status: 500 },
				"/b/1": { json: "B", afterMs: 20 },
				"/c/1": { json: "C", afterMs: 10 },
			}),
		);
		const answer = await ask("/x");
		assert.deepEqual(
			[answer.json, answer.atMs],
			[[null, null, [null, "C"]], 60],
		);
	});

	it("waits for the steps that the condition reads, after the call", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					most: { get: "orders/most" },
					all: {
						get: "users/${round}",
						repeat: { while: "${round + 1 < most}", max: 9 },
					},
				},
				respond: "${all.length}",
			},
			byPath({ "/most": { json: 3, afterMs: 50 } }),
		);
		const answer = await ask("/x");
		assert.deepEqual([answer.json, answer.atMs], [3, 50]);
		assert.deepEqual(starts(calls), [0, 0, 50, 50]);
	});

	it("has one budget of computing and of memory for all rounds", async () => {
		const busy = testRoute(
			{
				steps: {
					all: {
						get: "users/list",
						pick: "${answer.map(x => answer.map(y => x * y).length).length}",
						repeat: { while: true, max: 1000 },
						optional: true,
					},
				},
				respond: "${missing.all}",
			},
			() => ({ json: Array.from({ length: 400 }, (_, at) => at) }),
		);
		const answer = await busy.ask("/x");
		assert.equal(answer.json, "limit_exceeded");
		assert.ok(busy.calls.length < 200, String(busy.calls.length));
		const large = testRoute(
			{
				maxRead: "64MiB",
				calls: 10_000,
				steps: {
					all: { get: "users/text", repeat: { while: true, max: 10_000 } },
				},
			},
			() => ({ json: "x".repeat(100_000) }),
			{ server: { memory: "16MiB" } },
		);
		assert.equal((await large.ask("/x")).code, "limit_exceeded");
		assert.ok(large.calls.length < 60, String(large.calls.length));
	});

	it("sends a write once per round, and goes on to its end once one was sent, whoever leaves", async () => {
		for (const leavesMs of [null, 5, 60, 115]) {
			const kit = testRoute(
				{
					steps: {
						all: {
							post: "users/batch",
							body: { from: "${round * 100}" },
							repeat: { while: "${answer.more}", max: 5, wait: "100ms" },
						},
					},
				},
				inTurn(
					{ json: { more: true }, afterMs: 10 },
					{ json: {}, afterMs: 10 },
				),
				{ key: "POST /x" },
			);
			const { answer, leave } = kit.send("/x", { method: "POST" });
			if (leavesMs !== null) kit.clock.after(leavesMs, leave);
			await kit.settle();
			const { status, json } = await answer;
			if (leavesMs === null) assert.deepEqual(json, [{ more: true }, {}]);
			assert.equal(status, leavesMs === null ? 200 : 499);
			assert.deepEqual(
				kit.calls.map(({ request, aborted }) => [request.body, aborted]),
				[
					['{"from":0}', null],
					['{"from":100}', null],
				],
			);
			kit.assertNothingLeft();
		}
	});
});

describe("repeat of a group", () => {
	/** Pages with the details of each item, until there is no next page. */
	const pages = {
		steps: {
			page: { get: "users/items", query: { "cursor?": "${last.next}" } },
			details: {
				each: "${page.items}",
				as: "id",
				get: "orders/${id}",
				optional: true,
			},
		},
		value: { next: "${page.next}", details: "${details}" },
		repeat: { while: "${page.next}", max: 5 },
	};
	const behave: Behaviour = ({ request: { target } }) => {
		if (target.startsWith("/1b")) return { status: 500 };
		return target.startsWith("/items")
			? pagesUpTo(2)({ request: { target } } as SeenCall)
			: { json: target, afterMs: 5 };
	};

	it("carries its steps out in each round, and names what a round lacks by its number", async () => {
		const { ask, calls } = testRoute({ steps: { pages } }, behave);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, [
			{ next: "2", details: ["/1a", null] },
			{ next: null, details: ["/2a", "/2b"] },
		]);
		assert.equal(
			answer.header("sluice-missing"),
			'pages.details;index="0.1";error=upstream_status',
		);
		assert.deepEqual(targets(calls), [
			"/items",
			"/1a",
			"/1b",
			"/items?cursor=2",
			"/2a",
			"/2b",
		]);
	});

	it("names nothing of its rounds if it fails, only itself", async () => {
		const { ask } = testRoute(
			{ steps: { pages: { ...pages, optional: true } } },
			({ request, ...call }) =>
				request.target.includes("cursor")
					? { status: 503 }
					: behave({ request, ...call }),
		);
		const answer = await ask("/x");
		assert.equal(answer.json, null);
		assert.equal(
			answer.header("sluice-missing"),
			"pages;error=upstream_status",
		);
	});

	it("needs no step that only the condition reads to be read elsewhere", async () => {
		const { ask } = testRoute(
			{
				steps: {
					all: {
						steps: {
							state: { get: "users/state", pick: "${answer.more}" },
							log: { post: "orders/log", body: "${round}" },
						},
						value: "${round}",
						repeat: { while: "${state}", max: 5 },
					},
				},
			},
			(call) =>
				call.request.method === "POST"
					? {}
					: inTurn({ json: { more: call.startedMs < 20 }, afterMs: 10 })(call),
		);
		assert.deepEqual((await ask("/x")).json, [0, 1, 2]);
	});

	it("is the innermost one whose round is read, in repeats within each other", async () => {
		const { ask } = testRoute({
			steps: {
				outer: {
					steps: {
						number: { value: "${round}" },
						inner: {
							steps: { own: { value: "${[number, round, last]}" } },
							value: "${own}",
							repeat: { while: "${round < 1}", max: 2 },
						},
					},
					value: "${inner}",
					repeat: { while: "${round < 1}", max: 2 },
				},
			},
		});
		assert.deepEqual((await ask("/x")).json, [
			[
				[0, 0, null],
				[0, 1, [0, 0, null]],
			],
			[
				[1, 0, null],
				[1, 1, [1, 0, null]],
			],
		]);
	});

	it("ends at the deadline though its steps have fallbacks", async () => {
		const { ask } = testRoute(
			{
				deadline: "50ms",
				steps: {
					all: {
						steps: { one: { get: "users/x", fallback: 0 } },
						repeat: { while: true, max: 1000 },
					},
				},
			},
			() => hanging,
		);
		const answer = await ask("/x");
		assert.deepEqual([answer.code, answer.atMs], ["deadline_exceeded", 50]);
	});

	it("computes no longer than its request may, though it calls nobody", async () => {
		const { ask } = testRoute({
			steps: {
				all: {
					steps: { one: { value: "${(last.one ?? 0) + 1}" } },
					repeat: { while: "${one < 5000}", max: 10_000 },
				},
			},
			respond: "${all.at(-1).one}",
		});
		assert.equal((await ask("/x")).json, 5000);
	});
});

describe("repeat beside a cache", () => {
	const cached = { users: { url: "http://users.test", cache: { for: "1h" } } };
	const sentAnew = (calls: readonly SeenCall[]) =>
		calls.map(({ request }) => {
			const at = request.headers.indexOf("cache-control");
			return at < 0 ? null : request.headers[at + 1];
		});

	it("asks anew in each round whose request is the same", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					job: {
						get: "users/job",
						repeat: { while: "${answer !== 3}", max: 5, wait: "1s" },
					},
				},
			},
			inTurn({ json: 1 }, { json: 2 }, { json: 3 }),
			{ upstreams: cached },
		);
		assert.deepEqual((await ask("/x")).json, [1, 2, 3]);
		assert.deepEqual(sentAnew(calls), [null, "no-cache", "no-cache"]);
		// The first round may take what is kept.
		assert.deepEqual((await ask("/x")).json, [3]);
	});

	it("takes pages of a cursor from the cache", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					pages: {
						get: "users/items",
						query: { "cursor?": "${last.next}" },
						repeat: { while: "${answer.next}", max: 5 },
					},
				},
			},
			pagesUpTo(3),
			{ upstreams: cached },
		);
		await ask("/x");
		await ask("/x");
		assert.equal(calls.length, 3);
		assert.deepEqual(sentAnew(calls), [null, null, null]);
	});

	it("sends what the author says instead, and nothing beside a write", async () => {
		const own = testRoute(
			{
				steps: {
					job: {
						get: "users/job",
						headers: { "cache-control": "max-age=5" },
						repeat: { while: "${round < 1}", max: 2 },
					},
					sent: {
						post: "orders/x",
						repeat: { while: "${round < 1}", max: 2 },
					},
				},
				respond: "${job}",
			},
			() => ({ json: 1 }),
		);
		await own.ask("/x");
		const byUpstream = Map.groupBy(own.calls, ({ upstream }) => upstream);
		assert.deepEqual(sentAnew(byUpstream.get("users") ?? []), [
			"max-age=5",
			"max-age=5",
		]);
		assert.deepEqual(sentAnew(byUpstream.get("orders") ?? []), [null, null]);
	});

	it("asks anew in a group for what does not read its round, and not for what does", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					first: { get: "orders/first" },
					all: {
						steps: {
							state: { get: "users/state/${first}" },
							page: { get: "users/page/${round}" },
							of: { get: "users/of", query: { page: "${page}" } },
							listed: { each: [1], get: "users/listed/${item}" },
						},
						repeat: { while: "${round < 1}", max: 2 },
					},
				},
				respond: "${all}",
			},
			() => ({ json: 7 }),
		);
		const text = JSON.stringify(
			await ask("/x").then(() =>
				calls
					.filter(({ request }) => request.headers.includes("cache-control"))
					.map(({ request }) => request.target),
			),
		);
		assert.equal(text, '["/state/7"]');
	});
});
