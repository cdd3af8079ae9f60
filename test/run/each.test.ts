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

/** A route with one step of `each` over the client's `ids`. */
function eachId(step: object, behave?: Behaviour, route: object = {}) {
	return testRoute(
		{
			request: {
				query: { "ids?": { type: "array", items: { type: "integer" } } },
			},
			steps: {
				all: {
					each: "${query.ids}",
					as: "id",
					get: "users/${id}",
					...step,
				},
			},
			respond: "${all}",
			...route,
		},
		behave,
	);
}

function ids(...list: number[]): string {
	return `/x?${list.map((id) => `ids=${id}`).join("&")}`;
}

function upTo(count: number): string {
	return ids(...Array.from({ length: count }, (_, index) => index));
}

/** How many of the calls ran at once, at most. */
function mostAtOnce(calls: readonly SeenCall[]): number {
	const counts = calls.map(
		({ startedMs }) =>
			calls.filter(
				(other) =>
					other.startedMs <= startedMs && (other.endedMs ?? 0) > startedMs,
			).length,
	);
	return Math.max(...counts);
}

/** Takes longer the earlier the item stands. */
const backwards: Behaviour = ({ request }) => {
	const id = Number(request.target.slice(1));
	return { json: id * 10, afterMs: 100 - id };
};

