import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { GatewayError } from "../../src/core/errors.ts";
import { createEvents } from "../../src/core/events.ts";
import { promised } from "../../src/policy/promised.ts";
import {
	openScope,
	type VirtualClock,
	virtualClock,
} from "../../src/tasks/index.ts";
import {
	createUpstream,
	type Upstream,
	type UpstreamSettings,
} from "../../src/upstream/upstream.ts";
import { answer, played, requestOf, sentBy } from "../kit/policy.ts";
import { repeatableRandom } from "../kit/random.ts";

const ratio = 0.2;
const perSecond = 0.5;

/** Any mix of policies. Retry and hedge never stand together. */
const mixes: fc.Arbitrary<Partial<UpstreamSettings>> = fc
	.record({
		again: fc.constantFrom("no", "retry", "hedge"),
		coalesce: fc.boolean(),
		cache: fc.boolean(),
		breaker: fc.boolean(),
		limiter: fc.constantFrom(null, "fixed", "adaptive"),
		urls: fc.integer({ min: 1, max: 3 }),
		connections: fc.integer({ min: 1, max: 4 }),
	})
	.map(({ again, limiter, cache, coalesce, breaker, urls, connections }) => ({
		origins: Array.from({ length: urls }, (_, at) => `http://u${at}.test`),
		connections,
		coalesce,
		cache: cache
			? {
					forMs: 500,
					staleMs: 1000,
					ifErrorMs: 1000,
					bytesMax: 10_000,
					entriesMax: 10,
					answerBytesMax: 1000,
				}
			: null,
		retry:
			again === "retry" ? { attempts: 3, waitMs: 50, waitMsMax: 1000 } : null,
		hedge: again === "hedge" ? { percentile: 90, calls: 5 } : null,
		budget: again === "no" ? null : { ratio, perSecond },
		breaker: breaker
			? { errorRate: 0.5, windowMs: 1000, calls: 2, probeEveryMs: 100 }
			: null,
		limiter:
			limiter === null
				? null
				: {
						concurrent: null,
						waiting: limiter === "fixed" ? 2 : null,
						adaptive: limiter === "adaptive",
					},
	}));

/** What the upstream does with an attempt. */
interface Behaviour {
	readonly afterMs: number;
	readonly does: "200" | "404" | "429" | "503" | "reset" | "lies" | "hangs";
	readonly retryAfter: number | null;
}

const behaviours: fc.Arbitrary<Behaviour> = fc.record({
	afterMs: fc.integer({ min: 0, max: 400 }),
	does: fc.constantFrom(
		"200",
		"200",
		"404",
		"429",
		"503",
		"reset",
		"lies",
		"hangs",
	),
	retryAfter: fc.option(fc.integer({ min: 0, max: 2 })),
});

/** Mostly anything; often one that fails in every way that is tried again. */
const scripts = fc.oneof(
	fc.array(behaviours, { minLength: 1, maxLength: 20 }),
	fc.array(
		fc.record({
			afterMs: fc.integer({ min: 0, max: 60 }),
			does: fc.constantFrom<Behaviour["does"]>("503", "reset", "hangs"),
			retryAfter: fc.constant(null),
		}),
		{ minLength: 1, maxLength: 3 },
	),
);

interface Asked {
	readonly afterMs: number;
	readonly deadlineMs: number;
	readonly leavesMs: number | null;
	readonly safe: boolean;
	readonly idempotent: boolean;
	readonly target: string;
}

const asks: fc.Arbitrary<Asked> = fc.record({
	afterMs: fc.integer({ min: 0, max: 150 }),
	deadlineMs: fc.integer({ min: 1, max: 1500 }),
	leavesMs: fc.option(fc.integer({ min: 0, max: 500 }), { freq: 1 }),
	safe: fc.boolean(),
	idempotent: fc.boolean(),
	target: fc.constantFrom("/a", "/b"),
});

/** An upstream that does one thing after another, and how many attempts it has now. */
function playing(script: readonly Behaviour[]) {
	const wire = { attempts: 0, running: 0, script };
	const call = played((_request, scope) => {
		const { script } = wire;
		const drawn = script[wire.attempts++ % script.length];
		const { afterMs = 0, does = "200", retryAfter = null } = drawn ?? {};
		wire.running++;
		return new Promise((resolve, reject) => {
			const end = (finish: () => void) => {
				timer?.cancel();
				stop();
				wire.running--;
				finish();
			};
			const fail = (code: "upstream_unreachable" | "upstream_invalid") =>
				reject(new GatewayError(code, does, { upstream: "up" }));
			const timer =
				does === "hangs"
					? null
					: scope.clock.after(afterMs, () =>
							end(() => {
								if (does === "reset") return fail("upstream_unreachable");
								if (does === "lies") return fail("upstream_invalid");
								const headers =
									retryAfter === null ? [] : ["retry-after", `${retryAfter}`];
								resolve({ ...answer, status: Number(does), headers });
							}),
						);
			let stop = () => {};
			if (scope.cancelled) end(() => reject(scope.reason as Error));
			else
				stop = scope.onCancel((reason) => end(() => reject(reason as Error)));
		});
	});
	return { wire, call };
}

