import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { byPath, hanging, seen, testRoute } from "../kit/gateway.ts";

/** A call that takes 100 ms. */
const slow = (json: unknown = null) => ({ json, afterMs: 100 });

describe("a step", () => {
	it("starts at once where it reads no other", async () => {
		const { ask, calls } = testRoute(
			{
				steps: { a: { get: "users/a" }, b: { get: "orders/b" } },
				respond: ["${a}", "${b}"],
			},
			byPath({ "/a": { json: 1, afterMs: 150 }, "/b": slow(2) }),
		);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, [1, 2]);
		assert.equal(answer.atMs, 150);
		assert.deepEqual(
			seen(calls, ({ startedMs }) => startedMs),
			{ "/a": 0, "/b": 0 },
		);
	});

	const places: Record<string, object> = {
		"its condition": { when: "${a}", get: "users/b" },
		"its list": { each: "${a}", get: "users/b" },
		"its path": { get: "users/b/${a[0]}" },
		"its query": { get: "users/b", query: { a: "${a}" } },
		"its headers": { get: "users/b", headers: { "x-a": "${a}" } },
		"its body": { post: "users/b", body: { a: "${a}" } },
		after: { after: ["a"], get: "users/b" },
	};
	for (const [place, b] of Object.entries(places)) {
		it(`waits for what ${place} reads before it starts`, async () => {
			const { ask, calls } = testRoute(
				{ steps: { a: { get: "users/a" }, b }, respond: ["${a}", "${b}"] },
				byPath({ "/a": slow([7]) }),
			);
			assert.equal((await ask("/x")).status, 200);
			assert.deepEqual(
				calls.map(({ startedMs }) => startedMs),
				[0, 100],
			);
		});
	}

	const later: Record<string, object> = {
		pick: { get: "users/b", pick: "${[answer, a]}" },
		"a value of answers": {
			get: "users/b",
			query: { status: 404 },
			answers: { 404: ["${answer}", "${a}"] },
		},
		fallback: {
			get: "users/b",
			query: { status: 500 },
			fallback: ["b", "${a}"],
		},
	};
	for (const [place, b] of Object.entries(later)) {
		it(`does not wait for what ${place} reads before it starts, but after its answer`, async () => {
			const { ask, calls } = testRoute(
				{ steps: { a: { get: "users/a" }, b }, respond: "${b}" },
				({ request: { target } }) => {
					if (target === "/a") return slow("a");
					const status = Number(target.split("=")[1] ?? 200);
					return { status, json: "b", afterMs: 20 };
				},
			);
			const answer = await ask("/x");
			assert.deepEqual(answer.json, ["b", "a"]);
			assert.equal(answer.atMs, 100);
			assert.deepEqual(
				calls.map(({ startedMs }) => startedMs),
				[0, 0],
			);
		});
	}

	it("does not wait again for what ended before its answer came", async () => {
		const { ask } = testRoute(
			{
				steps: {
					a: { get: "users/a" },
					b: { get: "users/b", pick: "${[answer, a]}" },
				},
				respond: "${b}",
			},
			byPath({ "/a": { json: 1 }, "/b": slow(2) }),
		);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, [2, 1]);
		assert.equal(answer.atMs, 100);
	});

	const ends: Record<string, object> = {
		well: { get: "users/a" },
		skipped: { when: false, get: "users/a" },
		"failed and optional": { get: "users/fails", optional: true },
		"failed with a fallback": { get: "users/fails", fallback: 1 },
	};
	for (const [how, a] of Object.entries(ends)) {
		it(`starts after one that ended ${how}`, async () => {
			const { ask, calls } = testRoute(
				{
					steps: { a, b: { get: "users/b", after: ["a"] } },
					respond: "${b}",
				},
				byPath({ "/fails": { status: 500 }, "/b": { json: "b" } }),
			);
			assert.equal((await ask("/x")).json, "b");
			assert.equal(calls.at(-1)?.request.target, "/b");
		});
	}

	it("gives its value under its own name to all who read it", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					a: { get: "users/a", pick: "${answer.id}" },
					sum: { value: "${a + 1}" },
					b: { get: "users/${sum}" },
				},
				respond: { a: "${a}", sum: "${sum}", b: "${b}" },
			},
			byPath({ "/a": { json: { id: 6 } }, "/7": { json: "seven" } }),
		);
		assert.deepEqual((await ask("/x")).json, { a: 6, sum: 7, b: "seven" });
		assert.equal(calls.length, 2);
	});
});

