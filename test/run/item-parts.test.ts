import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	type Behaviour,
	byPath,
	type Reply,
	type TestGateway,
	testRoute,
} from "../kit/gateway.ts";
import { putTogether } from "../kit/parts.ts";

const ndjson = { headers: ["accept", "application/x-ndjson"] };

/** A list that is the whole answer, of one call for each item. */
const cities = { each: [0, 1, 2, 3], as: "city", get: "users/${city}" };

/** How long each item takes. */
const taking = (...afterMs: number[]): Record<string, Reply> =>
	Object.fromEntries(
		afterMs.map((ms, at) => [`/${at}`, { json: { at }, afterMs: ms }]),
	);

async function inParts(kit: TestGateway) {
	const answer = await kit.ask("/x", ndjson);
	const whole = await kit.ask("/x");
	return { answer, whole, ...putTogether(answer) };
}

function linesOf(text: string): string[] {
	return text.split("\n").slice(0, -1);
}

describe("an answer that is a list of items", () => {
	it("sends each item as soon as it has ended, with its place", async () => {
		const kit = testRoute(
			{ steps: { all: cities }, respond: "${all}" },
			byPath(taking(30, 10, 20, 10)),
		);
		const { answer, whole, value, times, end } = await inParts(kit);
		assert.deepEqual(times, { 0: 30, 1: 10, 2: 20, 3: 10 });
		assert.deepEqual(linesOf(answer.text), [
			'{"at":1,"value":{"at":1}}',
			'{"at":3,"value":{"at":3}}',
			'{"at":2,"value":{"at":2}}',
			'{"at":0,"value":{"at":0}}',
			'{"complete":true}',
		]);
		assert.deepEqual(value, whole.json);
		assert.deepEqual(end, { complete: true });
	});

	it("is that also without `respond`, if its only step makes the list", async () => {
		const steps = { all: { ...cities, parallel: 1 } };
		const kit = testRoute({ steps }, byPath(taking(30, 10, 20, 10)));
		const { times } = await inParts(kit);
		assert.deepEqual(times, { 0: 30, 1: 40, 2: 60, 3: 70 });
	});

	for (const [title, respond] of [
		["a member", { all: "${all}" }],
		["computed", "${all.map(one => one.at)}"],
		["another step's value", "${copy}"],
	] as const) {
		it(`is sent when the whole list is there, if the list is ${title}`, async () => {
			const copy = { value: "${all}" };
			const steps =
				respond === "${copy}" ? { all: cities, copy } : { all: cities };
			const kit = testRoute({ steps, respond }, byPath(taking(30, 10, 20, 10)));
			const { answer, times } = await inParts(kit);
			assert.deepEqual(Object.values(times), [30]);
			assert.equal(linesOf(answer.text).length, 2);
		});
	}

	it("is one line without a place if the list is empty", async () => {
		const steps = { all: { ...cities, each: [] } };
		const { answer } = await inParts(testRoute({ steps }));
		assert.equal(answer.text, '{"value":[]}\n{"complete":true}\n');
	});

	it("is one line without a place if null stands for the list", async () => {
		const steps = { all: { ...cities, each: "${null}", optional: true } };
		const { answer } = await inParts(testRoute({ steps }));
		const missing = [{ step: "all", error: "reference_missing" }];
		const end = JSON.stringify({ complete: false, missing });
		assert.equal(answer.text, `{"value":null}\n${end}\n`);
	});

	it("has a line for each item that was skipped or filled in, when that is known", async () => {
		const all = {
			...cities,
			when: "${city !== 1}",
			fallback: "none",
			timeout: "40ms",
		};
		const kit = testRoute(
			{ steps: { all } },
			byPath({ ...taking(30, 10, 20, 100), "/2": { status: 500, afterMs: 5 } }),
		);
		const { value, times, end } = await inParts(kit);
		assert.deepEqual(times, { 0: 30, 1: 0, 2: 5, 3: 40 });
		assert.deepEqual(value, [{ at: 0 }, null, "none", "none"]);
		assert.deepEqual(
			end?.missing?.map(({ index, error }) => [index, error]),
			[
				[[2], "upstream_status"],
				[[3], "upstream_timeout"],
			],
		);
	});

	it("ends with the problem if an item fails the route", async () => {
		const kit = testRoute(
			{ steps: { all: cities } },
			byPath({ ...taking(30, 10, 20, 50), "/2": { status: 500, afterMs: 20 } }),
		);
		const { answer, whole, times, end } = await inParts(kit);
		assert.deepEqual(times, { 1: 10 });
		assert.deepEqual(end?.problem, whole.json);
		assert.equal(answer.atMs, 20);
	});

	it("sends nothing after the deadline", async () => {
		const kit = testRoute(
			{ steps: { all: cities }, deadline: "25ms" },
			byPath(taking(30, 10, 20, 50)),
		);
		const { answer, times, end } = await inParts(kit);
		assert.deepEqual(times, { 1: 10, 2: 20 });
		assert.equal(end?.problem?.code, "deadline_exceeded");
		assert.equal(answer.atMs, 25);
	});
});

