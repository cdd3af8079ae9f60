import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	type Behaviour,
	byPath,
	hanging,
	type SeenCall,
	testRoute,
} from "../kit/gateway.ts";

/** A route that asks three services, of which two must answer. */
function twoOfThree(behave: Behaviour, step: object = {}, route: object = {}) {
	return testRoute(
		{
			steps: {
				votes: {
					each: ["a", "b", "c"],
					as: "name",
					enough: 2,
					get: "users/${name}",
					...step,
				},
			},
			respond: "${votes}",
			...route,
		},
		behave,
	);
}

function endsOf(calls: readonly SeenCall[]) {
	return calls.map(({ request, endedMs, aborted }) => [
		request.target,
		endedMs,
		(aborted as { message?: string } | null)?.message ?? null,
	]);
}

const slowest: Behaviour = byPath({
	"/a": { json: "A", afterMs: 30 },
	"/b": hanging,
	"/c": { json: "C", afterMs: 20 },
});

describe("enough", () => {
	it("fails at once with the last error when too few can succeed", async () => {
		const { ask, calls, callsEnded } = twoOfThree(
			byPath({
				"/a": { status: 500, afterMs: 10 },
				"/b": { text: "<html>", afterMs: 20 },
				"/c": hanging,
			}),
		);
		const answer = await ask("/x");
		assert.deepEqual([answer.code, answer.atMs], ["upstream_invalid", 20]);
		assert.deepEqual(endsOf(calls).at(2), [
			"/c",
			20,
			"another step or item has failed",
		]);
		assert.equal(callsEnded.length, 3);
	});

	it("fails when its time is over before enough have succeeded, and when the client leaves", async () => {
		const slow = byPath({ "/a": { json: 1 }, "/b": hanging, "/c": hanging });
		const cut = await twoOfThree(slow, { within: "50ms" }).ask("/x");
		assert.deepEqual([cut.code, cut.atMs], ["upstream_timeout", 50]);
		const late = await twoOfThree(slow, {}, { deadline: "70ms" }).ask("/x");
		assert.deepEqual([late.code, late.atMs], ["deadline_exceeded", 70]);
		const kit = twoOfThree(slow);
		const { answer, leave } = kit.send("/x");
		kit.clock.after(25, leave);
		await kit.settle();
		assert.deepEqual(
			[(await answer).code, (await answer).atMs],
			["client_closed", 25],
		);
		kit.assertNothingLeft();
	});

	it("takes a list of as many items as must succeed, and refuses a shorter one before any call", async () => {
		const ofClient = (enough: number) =>
			testRoute(
				{
					request: {
						query: {
							ids: { type: "array", items: { type: "integer" } },
						},
					},
					steps: {
						all: { each: "${query.ids}", enough, get: "users/${item}" },
					},
				},
				() => ({ json: 1 }),
			);
		for (const [enough, status] of [
			[1, 200],
			[2, 200],
			[3, 400],
		] as const) {
			const { ask, calls } = ofClient(enough);
			const answer = await ask("/x?ids=1&ids=2");
			assert.equal(answer.status, status);
			if (status === 400) {
				assert.equal(answer.code, "reference_missing");
				assert.equal(calls.length, 0);
			}
		}
		const own = twoOfThree(() => ({ json: 1 }), { each: ["a"] });
		const answer = await own.ask("/x");
		assert.deepEqual([answer.status, answer.code], [502, "reference_missing"]);
		const empty = twoOfThree(() => ({}), { each: [], optional: true });
		assert.equal((await empty.ask("/x")).json, null);
	});

	it("aborts the others as soon as enough have succeeded, and keeps the list's order", async () => {
		const { ask, calls, callsEnded } = twoOfThree(slowest);
		const answer = await ask("/x");
		assert.deepEqual([answer.json, answer.atMs], [["A", null, "C"], 30]);
		assert.deepEqual(endsOf(calls), [
			["/a", 30, null],
			["/b", 30, "enough items have succeeded"],
			["/c", 20, null],
		]);
		assert.deepEqual(
			callsEnded.map(({ step, index, error }) => [
				step,
				...index,
				error?.code ?? null,
			]),
			[
				["votes", 2, null],
				["votes", 0, null],
				["votes", 1, "call_aborted"],
			],
		);
	});

	it("is whole though others have failed or were aborted: nothing is missing", async () => {
		const { ask } = twoOfThree(
			byPath({
				"/a": { status: 500, afterMs: 5 },
				"/b": { json: "B", afterMs: 10 },
				"/c": { json: "C", afterMs: 20 },
			}),
			{ optional: true },
			{ respond: { votes: "${votes}", missing: "${missing.votes}" } },
		);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, {
			votes: [null, "B", "C"],
			missing: null,
		});
		assert.equal(answer.header("sluice-complete"), "?1");
		assert.equal(answer.header("sluice-missing"), null);
	});

	it("lets fallback and optional fill in for the whole step", async () => {
		const fails = byPath({ "/b": { status: 500 }, "/c": { status: 503 } });
		const filled = await twoOfThree(fails, { fallback: ["none"] }).ask("/x");
		assert.deepEqual(filled.json, ["none"]);
		assert.equal(
			filled.header("sluice-missing"),
			"votes;error=upstream_status",
		);
		const optional = await twoOfThree(fails, { optional: true }).ask("/x");
		assert.equal(optional.json, null);
		assert.equal(optional.header("sluice-complete"), "?0");
		const short = { each: ["a"], fallback: "short" };
		assert.equal((await twoOfThree(fails, short).ask("/x")).json, "short");
		const noList = { each: "${null}", fallback: "no list" };
		assert.equal((await twoOfThree(fails, noList).ask("/x")).json, "no list");
	});

	it("counts null as success, and a skipped item neither way", async () => {
		const nulls = await twoOfThree(() => ({ status: 404 }), {
			answers: { 404: null },
		}).ask("/x");
		assert.deepEqual(nulls.json, [null, null, null]);
		assert.equal(nulls.status, 200);
		const skipping = (when: string) =>
			twoOfThree(({ request }) => ({ json: request.target }), { when });
		const one = await skipping("${name !== 'a'}").ask("/x");
		assert.deepEqual(one.json, [null, "/b", "/c"]);
		const two = await skipping("${name === 'a'}").ask("/x");
		assert.equal(two.code, "reference_missing");
	});

	it("asks one after the other with parallel: 1, until enough are good", async () => {
		const { ask, calls } = twoOfThree(
			byPath({
				"/a": { status: 500, afterMs: 10 },
				"/b": { json: "B", afterMs: 10 },
				"/c": { json: "C", afterMs: 10 },
			}),
			{ parallel: 1, enough: 1 },
		);
		const answer = await ask("/x");
		assert.deepEqual([answer.json, answer.atMs], [[null, "B", null], 20]);
		assert.deepEqual(
			calls.map(({ request }) => request.target),
			["/a", "/b"],
		);
	});

	it("takes no more than enough when several come at one instant", async () => {
		const { ask } = twoOfThree(() => ({ json: 1, afterMs: 10 }));
		assert.deepEqual((await ask("/x")).json, [1, 1, null]);
		const values = testRoute({
			steps: { all: { each: [1, 2, 3], enough: 2, value: "${item}" } },
		});
		assert.deepEqual((await values.ask("/x")).json, [1, 2, null]);
	});

	it("does not abort a write that was sent, and sends none that still waits", async () => {
		const kit = twoOfThree(
			byPath({
				"/a": { json: "A", afterMs: 10 },
				"/b": { json: "B", afterMs: 500 },
			}),
			{ get: undefined, post: "users/${name}", parallel: 2, enough: 1 },
		);
		const { answer } = kit.send("/x");
		await kit.settle();
		assert.deepEqual((await answer).json, ["A", null, null]);
		assert.equal((await answer).atMs, 10);
		assert.deepEqual(endsOf(kit.calls), [
			["/a", 10, null],
			["/b", 500, null],
		]);
		kit.assertNothingLeft();
	});

	it("takes groups, of which only those that count say what they lack", async () => {
		const { ask } = testRoute(
			{
				steps: {
					pages: {
						each: ["a", "b", "c"],
						as: "name",
						enough: 1,
						steps: {
							page: { get: "users/${name}" },
							extra: { get: "users/extra/${name}", optional: true },
							more: { get: "users/more/${name}" },
						},
						value: "${[page, extra, more]}",
					},
				},
				respond: "${pages}",
			},
			byPath({
				"/extra/a": { status: 500 },
				"/more/a": { status: 500, afterMs: 5 },
				"/b": { json: "B", afterMs: 30 },
				"/extra/b": { status: 500 },
				"/c": { json: "C", afterMs: 20 },
				"/extra/c": { json: "more" },
			}),
		);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, [null, null, ["C", "more", null]]);
		assert.equal(answer.atMs, 20);
		assert.equal(answer.header("sluice-missing"), null);
	});

	it("names what a step around has lacked only if an item that counts has read it", async () => {
		const route = (first: string) =>
			testRoute(
				{
					steps: {
						late: { get: "orders/late", optional: true },
						both: {
							each: ["a", "b"],
							as: "name",
							enough: 1,
							get: "users/${name}",
							answers: { 404: "${late}" },
						},
					},
					respond: "${both}",
				},
				byPath({
					"/late": { status: 500, afterMs: 5 },
					"/a": { status: 404, afterMs: first === "a" ? 10 : 30 },
					"/b": { json: "B", afterMs: 20 },
				}),
			);
		const unread = await route("b").ask("/x");
		assert.deepEqual(unread.json, [null, "B"]);
		assert.equal(unread.header("sluice-missing"), null);
		const read = await route("a").ask("/x");
		assert.deepEqual(read.json, [null, null]);
		assert.equal(read.header("sluice-missing"), "late;error=upstream_status");
	});

	it("says nothing of items that have succeeded when they are too few", async () => {
		const { ask } = testRoute(
			{
				steps: {
					pages: {
						each: ["a", "b"],
						as: "name",
						enough: 2,
						optional: true,
						steps: {
							page: { get: "users/${name}" },
							extra: { get: "users/extra/${name}", optional: true },
						},
					},
				},
				respond: "${pages}",
			},
			byPath({
				"/extra/a": { status: 500 },
				"/b": { status: 503, afterMs: 20 },
			}),
		);
		const answer = await ask("/x");
		assert.equal(answer.json, null);
		assert.equal(
			answer.header("sluice-missing"),
			"pages;error=upstream_status",
		);
	});

	it("gives its places to the lists of other items around", async () => {
		const { ask } = testRoute(
			{
				steps: {
					outer: {
						each: [1, 2],
						as: "one",
						steps: {
							inner: {
								each: [1, 2, 3],
								as: "two",
								parallel: 2,
								enough: 1,
								get: "users/${one}/${two}",
							},
						},
						value: "${inner}",
					},
				},
				respond: "${outer}",
			},
			({ request: { target } }) => ({
				json: target,
				afterMs: target.endsWith("/1") ? 30 : 10,
			}),
		);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, [
			[null, "/1/2", null],
			[null, "/2/2", null],
		]);
		assert.equal(answer.atMs, 20);
	});
});