describe("a read nobody waits for any more", () => {
	it("is aborted, and the answer does not wait for it", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					backup: { get: "orders/backup" },
					main: { get: "users/main", fallback: "${backup}" },
				},
				respond: "${main}",
			},
			byPath({ "/main": slow("main"), "/backup": hanging }),
		);
		const answer = await ask("/x");
		assert.equal(answer.json, "main");
		assert.equal(answer.atMs, 100);
		assert.equal(answer.header("sluice-complete"), "?1");
		assert.equal(calls[0]?.endedMs, 100);
		assert.notEqual(calls[0]?.aborted, null);
	});

	it("never starts where it had not", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					key: { get: "orders/key" },
					backup: { get: "orders/backup", query: { key: "${key}" } },
					main: { get: "users/main", fallback: "${backup}" },
				},
				respond: "${main}",
			},
			byPath({ "/main": { json: "main", afterMs: 10 }, "/key": slow() }),
		);
		assert.equal((await ask("/x")).atMs, 10);
		assert.deepEqual(
			seen(calls, ({ endedMs }) => endedMs),
			{ "/key": 10, "/main": 10 },
		);
	});

	it("is kept while one of its readers may still read it", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					backup: { get: "orders/backup" },
					first: { get: "users/first", fallback: "${backup}" },
					second: { get: "users/second", fallback: "${backup}" },
				},
				respond: ["${first}", "${second}"],
			},
			byPath({
				"/backup": { json: "backup", afterMs: 300 },
				"/first": slow("first"),
				"/second": { status: 500, afterMs: 200 },
			}),
		);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, ["first", "backup"]);
		assert.equal(answer.atMs, 300);
		assert.equal(calls[0]?.aborted, null);
	});

	it("is no part of the answer, whether it had failed before or not", async () => {
		const route = {
			steps: {
				backup: { get: "orders/backup", optional: true },
				main: { get: "users/main", fallback: "${backup}" },
			},
			respond: "${main}",
		};
		for (const failsAfterMs of [50, 150]) {
			const { ask } = testRoute(
				route,
				byPath({
					"/main": slow("main"),
					"/backup": { status: 500, afterMs: failsAfterMs },
				}),
			);
			const answer = await ask("/x");
			assert.equal(answer.json, "main");
			assert.equal(answer.header("sluice-complete"), "?1");
			assert.equal(answer.header("sluice-missing"), null);
		}
	});

	it("is no part of the answer where its reader gave up waiting for it", async () => {
		const { ask } = testRoute(
			{
				steps: {
					parts: { each: [1, 2], get: "orders/${item}", optional: true },
					main: {
						get: "users/main",
						within: "100ms",
						pick: "${[answer, parts]}",
						fallback: "gave up",
					},
				},
				respond: "${main}",
			},
			byPath({ "/1": { status: 500 }, "/2": hanging }),
		);
		assert.equal(
			(await ask("/x")).header("sluice-missing"),
			"main;error=upstream_timeout",
		);
	});

	it("takes with it what only it had waited for", async () => {
		const { ask } = testRoute(
			{
				steps: {
					key: { get: "orders/key", optional: true },
					backup: {
						get: "orders/backup",
						query: { "key?": "${key}" },
						optional: true,
					},
					main: { get: "users/main", fallback: "${backup}" },
				},
				respond: "${main}",
			},
			byPath({
				"/key": { status: 500 },
				"/backup": { status: 500 },
				"/main": slow("main"),
			}),
		);
		assert.equal((await ask("/x")).header("sluice-complete"), "?1");
	});

	it("does not count the calls it can no longer make", async () => {
		const { ask } = testRoute(
			{
				calls: 5,
				steps: {
					// Two of its four calls are made before `main` is there.
					backup: {
						each: [1, 2, 3, 4],
						parallel: 2,
						get: "orders/backup",
						optional: true,
					},
					main: { get: "users/main", fallback: "${backup}" },
					next: { get: "users/next", query: { main: "${main}" } },
					last_one: { get: "users/last", query: { next: "${next}" } },
				},
				respond: "${last_one}",
			},
			byPath({
				"/backup": hanging,
				"/main": slow("m"),
				"/next": slow("n"),
				"/last": { json: "there" },
			}),
		);
		const answer = await ask("/x");
		assert.equal(answer.json, "there");
		assert.equal(answer.header("sluice-complete"), "?1");
	});

	it("that is a group waits for what its value reads around it", async () => {
		const { ask } = testRoute(
			{
				steps: {
					late: { get: "users/late" },
					group: {
						steps: { early: { get: "users/early" } },
						value: ["${early}", "${late}", "${missing.late}"],
					},
				},
				respond: "${group}",
			},
			byPath({ "/late": slow("late"), "/early": { json: "early" } }),
		);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, ["early", "late", null]);
	});
});