describe("a list of which some items are enough", () => {
	const enough = { ...cities, enough: 2 };

	it("sends each item that counts at once, and null for the others at the end", async () => {
		const kit = testRoute(
			{ steps: { all: enough } },
			byPath(taking(30, 10, 20, 50)),
		);
		const { value, whole, times } = await inParts(kit);
		assert.deepEqual(times, { 0: 20, 1: 10, 2: 20, 3: 20 });
		assert.deepEqual(value, [null, { at: 1 }, { at: 2 }, null]);
		assert.deepEqual(value, whole.json);
	});

	it("ends with the problem if too few succeed", async () => {
		const failing = { status: 500, afterMs: 20 };
		const kit = testRoute(
			{ steps: { all: enough } },
			byPath({ ...taking(10), "/1": failing, "/2": failing, "/3": failing }),
		);
		const { times, end } = await inParts(kit);
		assert.deepEqual(times, { 0: 10 });
		assert.equal(end?.problem?.code, "upstream_status");
	});

	for (const [words, filling, stands] of [
		["another list", { fallback: ["a", "b"] }, ["a", "b"]],
		["null", { optional: true }, null],
	] as const) {
		it(`sends nothing before it is known whether ${words} stands for it`, async () => {
			const all = { ...enough, ...filling };
			const well = byPath(taking(30, 10, 20, 50));
			const found = await inParts(testRoute({ steps: { all } }, well));
			assert.deepEqual(new Set(Object.values(found.times)), new Set([20]));
			assert.deepEqual(found.value, found.whole.json);
			const failing = { status: 500, afterMs: 20 };
			const ill = byPath({
				...taking(10),
				...{ "/1": failing, "/2": failing, "/3": failing },
			});
			const filled = await inParts(testRoute({ steps: { all } }, ill));
			assert.deepEqual(filled.value, stands);
			assert.deepEqual(filled.value, filled.whole.json);
			assert.deepEqual(new Set(Object.values(filled.times)), new Set([20]));
		});
	}
});

describe("the head of a list of items", () => {
	it("waits for what status and header fields read, and for every reply", async () => {
		for (const besides of [
			{ status: "${other.ok ? 203 : 200}" },
			{ headers: { "x-ok": "${other.ok}" } },
			{
				steps: {
					all: cities,
					other: { get: "users/other" },
					gone: { when: "${!other.ok}", reply: { body: 1 } },
				},
			},
		]) {
			const kit = testRoute(
				{
					steps: { all: cities, other: { get: "users/other" } },
					respond: "${all}",
					...besides,
				},
				byPath({
					...taking(30, 10, 20, 10),
					"/other": { json: { ok: true }, afterMs: 20 },
				}),
			);
			const { answer, times } = await inParts(kit);
			assert.deepEqual(times, { 0: 30, 1: 20, 2: 20, 3: 20 });
			const places = linesOf(answer.text).map((line) => JSON.parse(line).at);
			assert.deepEqual(places.slice(0, 2), [1, 3], "in the order they ended");
		}
	});

	it("waits for the list if it reads the list", async () => {
		const status = "${all.length === 4 ? 203 : 200}";
		const kit = testRoute(
			{ steps: { all: cities }, respond: "${all}", status },
			byPath(taking(30, 10, 20, 10)),
		);
		const { answer, times } = await inParts(kit);
		assert.equal(answer.status, 203);
		assert.deepEqual(times, { 0: 30, 1: 30, 2: 30, 3: 30 });
	});

	it("sends no item with a status that has no body", async () => {
		const kit = testRoute(
			{ steps: { all: cities }, respond: "${all}", status: 204 },
			byPath(taking(30, 10, 20, 10)),
		);
		const { answer } = await inParts(kit);
		assert.equal(answer.status, 204);
		assert.equal(answer.pieces.length, 0);
	});
});

