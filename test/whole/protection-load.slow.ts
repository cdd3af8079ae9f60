import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
	type Answer,
	type Behaviour,
	hanging,
	type TestGateway,
	testGateway,
} from "../kit/gateway.ts";
import { repeatableRandom } from "../kit/random.ts";

/** What clients saw of a stretch of load, on the virtual clock. */
interface Seen {
	readonly sentMs: number;
	readonly answer: Answer;
}

/** Sends requests at this rate for so long, and waits for all answers. */
async function load(
	{ send, clock }: TestGateway,
	target: string | (() => string),
	{ perSecond, forMs }: { perSecond: number; forMs: number },
): Promise<Seen[]> {
	const endMs = clock.now() + forMs;
	const random = repeatableRandom();
	const seen: Promise<Seen>[] = [];
	let nextMs = clock.now();
	while (nextMs < endMs) {
		await clock.advance(nextMs - clock.now());
		const sentMs = clock.now();
		const sent = send(typeof target === "string" ? target : target());
		seen.push(sent.answer.then((answer) => ({ sentMs, answer })));
		// As independent clients come: in bunches and gaps.
		nextMs += (-Math.log(1 - random()) * 1000) / perSecond;
	}
	await clock.settle();
	return Promise.all(seen);
}

const isGood = ({ answer }: Seen) => answer.status === 200;

function percentile(seen: readonly Seen[], share: number): number {
	const took = seen.map(({ sentMs, answer }) => answer.atMs - sentMs);
	took.sort((a, b) => a - b);
	return took[Math.floor(took.length * share)] ?? 0;
}

describe("an upstream of five workers that take 50 ms a call, and work off what nobody waits for any more", () => {
	const capacity = 100;
	const forMs = 7500;
	/** By then the queues are as long as they will be. */
	const fromMs = 4500;

	/** When each worker has done all that was sent to it. */
	function fiveWorkers(): Behaviour {
		const free = new Array<number>(5).fill(0);
		return ({ startedMs }) => {
			const earliest = free.indexOf(Math.min(...free));
			const doneMs = Math.max(free[earliest] ?? 0, startedMs) + 50;
			free[earliest] = doneMs;
			return { json: 1, afterMs: doneMs - startedMs };
		};
	}

	/** The share of what it can carry that comes out as good answers, once the load has lasted. */
	async function offered(times: number, upstream: object) {
		const all = testGateway(
			{
				upstreams: {
					up: { url: "http://up.test", timeout: "1s", ...upstream },
				},
				routes: {
					"GET /x": { deadline: "2s", steps: { it: { get: "up/x" } } },
				},
			},
			fiveWorkers(),
		);
		const perSecond = capacity * times;
		const seen = await load(all, "/x", { perSecond, forMs });
		const good = seen.filter(
			(one) =>
				isGood(one) && one.answer.atMs > fromMs && one.answer.atMs <= forMs,
		);
		const refused = seen.filter(({ answer }) => answer.code === "limiter_full");
		return {
			seen,
			good: good.length / ((capacity * (forMs - fromMs)) / 1000),
			p99: percentile(good, 0.99),
			refused,
		};
	}

	for (const times of [2, 5]) {
		test(`offered ${times} times what it carries: at least 90 % comes out with an adaptive limiter, and next to nothing without`, async (context) => {
			const { good, refused, seen, p99 } = await offered(times, {
				limiter: true,
			});
			assert.ok(good >= 0.9, `${good}`);
			for (const { sentMs, answer } of refused) {
				assert.ok(answer.atMs - sentMs <= 100);
				assert.equal(answer.status, 503);
				assert.equal(answer.header("retry-after"), "1");
			}
			const neither = seen.filter(
				(one) => !isGood(one) && !refused.includes(one),
			);
			assert.ok(neither.length < seen.length / 50, `${neither.length}`);
			const without = await offered(times, {});
			assert.ok(without.good < 0.25, `${without.good}`);
			const words = (share: number) => `${Math.round(share * 100)} %`;
			context.diagnostic(
				`with it ${words(good)} of the capacity, p99 ${Math.round(p99)} ms; without ${words(without.good)}, p99 ${Math.round(without.p99)} ms`,
			);
		});
	}

	test("offered seven tenths of what it carries, an adaptive limiter refuses nobody", async () => {
		const { refused, seen } = await offered(0.7, { limiter: true });
		assert.equal(refused.length, 0);
		assert.ok(seen.every(isGood));
	});
});

