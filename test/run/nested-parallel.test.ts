import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	type Behaviour,
	hanging,
	type SeenCall,
	testRoute,
} from "../kit/gateway.ts";

/** A list in a group that runs once per item of another. Each call has a path of both positions: `/inner/1/0`. */
function nested(inner: object, outer: object = {}, behave: Behaviour = slow) {
	return testRoute(
		{
			steps: {
				outer: {
					each: [0, 1, 2],
					as: "o",
					steps: {
						inner: {
							each: [0, 1],
							as: "i",
							get: "users/inner/${o}/${i}",
							...inner,
						},
					},
					value: "${inner}",
					...outer,
				},
			},
			respond: "${outer}",
		},
		behave,
	);
}

const slow: Behaviour = ({ request }) => ({
	json: request.target.slice("/inner/".length),
	afterMs: 100,
});

const started = (calls: readonly SeenCall[]) =>
	calls.map(({ request, startedMs }) => `${startedMs} ${request.target}`);

const all = [
	["0/0", "0/1"],
	["1/0", "1/1"],
	["2/0", "2/1"],
];

describe("`parallel` of a list in another", () => {
	it("bounds the step over all outer items, and keeps their order", async () => {
		const { ask, calls } = nested({ parallel: 1 });
		const answer = await ask("/x");
		assert.deepEqual(answer.json, all);
		assert.equal(answer.atMs, 600);
		assert.deepEqual(started(calls), [
			"0 /inner/0/0",
			"100 /inner/1/0",
			"200 /inner/2/0",
			"300 /inner/0/1",
			"400 /inner/1/1",
			"500 /inner/2/1",
		]);
	});

	for (const [parallel, endsMs] of [
		[2, 300],
		[5, 200],
		[6, 100],
	]) {
		it(`lets ${parallel} of six items run at once`, async () => {
			const answer = await nested({ parallel }).ask("/x");
			assert.deepEqual([answer.json, answer.atMs], [all, endsMs]);
		});
	}

	it("bounds a list two lists deep", async () => {
		const { ask } = testRoute(
			{
				steps: {
					a: {
						each: [0, 1],
						as: "i",
						steps: {
							b: {
								each: [0, 1],
								as: "j",
								steps: {
									c: {
										each: [0, 1],
										as: "k",
										get: "users/inner/${i}/${j}/${k}",
										parallel: 1,
									},
								},
							},
						},
					},
				},
				respond: "${a.map(a => a.b.map(b => b.c))}",
			},
			slow,
		);
		const answer = await ask("/x");
		assert.equal(answer.atMs, 800);
		const pair = (of: string) => [`${of}/0`, `${of}/1`];
		assert.deepEqual(answer.json, [pair("0").map(pair), pair("1").map(pair)]);
	});

	it("bounds each of two requests by itself", async () => {
		const { send, settle } = nested({ parallel: 1 });
		const [one, two] = [send("/x"), send("/x")];
		await settle();
		const ends = [(await one.answer).atMs, (await two.answer).atMs];
		assert.deepEqual(ends, [600, 600]);
	});

	it("of both lists never wait for each other, nor for steps beside them", async () => {
		const { ask, assertNothingLeft } = testRoute(
			{
				steps: {
					late: { get: "users/inner/late" },
					outer: {
						each: [0, 1, 2],
						as: "o",
						parallel: 2,
						steps: {
							first: {
								each: [0, 1],
								as: "i",
								parallel: 1,
								steps: {
									deep: {
										each: [0, 1],
										as: "j",
										parallel: 1,
										get: "users/inner/${o}/${i}/${j}",
										pick: ["${answer}", "${second.length}", "${late}"],
									},
								},
							},
							second: {
								each: [0, 1],
								as: "i",
								parallel: 1,
								get: "users/inner/${o}/${i}",
								pick: ["${answer}", "${late}"],
							},
						},
						value: "${first.map(x => x.deep).flat().length}",
					},
				},
				respond: "${outer}",
			},
			slow,
		);
		assert.deepEqual((await ask("/x")).json, [4, 4, 4]);
		assertNothingLeft();
	});

	it("gives back the places of items that failed, and of outer items that were dropped", async () => {
		const { ask } = nested(
			{ parallel: 1 },
			{ optional: true },
			({ request: { target } }) =>
				target.startsWith("/inner/0")
					? { status: 500, afterMs: 50 }
					: { json: target.slice(7), afterMs: 100 },
		);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, [null, all[1], all[2]]);
		assert.equal(answer.atMs, 450);
	});

	for (const [when, inner, startMs] of [
		["at once", {}, 100],
		["while a fallback waits", { within: "50ms" }, 100],
		["while its call failed and a fallback waits", { timeout: "50ms" }, 100],
	] as const) {
		it(`gives back the place of an item whose step is dropped ${when}`, async () => {
			const { ask, calls } = testRoute(
				{
					steps: {
						outer: {
							each: [0, 1],
							as: "o",
							parallel: 1,
							steps: {
								slow: { get: "users/inner/slow/${o}", optional: true },
								inner: {
									each: [0],
									parallel: 1,
									get: "users/inner/held/${o}",
									fallback: "${slow}",
									...inner,
								},
								quick: { get: "users/inner/quick/${o}", fallback: "${inner}" },
							},
							value: "${quick}",
						},
					},
					respond: "${outer}",
				},
				({ request: { target } }) => ({
					json: target,
					afterMs: target.includes("quick") ? 100 : 400,
				}),
			);
			const answer = await ask("/x");
			assert.equal(answer.atMs, 200);
			const held = calls.find(({ request }) =>
				request.target.endsWith("held/1"),
			);
			assert.equal(held?.startedMs, startMs);
		});
	}

	it("lets no waiting item begin when its own list has failed", async () => {
		const { ask, calls } = nested(
			{ parallel: 2 },
			{ each: [0], fallback: "none" },
			({ request: { target } }) =>
				target === "/inner/0/1" ? { status: 500, afterMs: 50 } : hanging,
		);
		assert.deepEqual((await ask("/x")).json, ["none"]);
		assert.equal(calls.length, 2);
	});

	it("still fills in for all at the deadline", async () => {
		const { ask, calls } = testRoute(
			{
				deadline: "250ms",
				steps: {
					outer: {
						each: [0, 1, 2],
						as: "o",
						steps: {
							inner: {
								each: [0, 1],
								as: "i",
								parallel: 1,
								get: "users/inner/${o}/${i}",
								fallback: "late",
							},
						},
						value: "${inner}",
					},
				},
				respond: "${outer}",
			},
			slow,
		);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, [
			["0/0", "late"],
			["1/0", "late"],
			["late", "late"],
		]);
		assert.equal(answer.atMs, 250);
		assert.equal(calls.length, 3);
		assert.match(answer.header("sluice-missing") ?? "", /deadline_exceeded/);
	});

	it("leaves nothing behind when the client leaves", async () => {
		const { send, clock, calls, settle, assertNothingLeft } = nested({
			parallel: 1,
		});
		const { answer, leave } = send("/x");
		await clock.advance(150);
		leave();
		assert.equal((await answer).status, 499);
		await settle();
		assert.equal(calls.length, 2);
		assertNothingLeft();
	});
});
