import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type TestGateway, testRoute } from "../kit/gateway.ts";
import { type TestWatcher, watch } from "../kit/watch.ts";

const everyMs = 1_000;

const names = ["a", "b", "c"] as const;

/** What an upstream answers; undefined for a failure. */
const answers = [
	...[
		undefined,
		null,
		1,
		"text",
		[],
		{},
		{ k: null },
		{ k: 1 },
		{ k: 2, n: [1] },
	],
	...[{ k: { m: null } }, { k: { m: 2 } }, "x".repeat(50)],
];

const step = fc.constantFrom(
	{},
	{ optional: true },
	{ fallback: "none" },
	{ fallback: { k: 9 } },
);

const member = fc.constantFrom(
	..."${a} ${b} ${c} ${a.k} ${b.k.m} ${c.n} ${a===b}".split(" "),
);

const respond = fc.oneof(
	fc.dictionary(fc.constantFrom("p", "q", "r?", "s"), member, { minKeys: 1 }),
	fc.array(member, { minLength: 1, maxLength: 3 }),
	fc.record({
		deep: fc.record({ p: member, q: member }),
		long: fc.constant("y".repeat(40)),
	}),
	member,
);

const route = fc.record({
	steps: fc.tuple(step, step, step),
	respond,
	diff: fc.boolean(),
	/** Whether there is no answer if `a` is null. */
	replies: fc.boolean(),
});

/** What each client does in each round. */
const acts = fc.array(
	fc.array(
		fc.constantFrom("stay", "stay", "join", "leave", "pause", "resume"),
		{
			minLength: 6,
			maxLength: 6,
		},
	),
	{ minLength: 1, maxLength: 4 },
);

const rounds = fc.array(
	fc.tuple(...names.map(() => fc.nat(answers.length - 1))),
	{ minLength: 6, maxLength: 6 },
);

type Route = typeof route extends fc.Arbitrary<infer T> ? T : never;

function gatewayOf(
	{ steps, respond, diff, replies }: Route,
	answerAt: (name: string, ms: number) => unknown,
): TestGateway {
	const kit: TestGateway = testRoute(
		{
			live: { every: `${everyMs}ms`, diff },
			steps: {
				...Object.fromEntries(
					names.map((name, at) => [
						name,
						{ get: `users/${name}`, ...steps[at] },
					]),
				),
				...(replies && {
					none: { when: "${a === null}", reply: { status: 404, body: "none" } },
				}),
			},
			// So that each step is read.
			respond: {
				out: respond,
				count: "${[a, b, c].filter((one) => one === 1).length}",
				text: "y".repeat(60),
			},
		},
		({ request }) => {
			const value = answerAt(request.target.slice(1), kit.clock.now());
			return value === undefined ? { status: 500 } : { json: value };
		},
	);
	return kit;
}

describe("any live route", () => {
	it("shows all who watch what it answers at that moment, or says that it cannot", async () => {
		let compared = 0;
		let patched = 0;
		await fc.assert(
			fc.asyncProperty(route, rounds, acts, async (drawn, values, acts) => {
				const kit = gatewayOf(drawn, (name, ms) => {
					const round = values[Math.floor(ms / everyMs)] ?? values[0];
					return answers[round?.[names.indexOf(name as "a")] ?? 0];
				});
				const watchers: (TestWatcher | null)[] = acts.map(() => null);
				const paused = new Set<TestWatcher>();
				let clients: TestWatcher[] = [];
				for (let round = 0; round < values.length; round++) {
					for (const [at, act] of acts.map((one) => one[round]).entries()) {
						const one = watchers[at] ?? null;
						if (act === "join" && one === null) {
							const joined = watch(kit, "/x");
							watchers[at] = joined;
							clients.push(joined);
						} else if (act === "leave" && one !== null) {
							one.leave();
							one.resume();
							watchers[at] = null;
						} else if (act === "pause" && one !== null) {
							one.pause();
							paused.add(one);
						} else if (act === "resume" && one !== null) {
							one.resume();
							paused.delete(one);
						}
					}
					await kit.clock.advance(0);
					const plain = watch(kit, "/x", { headers: [] });
					await kit.clock.advance(0);
					for (const [at, one] of watchers.entries()) {
						if (one === null) continue;
						if (paused.has(one)) {
							// It had asked for one more before it stopped.
							if (one.kinds.at(-1) !== "end") continue;
							one.resume();
							watchers[at] = null;
							continue;
						}
						compared++;
						assertSame(one, plain);
						if (one.over) watchers[at] = null;
					}
					clients = clients.filter(({ over }) => !over);
					await kit.clock.advance(everyMs);
				}
				patched += watchers.filter((one) =>
					one?.kinds.includes("patch"),
				).length;
				for (const one of clients) {
					one.leave();
					one.resume();
				}
				await kit.clock.advance(60_000);
				kit.assertNothingLeft();
				assert.equal(kit.gateway.memory.held, 0);
				const starts = kit.calls.map(({ startedMs }) => startedMs);
				assert.ok(starts.every((ms) => ms % everyMs === 0));
			}),
			{ numRuns: 300 },
		);
		assert.ok(compared > 500, `${compared} were compared`);
		assert.ok(patched > 10, `${patched} were sent a patch`);
	});
});

function assertSame(one: TestWatcher, plain: TestWatcher): void {
	const { status } = plain;
	if (one.status !== 200) {
		// It was the first, and there is no stream.
		assert.equal(one.status, status);
		assert.deepEqual(
			(one.json as { code?: string }).code,
			(plain.json as { code?: string }).code,
		);
		return;
	}
	const last = one.events.at(-1);
	if (status === 404) {
		assert.deepEqual(last?.data, { reason: "status", status: 404 });
		assert.ok(one.over);
		return;
	}
	if (status !== 200) {
		assert.equal(one.stale, true);
		return;
	}
	assert.equal(one.stale, false);
	assert.deepEqual(one.value, plain.json);
	assert.equal(last?.id, plain.header("etag"));
	const at = one.events.findLastIndex(
		({ event }) => event === "answer" || event === "patch",
	);
	const next = one.events[at + 1];
	const complete = plain.header("sluice-complete") === "?1";
	const isMissing = next?.event === "missing";
	assert.equal(isMissing, !complete);
}