describe("a client that leaves a list of items", () => {
	it("aborts the items under way, and begins no other", async () => {
		const steps = { all: { ...cities, parallel: 2 } };
		const kit = testRoute({ steps }, byPath(taking(10, 50, 50, 50)));
		const { answer, leave } = kit.send("/x", ndjson);
		await kit.clock.advance(20);
		leave();
		await kit.settle();
		const { end, times } = putTogether(await answer);
		assert.equal(end, null);
		assert.deepEqual(times, { 0: 10 });
		kit.assertNothingLeft();
		assert.deepEqual(
			kit.calls.map(({ endedMs }) => endedMs),
			[10, 20, 20],
		);
	});
});

/** Answers with the number that is asked for, after a time that no order follows. */
const mixed: Behaviour = ({ request }) => {
	const number = Number(request.target.slice(1));
	return { json: { number }, afterMs: ((number * 7919) % 101) + 1 };
};

describe("a long list of items", () => {
	const count = 10_000;
	const numbers = Array.from({ length: count }, (_, at) => at);
	const all = { each: "${body}", as: "one", get: "users/${one}" };
	const route = {
		request: { body: { type: "array", maxItems: count } },
		steps: { all: { ...all, parallel: 1_000, max: count } },
		calls: count,
	};

	it("adds up to the whole answer, whatever the order", async () => {
		const kit = testRoute(route, mixed, { key: "POST /x" });
		const post = { method: "POST", body: numbers };
		const parted = await kit.ask("/x", { ...post, ...ndjson });
		const { value, end, times } = putTogether(parted);
		assert.equal(Object.keys(times).length, count);
		assert.deepEqual(value, (await kit.ask("/x", post)).json);
		assert.deepEqual(end, { complete: true });
		assert.ok(new Set(Object.values(times)).size > 100, "as they ended");
	});

	for (const [title, filling] of [
		["the status is known", {}],
		["it is known that nothing stands for it", { enough: 1, fallback: [] }],
	] as const) {
		it(`lets others have their turn while it is sent, when ${title}`, async () => {
			const many = Array.from({ length: 3 * count }, (_, at) => at);
			const kit = testRoute(
				{
					steps: {
						all: {
							...{ each: many, as: "one", max: many.length },
							...{ value: "${one}", ...filling },
						},
						late: { get: "users/late" },
					},
					respond: "${all}",
					status: "${late}",
				},
				byPath({ "/late": { json: 203, afterMs: 10 } }),
			);
			const answer = await kit.ask("/x", ndjson);
			const { value, end } = putTogether(answer);
			assert.equal((value as unknown[]).length, many.length);
			assert.deepEqual(end, { complete: true });
			const { length } = answer.pieces;
			assert.ok(length >= 4, `it came in ${length} pieces`);
		});
	}
});

describe("the bound of a list of items", () => {
	for (const filling of [{}, { enough: 3, optional: true }]) {
		it(`is that of the whole answer, to the byte (${Object.keys(filling)})`, async () => {
			const steps = { all: { ...cities, ...filling, each: [0, 1, 2] } };
			const long = "é".repeat(500);
			const replies = byPath({
				"/0": { json: long },
				"/1": { json: null },
				"/2": { json: 1 },
			});
			const of = Buffer.byteLength(JSON.stringify([long, null, 1]));
			for (const [maxAnswer, fits] of [
				[of - 1, false],
				[of, true],
				[of + 1, true],
			] as const) {
				const server = { maxAnswer: `${maxAnswer}B` };
				const kit = testRoute({ steps }, replies, { server });
				const { whole, value, end, answer } = await inParts(kit);
				assert.equal(whole.status === 200, fits, `${maxAnswer} bytes`);
				if (fits) assert.deepEqual(value, whole.json);
				else assert.deepEqual(end?.problem ?? answer.json, whole.json);
			}
		});
	}

	it("is that of the whole answer for computing, too: many parts are no way around it", async () => {
		const kit = testRoute(
			{
				steps: {
					big: { get: "users/big" },
					all: {
						...{ each: Array.from({ length: 600 }, (_, at) => at), max: 600 },
						value: "${big}",
					},
				},
				respond: "${all}",
			},
			byPath({ "/big": { json: Array.from({ length: 4_000 }, () => 1) } }),
		);
		const { whole, end } = await inParts(kit);
		assert.equal(whole.code, "limit_exceeded");
		assert.equal(end?.problem?.code, "limit_exceeded");
	});
});
