import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Behaviour, byPath, testRoute } from "../kit/gateway.ts";

const failsAt = (afterMs: number) => ({ status: 500, afterMs });
const at = (afterMs: number, json: unknown = 1) => ({ json, afterMs });

describe("`missing` inside a group", () => {
	/** `a` fails at 100 ms, and the group's own step reads why when it has long started. */
	const inGroup = (b: object, group: object = {}) => ({
		steps: {
			a: { get: "users/a", optional: true },
			g: { steps: { b: { get: "orders/b", ...b } }, ...group },
		},
		respond: "${g}",
	});
	const behave = (b: object) => byPath({ "/a": failsAt(100), "/b": b });
	const good = at(200);

	it("is read by a fallback as it is then", async () => {
		const route = inGroup({ fallback: "${missing.a}" });
		const { json } = await testRoute(route, behave(failsAt(200))).ask("/x");
		assert.deepEqual(json, { b: "upstream_status" });
	});

	const places: Record<string, object> = {
		pick: { pick: "${missing.a}" },
		"a listed status": { answers: { 200: "${missing.a}" } },
		expect: { expect: "${missing.a !== null}", pick: "${missing.a}" },
	};
	for (const [place, b] of Object.entries(places)) {
		it(`is read by ${place} as it is then`, async () => {
			const { json } = await testRoute(inGroup(b), behave(good)).ask("/x");
			assert.deepEqual(json, { b: "upstream_status" });
		});
	}

	it("is read by the group's value as it is then", async () => {
		const route = inGroup({}, { value: ["${b}", "${missing.a}"] });
		const { json } = await testRoute(route, behave(good)).ask("/x");
		assert.deepEqual(json, [1, "upstream_status"]);
	});

	it("is read two groups deep, for each item", async () => {
		const { ask } = testRoute(
			{
				steps: {
					a: { get: "users/a", optional: true },
					g: {
						each: [1, 2],
						steps: {
							own: { get: "users/own/${item}", optional: true },
							h: {
								steps: {
									b: {
										get: "orders/b",
										pick: ["${missing.a}", "${missing.own}"],
									},
								},
							},
						},
						value: "${h.b}",
					},
				},
				respond: "${g}",
			},
			byPath({
				"/a": failsAt(100),
				"/b": good,
				"/own/1": at(150),
				"/own/2": failsAt(150),
			}),
		);
		assert.deepEqual((await ask("/x")).json, [
			["upstream_status", null],
			["upstream_status", "upstream_status"],
		]);
	});
});

describe("a step inside a group", () => {
	it("does not start if a reply that reads the same value ends the run", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					a: { get: "users/a" },
					g: { steps: { w: { post: "orders/w", query: { a: "${a}" } } } },
					r: { when: "${a === 1}", reply: { body: "no" } },
				},
				respond: "${g}",
			},
			byPath({ "/a": at(100), "/w": at(100) }),
		);
		const answer = await ask("/x");
		assert.deepEqual([answer.json, answer.atMs], ["no", 100]);
		assert.equal(calls.length, 1);
	});
});

describe("`Sluice-Missing` names the parts of a group", () => {
	/** Paths of the calls that fail. */
	const failing =
		(...paths: string[]): Behaviour =>
		({ request }) =>
			paths.includes(request.target) ? { status: 500 } : {};
	const marked = (answer: { header(name: string): string | null }) =>
		answer
			.header("sluice-missing")
			?.replaceAll(";error=upstream_status", "")
			.split(", ");
	const ab = {
		a: { each: [1, 2], get: "users/a/${index}", optional: true },
		b: { each: [1], get: "users/b/${index}", optional: true },
	};

	it("step by step, and each step's items in their order", async () => {
		const { ask } = testRoute(
			{ steps: { g: { steps: ab } }, respond: "${g}" },
			failing("/a/1", "/b/0"),
		);
		assert.deepEqual(marked(await ask("/x")), ["g.a;index=1", "g.b;index=0"]);
	});

	it("step by step two groups deep", async () => {
		const { ask } = testRoute(
			{ steps: { g: { steps: { h: { steps: ab } } } }, respond: "${g}" },
			failing("/a/1", "/b/0"),
		);
		assert.deepEqual(marked(await ask("/x")), [
			"g.h.a;index=1",
			"g.h.b;index=0",
		]);
	});

	it("item by item if the group has a list, whichever item ends first", async () => {
		const { ask } = testRoute(
			{
				steps: {
					g: {
						each: [0, 1],
						as: "of",
						steps: {
							a: {
								each: [1, 2],
								get: "users/a/${of}/${index}",
								optional: true,
							},
							b: { get: "users/b/${of}", optional: true },
						},
					},
				},
				respond: "${g}",
			},
			({ request: { target } }) => failsAt(target.includes("/0") ? 90 : 10),
		);
		assert.deepEqual(marked(await ask("/x")), [
			'g.a;index="0.0"',
			'g.a;index="0.1"',
			"g.b;index=0",
			'g.a;index="1.0"',
			'g.a;index="1.1"',
			"g.b;index=1",
		]);
	});
});