describe("each", () => {
	it("makes one call per item at once, and keeps the list's order", async () => {
		const { ask, calls } = eachId({}, backwards);
		const answer = await ask(ids(3, 1, 2));
		assert.deepEqual(answer.json, [30, 10, 20]);
		assert.deepEqual(
			calls.map(({ startedMs }) => startedMs),
			[0, 0, 0],
		);
	});

	it("gives an empty list for an empty one, and makes no call", async () => {
		const { ask, calls } = eachId({ each: "${query.ids ?? []}" });
		assert.deepEqual((await ask("/x")).json, []);
		assert.equal(calls.length, 0);
	});

	it("names the item and its index", async () => {
		const { ask } = testRoute({
			steps: {
				named: { each: ["a", "b"], as: "letter", value: "${letter + index}" },
				plain: { each: ["c"], value: { item: "${item}", index: "${index}" } },
			},
			respond: ["${named}", "${plain}"],
		});
		assert.deepEqual((await ask("/x")).json, [
			["a0", "b1"],
			[{ item: "c", index: 0 }],
		]);
	});

	it("holds when per item: a skipped one is null and nothing is missing", async () => {
		const { ask, calls } = eachId(
			{ when: "${id !== 2 && index < 3}" },
			backwards,
		);
		const answer = await ask(ids(1, 2, 3, 4));
		assert.deepEqual(answer.json, [10, null, 30, null]);
		assert.equal(answer.header("sluice-complete"), "?1");
		assert.equal(calls.length, 2);
	});

	it("holds answers and pick per item", async () => {
		const { ask } = eachId(
			{
				answers: { 404: "no ${id}" },
				pick: { id: "${id}", at: "${index}", got: "${answer}" },
			},
			({ request }) =>
				request.target === "/2" ? { status: 404 } : { json: request.target },
		);
		assert.deepEqual((await ask(ids(1, 2))).json, [
			{ id: 1, at: 0, got: "/1" },
			"no 2",
		]);
	});

	const secondFails: Behaviour = ({ request }) =>
		request.target === "/2" ? { status: 500 } : { json: "ok", afterMs: 50 };

	it("fills in per item, and names each that is missing by its index", async () => {
		const filled = await eachId({ fallback: "no ${id}" }, secondFails).ask(
			ids(1, 2, 3, 2),
		);
		assert.deepEqual(filled.json, ["ok", "no 2", "ok", "no 2"]);
		const missing =
			"all;index=1;error=upstream_status, all;index=3;error=upstream_status";
		assert.equal(filled.header("sluice-missing"), missing);
		const optional = await eachId({ optional: true }, secondFails).ask(
			ids(1, 2, 3, 2),
		);
		assert.deepEqual(optional.json, ["ok", null, "ok", null]);
		assert.equal(optional.header("sluice-missing"), missing);
	});

	it("fails as a whole where an item fails, and aborts the others", async () => {
		const { ask, calls } = eachId({ parallel: 2 }, ({ request }) =>
			request.target === "/2" ? { status: 500, afterMs: 30 } : hanging,
		);
		const answer = await ask(ids(1, 2, 3));
		assert.deepEqual([answer.code, answer.atMs], ["upstream_status", 30]);
		assert.deepEqual(
			calls.map(({ endedMs }) => endedMs),
			[30, 30],
		);
	});

	it("bounds an item's attempt by its timeout", async () => {
		const { ask } = eachId(
			{ timeout: "100ms", parallel: 1, optional: true },
			() => hanging,
		);
		const answer = await ask(ids(1, 2));
		assert.deepEqual([answer.json, answer.atMs], [[null, null], 200]);
	});

	it("bounds the whole step by within, and fills in what is left", async () => {
		const { ask, calls, callsEnded } = eachId(
			{ within: "150ms", parallel: 1, fallback: "late" },
			() => ({ json: "ok", afterMs: 100 }),
			{ calls: 2 },
		);
		const answer = await ask(ids(1, 2, 3, 4));
		assert.deepEqual(answer.json, ["ok", "late", "late", "late"]);
		assert.equal(answer.atMs, 150);
		assert.equal(
			answer.header("sluice-missing"),
			[1, 2, 3]
				.map((index) => `all;index=${index};error=upstream_timeout`)
				.join(", "),
		);
		assert.equal(calls.length, 2);
		assert.equal(callsEnded.length, 2);
	});

	it("fails where within is over and nothing fills in", async () => {
		const answer = await eachId({ within: "150ms" }, () => hanging).ask(
			ids(1, 2),
		);
		assert.deepEqual([answer.code, answer.atMs], ["upstream_timeout", 150]);
	});

	it("waits for what pick reads of other steps, once per item", async () => {
		const { ask } = testRoute(
			{
				steps: {
					names: { get: "orders/names" },
					all: {
						each: ["a", "b"],
						get: "users/${item}",
						pick: "${names[item]}",
					},
				},
				respond: "${all}",
			},
			byPath({ "/names": { json: { a: "A", b: "B" }, afterMs: 200 } }),
		);
		const answer = await ask("/x");
		assert.deepEqual([answer.json, answer.atMs], [["A", "B"], 200]);
	});

	for (const parallel of [1, 3, 5]) {
		it(`runs ${parallel} at once with parallel: ${parallel}`, async () => {
			const { ask, calls } = eachId({ parallel }, backwards);
			assert.deepEqual(
				(await ask(upTo(7))).json,
				Array.from({ length: 7 }, (_, index) => index * 10),
			);
			assert.equal(mostAtOnce(calls), parallel);
		});
	}

	it("runs 16 at once unless told otherwise, each step by itself", async () => {
		const list = Array.from({ length: 20 }, (_, index) => index);
		const step = { each: list, get: "users/${item}" };
		const { ask, calls } = testRoute(
			{ steps: { a: step, b: step }, respond: ["${a}", "${b}"] },
			() => ({ afterMs: 10 }),
		);
		await ask("/x");
		assert.equal(mostAtOnce(calls), 32);
	});
});