test("an upstream goes dark under 500 requests a second: the breaker opens, other routes are untouched, extra calls stay within the budget, and it is back within two probe intervals", async () => {
	let dark = false;
	const all = testGateway(
		{
			upstreams: {
				users: {
					url: "http://users.test",
					timeout: "500ms",
					retry: true,
					breaker: { window: "2s", probeEvery: "2s" },
				},
				orders: { url: "http://orders.test" },
			},
			routes: {
				"GET /user": { deadline: "2s", steps: { it: { get: "users/7" } } },
				"GET /order": { steps: { it: { get: "orders/7" } } },
			},
		},
		({ upstream }) =>
			upstream === "users" && dark ? hanging : { json: 1, afterMs: 10 },
	);
	const { clock, calls } = all;
	const decided: { atMs: number; what: string }[] = [];
	all.gateway.events.policyDecided.push(({ policy, decision }) => {
		decided.push({ atMs: clock.now(), what: `${policy} ${decision}` });
	});
	const whenFirst = (what: string) =>
		decided.find((one) => one.what === what)?.atMs ?? Number.NaN;
	clock.after(3000, () => {
		dark = true;
	});
	clock.after(10_000, () => {
		dark = false;
	});
	let turn = 0;
	const seen = await load(all, () => (turn++ % 2 === 0 ? "/user" : "/order"), {
		perSecond: 500,
		forMs: 16_000,
	});
	// Untouched: every order in its ten milliseconds, all the while.
	const orders = seen.filter((_, at) => at % 2 === 1);
	assert.ok(orders.every(isGood));
	assert.equal(Math.round(percentile(orders, 1 - 1e-9)), 10);
	// Open: from when half of two seconds' calls had failed.
	const openedMs = whenFirst("breaker opened");
	assert.ok(openedMs > 3500 && openedMs < 6500, `${openedMs}`);
	const users = seen.filter((_, at) => at % 2 === 0);
	const whileOpen = users.filter(
		({ sentMs }) => sentMs > openedMs + 500 && sentMs < 10_000,
	);
	const atOnce = whileOpen.filter(
		({ sentMs, answer }) =>
			answer.code === "breaker_open" && answer.atMs === sentMs,
	);
	// All but the probes.
	assert.ok(whileOpen.length - atOnce.length <= 4);
	// Back.
	const closedMs = whenFirst("breaker closed");
	assert.ok(closedMs > 10_000 && closedMs <= 14_000, `${closedMs}`);
	assert.ok(users.filter(({ sentMs }) => sentMs > closedMs).every(isGood));
	// Within the budget: of the calls a fifth, ten a second, and what it began with.
	const extra = decided.filter(({ what }) => what.startsWith("retry attempt"));
	assert.ok(extra.length > 0);
	assert.ok(extra.length <= 0.2 * users.length + 10 * (clock.now() / 1000 + 1));
	const toUsers = calls.filter(({ upstream }) => upstream === "users").length;
	assert.ok(toUsers <= users.length + extra.length);
});

test("3 % of the calls are 20 times as slow: hedging brings p99 down at least four times, for at most 8 % more calls", async (context) => {
	async function p99(upstream: object) {
		const random = repeatableRandom(7);
		const all = testGateway(
			{
				upstreams: { up: { url: "http://up.test", ...upstream } },
				routes: { "GET /x": { steps: { it: { get: "up/x" } } } },
			},
			() => {
				const usualMs = 15 + random() * 10;
				return { json: 1, afterMs: random() < 0.03 ? 20 * usualMs : usualMs };
			},
		);
		const seen = await load(all, "/x", { perSecond: 200, forMs: 20_000 });
		assert.ok(seen.every(isGood));
		const more = all.calls.length / seen.length - 1;
		return { ms: percentile(seen, 0.99), more };
	}
	const without = await p99({});
	const hedged = await p99({ hedge: true });
	assert.equal(without.more, 0);
	const words = `p99 ${Math.round(without.ms)} ms without, ${Math.round(hedged.ms)} ms with it; ${(hedged.more * 100).toFixed(1)} % more calls`;
	assert.ok(hedged.ms * 4 <= without.ms, words);
	assert.ok(hedged.more <= 0.08, words);
	context.diagnostic(words);
});

test("with two of three URLs good, the slow one gets under 5 % of the calls", async (context) => {
	const all = testGateway(
		{
			upstreams: {
				up: {
					urls: ["http://one.test", "http://two.test", "http://slow.test"],
				},
			},
			routes: { "GET /x": { steps: { it: { get: "up/x" } } } },
		},
		({ origin }) => ({
			json: 1,
			afterMs: origin === "http://slow.test" ? 400 : 20,
		}),
	);
	await load(all, "/x", { perSecond: 300, forMs: 20_000 });
	const slow = all.calls.filter(({ origin }) => origin === "http://slow.test");
	const share = slow.length / all.calls.length;
	assert.ok(share < 0.05, `${share}`);
	context.diagnostic(`${(share * 100).toFixed(1)} % of ${all.calls.length}`);
});

test("with one of three URLs gone, attempts go elsewhere and everybody is answered", async () => {
	const all = testGateway(
		{
			upstreams: {
				up: {
					urls: ["http://one.test", "http://two.test", "http://gone.test"],
					retry: true,
				},
			},
			routes: { "GET /x": { steps: { it: { get: "up/x" } } } },
		},
		({ origin }) =>
			origin === "http://gone.test"
				? { status: 502 }
				: { json: 1, afterMs: 20 },
	);
	const seen = await load(all, "/x", { perSecond: 100, forMs: 5000 });
	assert.ok(seen.every(isGood));
	const gone = all.calls.filter(({ origin }) => origin === "http://gone.test");
	assert.ok(gone.length > 0 && gone.length <= 5 + 1, `${gone.length}`);
});