describe("an answer says the same whichever call is quicker", () => {
	const b = { get: "users/b", optional: true };
	/** Whether the answer is whole, and what it lacks, if `/b` fails early and if it fails late. */
	async function marksOf(route: object, replies: Record<string, object> = {}) {
		const marks: (string | null)[][] = [];
		for (const bMs of [50, 400]) {
			const behave = byPath({ "/b": failsAt(bMs), ...replies });
			const answer = await testRoute(route, behave).ask("/x");
			assert.equal(answer.status, 200, answer.text);
			marks.push(
				["sluice-complete", "sluice-missing"].map((name) =>
					answer.header(name),
				),
			);
		}
		return marks;
	}
	const whole = ["?1", null];
	const g = (steps: object, more: object = {}) => ({
		steps: { b, g: { steps, ...more } },
		respond: "${g}",
	});
	const cases: Record<string, [route: object, replies?: object]> = {
		"a fallback in a group": [
			g({ a: { get: "orders/a", fallback: "${b}" } }),
			{ "/a": at(200) },
		],
		"a fallback two groups deep": [
			g({ h: { steps: { a: { get: "orders/a", fallback: "${b}" } } } }),
			{ "/a": at(200) },
		],
		"a fallback per item of a list": [
			g({ a: { each: [1, 2], get: "orders/a", fallback: "${b}" } }),
			{ "/a": at(200) },
		],
		"a fallback in a group per item": [
			g({ a: { get: "orders/a", fallback: "${b}" } }, { each: [1, 2] }),
			{ "/a": at(200) },
		],
		"a group that is skipped": [
			{
				steps: {
					b,
					no: { get: "orders/no" },
					g: {
						when: "${no}",
						steps: { a: { get: "orders/a", query: { q: "${b ?? 0}" } } },
					},
				},
				respond: ["${g}"],
			},
			{ "/no": at(200, null) },
		],
		"a group of an empty list": [
			{
				steps: {
					b,
					list: { get: "orders/list" },
					g: {
						each: "${list}",
						steps: { a: { get: "orders/a", query: { q: "${b ?? 0}" } } },
					},
				},
				respond: ["${g}"],
			},
			{ "/list": at(200, []) },
		],
		"an unread step of a group": [
			g(
				{
					a: { get: "orders/a", fallback: "${c}" },
					c: { get: "orders/c", query: { q: "${b ?? 0}" } },
				},
				{ value: "${a}" },
			),
			{ "/a": at(200), "/c": at(700) },
		],
		"a list that is dropped half-way": [
			{
				steps: {
					many: {
						each: [1, 2],
						parallel: 1,
						get: "users/many/${index}",
						optional: true,
					},
					g: { steps: { a: { get: "orders/a", fallback: "${many}" } } },
				},
				respond: "${g}",
			},
			{ "/a": at(200), "/many/0": failsAt(100), "/many/1": at(300) },
		],
	};
	for (const [what, [route, replies]] of Object.entries(cases)) {
		it(`does not name what ${what} has not read`, async () => {
			const marks = await marksOf(route, replies as Record<string, object>);
			assert.deepEqual(marks, [whole, whole]);
		});
	}

	it("names what a group has read in its steps, later or in its value", async () => {
		const named = ["?0", "b;error=upstream_status"];
		const reading = [
			g({ a: { get: "orders/a", query: { q: "${b ?? 0}" } } }),
			g({ a: { get: "orders/a", pick: ["${b}"] } }),
			g({ a: { get: "orders/a" } }, { value: ["${a}", "${b}"] }),
			g({ h: { steps: { a: { get: "orders/a", pick: ["${b}"] } } } }),
			g({ a: { each: [1], get: "orders/a", pick: ["${b}"] } }),
		];
		for (const route of reading) {
			assert.deepEqual(await marksOf(route, { "/a": at(200) }), [named, named]);
		}
	});

	it("names what the step has read that failed a group, and nothing of its other steps", async () => {
		const failed = "upstream_status";
		const more = { optional: true };
		const noted = async (steps: object, replies: object) => {
			const marks = await marksOf(
				{
					steps: {
						b,
						c: { get: "users/c", optional: true },
						g: { steps, ...more },
					},
					respond: ["${g}"],
				},
				{ "/c": failsAt(100), "/a": at(500), ...replies },
			);
			assert.deepEqual(marks[0], marks[1]);
			return marks[0]?.[1]?.split(", ");
		};
		// `a` waits for `b` first: until then `d` has failed the group, or has not.
		assert.deepEqual(
			await noted(
				{
					a: { get: "orders/a", query: { q: "${b ?? 0}" } },
					d: { get: "orders/d", pick: "${c + 1}" },
				},
				{ "/d": at(200) },
			),
			[`c;error=${failed}`, "g;error=reference_missing"],
		);
		// The first item has read `b`, or still waits for it, when the second fails.
		const item = {
			get: "orders/a/${index}",
			answers: { 404: "${b}" },
			pick: "${c + 1}",
		};
		assert.deepEqual(
			await noted(
				{ a: { each: [0, 1], ...item } },
				{ "/a/0": { status: 404 }, "/a/1": at(200) },
			),
			[`c;error=${failed}`, "g;error=reference_missing"],
		);
	});
});