test("whatever policies stand together and whatever the upstream does: one end per call, in time, within the budget, and nothing is left", async () => {
	await fc.assert(
		fc.asyncProperty(
			mixes,
			scripts,
			fc.array(asks, { minLength: 10, maxLength: 30 }),
			async (mix, script, calls) => {
				const clock = virtualClock();
				const { wire, call } = playing(script);
				const events = createEvents();
				let extra = 0;
				events.policyDecided.push(({ decision }) => {
					if (decision === "attempt") extra++;
				});
				const upstream = createUpstream(
					{
						name: "up",
						origins: ["http://up.test"],
						connections: 2,
						streams: 2,
						bodyBytesMax: 1000,
						tls: null,
						coalesce: false,
						...mix,
					},
					{ clock, events, random: repeatableRandom() },
					() => ({
						send: sentBy(call, clock),
						stream: () => Promise.reject(new Error("no streams here")),
						state: () => ({ connections: 0, idle: 0 }),
						close: async () => {},
					}),
				);
				const ended: Promise<void>[] = [];
				let inFlight = 0;
				const scopes = [];
				for (const one of calls) {
					await clock.advance(one.afterMs);
					const deadline = clock.now() + one.deadlineMs;
					const scope = openScope({
						clock,
						deadline,
						deadlineReason: () => new GatewayError("deadline_exceeded", "late"),
					});
					scopes.push(scope);
					const leaving =
						one.leavesMs === null
							? null
							: clock.after(one.leavesMs, () =>
									scope.cancel(new GatewayError("client_closed", "left")),
								);
					let ends = 0;
					const end = async () => {
						ends++;
						assert.equal(ends, 1);
						assert.ok(clock.now() <= deadline, "ended after its deadline");
						leaving?.cancel();
						scope.close();
						inFlight--;
						// Whoever leaves a shared call knows it before that has ended: in the same turn, some promises later.
						for (let hop = 0; hop < 20; hop++) await null;
						// What asks anew for what was served stale outlives the call on purpose.
						if (inFlight > 0 || mix.cache) return;
						assert.equal(wire.running, 0, "an attempt outlives its call");
						assert.equal(clock.pending, 0, "a timer outlives its call");
					};
					const { safe, target } = one;
					const idempotent = safe || one.idempotent;
					const method = idempotent ? "GET" : "POST";
					const request = requestOf({
						method,
						target,
						safe,
						idempotent,
						timeoutMs: 300,
					});
					inFlight++;
					ended.push(promised(upstream.call)(request, scope).then(end, end));
				}
				await clock.settle();
				await Promise.all(ended);
				// What is served stale may be asked for anew behind its back.
				const calledMost = calls.length * (mix.cache ? 2 : 1);
				assert.ok(wire.attempts <= calledMost + extra);
				assert.ok(
					extra <=
						ratio * calls.length + perSecond * (1 + clock.now() / 1000) + 1e-6,
					`${extra} extra attempts`,
				);
				assert.equal(wire.running, 0, "an attempt still runs");
				assert.equal(clock.pending, 0, "a timer is left");
				for (const scope of scopes) {
					assert.equal(scope.listeners, 0, "a listener is left");
				}
				assert.equal(upstream.scope.listeners, 0, "a shared call is left");
				wire.script = [{ afterMs: 10, does: "200", retryAfter: null }];
				await assertWellAgain(upstream, clock, wire, mix);
			},
		),
		{ numRuns: 400 },
	);
});

/** Every slot and the probe's place was given back: one call goes well, then as many at once as may run. */
async function assertWellAgain(
	{ call }: Upstream,
	clock: VirtualClock,
	wire: { readonly running: number },
	{ connections = 0, limiter }: Partial<UpstreamSettings>,
): Promise<void> {
	const write = requestOf({ method: "POST", timeoutMs: 300 });
	const send = () => promised(call)(write, openScope({ clock }));
	await clock.advance(500);
	const probe = send();
	await clock.settle();
	assert.equal((await probe).status, 200, "the probe's place is taken");
	const crowd = Array.from({ length: connections }, send);
	await clock.advance(0);
	if (limiter?.adaptive) assert.ok(wire.running >= 1);
	else assert.equal(wire.running, connections, "a slot is taken");
	await clock.settle();
	for (const { status } of await Promise.all(crowd)) assert.equal(status, 200);
}