describe("the list of an each", () => {
	const refusals: {
		readonly title: string;
		readonly list: string;
		readonly status: number;
		readonly code: string;
	}[] = [
		{
			title: "null",
			list: "${up.nothing}",
			status: 502,
			code: "reference_missing",
		},
		{
			title: "null and the client's",
			list: "${body.nothing}",
			status: 400,
			code: "reference_missing",
		},
		{ title: "no list", list: "${up.map}", status: 500, code: "step_failed" },
		{
			title: "no list and the client's",
			list: "${body.text}",
			status: 500,
			code: "step_failed",
		},
		{
			title: "too long",
			list: "${up.long}",
			status: 500,
			code: "limit_exceeded",
		},
		{
			title: "too long and the client's",
			list: "${body.long}",
			status: 400,
			code: "limit_exceeded",
		},
		{
			title: "too long and the client's in part",
			list: "${body.text === up ? [] : body.long}",
			status: 500,
			code: "limit_exceeded",
		},
	];
	const data = { map: {}, text: "text", long: [1, 2, 3] };

	async function refused(list: string, more: object) {
		const { ask } = testRoute(
			{
				request: { body: { type: "object" } },
				steps: {
					up: { get: "users/up" },
					all: { each: list, max: 2, get: "users/a", ...more },
				},
				respond: ["${up.map}", "${all}"],
			},
			byPath({ "/up": { json: data } }),
		);
		return ask("/x", { body: data });
	}

	for (const { title, list, status, code } of refusals) {
		it(`that is ${title} fails the step with ${code} (${status}), which no fallback catches`, async () => {
			const answer = await refused(list, { fallback: 1 });
			assert.deepEqual([answer.status, answer.code], [status, code]);
		});

		it(`that is ${title} makes an optional step null`, async () => {
			const answer = await refused(list, { optional: true, fallback: 1 });
			assert.deepEqual(answer.json, [{}, null]);
			assert.equal(answer.header("sluice-missing"), `all;error=${code}`);
		});
	}

	const bound = async (count: number) =>
		(await eachId({ max: 3 }, () => ({ json: 1 })).ask(upTo(count))).status;
	it("may be as long as max, and not longer", async () => {
		assert.deepEqual(
			[await bound(2), await bound(3), await bound(4)],
			[200, 200, 400],
		);
	});

	it("that is the client's is told with its bound", async () => {
		const { json } = await eachId({ max: 3 }, () => ({ json: 1 })).ask(upTo(4));
		const message = "makes a list of 4 items, and at most 3 may be";
		const [fault] = (json as { errors: { message: string }[] }).errors;
		assert.equal(fault?.message, message);
	});

	it("may have 100 items unless told otherwise", async () => {
		const length = async (count: number) =>
			(await eachId({ get: "users/a" }).ask(upTo(count))).status;
		assert.deepEqual([await length(100), await length(101)], [200, 400]);
	});

	it("is looked at before any condition", async () => {
		const answer = await eachId({ when: false }).ask("/x");
		assert.equal(answer.code, "reference_missing");
	});
});

describe("the number of calls of one request", () => {
	const three = (calls: number, more: object = {}) =>
		testRoute(
			{
				calls,
				steps: {
					one: { get: "users/one" },
					two: { each: [1, 2], get: "users/two", ...more },
				},
				respond: ["${one}", "${two}"],
			},
			(): Reply => ({ json: 1, afterMs: 10 }),
		);

	it("may reach calls, and not exceed it", async () => {
		for (const calls of [3, 4]) {
			assert.equal((await three(calls).ask("/x")).status, 200);
		}
		const { ask, calls } = three(2);
		const answer = await ask("/x");
		assert.deepEqual([answer.status, answer.code], [500, "limit_exceeded"]);
		assert.equal(calls.length, 2);
	});

	it("exceeded fails a step as anything else does", async () => {
		const answer = await three(2, { optional: true }).ask("/x");
		assert.deepEqual(answer.json, [1, [1, null]]);
		assert.equal(
			answer.header("sluice-missing"),
			"two;index=1;error=limit_exceeded",
		);
	});

	it("does not count what is skipped, or never got as far as a call", async () => {
		const answer = await three(2, {
			when: "${item !== 1}",
			query: { n: "${item === 2 ? 5 : null}" },
		}).ask("/x");
		assert.deepEqual(answer.json, [1, [null, 1]]);
	});

	it("is 200 unless told otherwise", async () => {
		const { ask } = testRoute({
			steps: {
				a: {
					each: Array.from({ length: 201 }, (_, index) => index),
					max: 300,
					get: "users/a",
					optional: true,
				},
			},
		});
		const answer = await ask("/x");
		assert.equal(
			answer.header("sluice-missing"),
			"a;index=200;error=limit_exceeded",
		);
	});
});
