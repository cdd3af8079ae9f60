import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import fc from "fast-check";
import { type ErrorCode, GatewayError } from "../../src/core/errors.ts";
import type { StreamHead } from "../../src/core/http/messages.ts";
import { type BreakerOptions, breaker } from "../../src/policy/breaker.ts";
import type { Call, Guard } from "../../src/policy/policy.ts";
import {
	type PromisedCall,
	promised,
	promisedStream,
	toldStream,
} from "../../src/policy/promised.ts";
import {
	type Outcome,
	openScope,
	outcomeOf,
	type Scope,
	virtualClock,
} from "../../src/tasks/index.ts";
import {
	answer,
	codeOf,
	contextOf,
	fault,
	played,
	policySetting,
	reply,
	requestOf,
	streamRequestOf,
} from "../kit/policy.ts";
import { conforms } from "./conformance.ts";

const options: BreakerOptions = {
	errorRate: 0.5,
	windowMs: 10_000,
	calls: 20,
	probeEveryMs: 2000,
};

conforms("breaker", (clock) => breaker(options, contextOf(clock)).call);

conforms(
	"breaker of one call",
	() =>
		breaker({ ...options, calls: 1, errorRate: 1 }, contextOf(virtualClock()))
			.call,
);

let setting = policySetting("breaker");
let { clock, scope, told, begun } = setting;
let guard: Guard;
let call: PromisedCall;

/** A breaker that has seen nothing yet. */
function make(changes: Partial<BreakerOptions> = {}): void {
	setting = policySetting("breaker");
	({ clock, scope, told, begun } = setting);
	guard = breaker({ ...options, ...changes }, setting.context);
	call = promised(guard.call(setting.next));
}

beforeEach(() => make());

afterEach(() => setting.assertNothingLeft());

/** Begins a call; whoever wants to say how it ends has the last of `begun`. */
function begin(inside: Scope = scope): Promise<Outcome<unknown>> {
	return outcomeOf(call(requestOf(), inside));
}

async function succeed(times = 1, status = 200): Promise<void> {
	for (let time = 0; time < times; time++) {
		const outcome = begin();
		begun.at(-1)?.resolve(reply(status));
		assert.equal((await outcome).ok, true);
	}
}

async function fail(
	times = 1,
	code: ErrorCode = "upstream_timeout",
): Promise<void> {
	for (let time = 0; time < times; time++) {
		const outcome = begin();
		begun.at(-1)?.reject(fault(code));
		assert.equal(codeOf(await outcome), code);
	}
}

/** Whether a call is let through; it is then ended without saying anything. */
async function lets(): Promise<boolean> {
	const before = begun.length;
	const inside = openScope({ clock });
	const outcome = begin(inside);
	await clock.advance(0);
	inside.cancel(new Error("looked"));
	await outcome;
	return begun.length > before;
}

describe("closed", () => {
	test("opens at the 20th call where half of them failed, and not at the 19th", async () => {
		await succeed(9);
		await fail(10);
		assert.equal(await lets(), true);
		await fail(1);
		assert.equal(await lets(), false);
		assert.deepEqual(told, [
			"opened: upstream_timeout",
			"refused: breaker_open",
		]);
	});

	test("opens at its error rate, and not below", async () => {
		await succeed(11);
		await fail(10);
		assert.equal(await lets(), true);
		await fail(1);
		assert.equal(await lets(), false);
	});

	test("opens of few calls only where it may", async () => {
		make({ calls: 1, errorRate: 1 });
		await fail(1);
		assert.equal(await lets(), false);
	});

	test("holds 5xx, timeouts, unreachable and invalid for failures", async () => {
		for (const code of [
			"upstream_timeout",
			"upstream_unreachable",
			"upstream_invalid",
		] as const) {
			make();
			await fail(20, code);
			assert.equal(await lets(), false, code);
		}
		for (const status of [500, 503, 599]) {
			make();
			await succeed(20, status);
			assert.equal(await lets(), false, String(status));
			assert.equal(told[0], "opened: upstream_status");
		}
	});

	test("holds a client's mistakes for no failures", async () => {
		for (const status of [400, 404, 429, 499]) await succeed(20, status);
		assert.equal(await lets(), true);
	});

	test("counts neither way what was refused by us, or is a bug of ours", async () => {
		for (const code of [
			"limiter_full",
			"gateway_draining",
			"client_closed",
			"request_invalid",
			"internal",
		] as const) {
			await fail(30, code);
		}
		const outcome = begin();
		begun.at(-1)?.reject(new TypeError("a bug"));
		assert.equal((await outcome).ok, false);
		assert.equal(await lets(), true);
		// Nor as successes: the next twenty failures are all there is.
		await fail(19);
		assert.equal(await lets(), true);
		await fail(1);
		assert.equal(await lets(), false);
	});

	test("counts neither way what was cut from outside, whatever it ends with", async () => {
		for (let time = 0; time < 30; time++) {
			const inside = openScope({ clock });
			const outcome = begin(inside);
			// As where the route's deadline comes before the timeout.
			inside.cancel(fault("deadline_exceeded"));
			assert.equal(codeOf(await outcome), "deadline_exceeded");
		}
		const late = played(async (_request, inside) => {
			inside.cancel(fault("deadline_exceeded"));
			throw fault("upstream_timeout");
		});
		for (let time = 0; time < 30; time++) {
			await outcomeOf(
				promised(guard.call(late))(requestOf(), openScope({ clock })),
			);
		}
		assert.equal(await lets(), true);
		await fail(19);
		assert.equal(await lets(), true);
	});

	test("forgets what is longer ago than its window", async () => {
		await fail(19);
		await clock.advance(10_000);
		await fail(1);
		assert.equal(await lets(), true);
	});

	test("remembers what is nine tenths of its window ago", async () => {
		await fail(19);
		await clock.advance(9000);
		await fail(1);
		assert.equal(await lets(), false);
	});

	test("counts as if it looked at each call of the window", async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.array(
					fc.record({
						good: fc.boolean(),
						afterMs: fc.integer({ min: 0, max: 25 }),
					}),
					{ maxLength: 60 },
				),
				async (calls) => {
					make({ windowMs: 100, calls: 5, errorRate: 0.6 });
					const seen: { bucket: number; good: boolean }[] = [];
					for (const { good, afterMs } of calls) {
						await clock.advance(afterMs);
						const bucket = Math.floor(clock.now() / 10);
						seen.push({ bucket, good });
						const counted = seen.filter((one) => one.bucket > bucket - 10);
						const bad = counted.filter((one) => !one.good).length;
						if (good) await succeed();
						else await fail();
						const open =
							!good && counted.length >= 5 && bad >= 0.6 * counted.length;
						assert.equal(told.length > 0, open);
						if (open) return;
					}
				},
			),
			{ numRuns: 300 },
		);
	});
});

describe("open", () => {
	beforeEach(() => fail(20));

	test("refuses at once, and says when to ask again", async () => {
		await clock.advance(500);
		const outcome = await begin();
		assert.equal(codeOf(outcome), "breaker_open");
		assert.ok(!outcome.ok && outcome.error instanceof GatewayError);
		assert.equal(outcome.error.facts.upstream, "weather");
		assert.equal(outcome.error.facts.retryAfterMs, 1500);
		assert.equal(clock.now(), 500);
	});

	test("lets one call try when it is time, and not before", async () => {
		await clock.advance(1999);
		assert.equal(await lets(), false);
		await clock.advance(1);
		const probe = begin();
		assert.equal(await lets(), false);
		assert.equal(await lets(), false);
		begun.at(-1)?.resolve(answer);
		assert.equal((await probe).ok, true);
		assert.equal(await lets(), true);
		assert.equal(told.at(-1), "closed");
	});

	test("stays open where the probe fails, until the next one", async () => {
		await clock.advance(2000);
		await fail(1);
		assert.equal(told.at(-1), "stays_open: upstream_timeout");
		assert.equal(await lets(), false);
		await clock.advance(1999);
		assert.equal(await lets(), false);
		await clock.advance(1);
		await succeed(1);
		assert.equal(await lets(), true);
	});

	test("counts the pause from when the probe began, so that a slow one delays nothing", async () => {
		await clock.advance(2000);
		const probe = begin();
		await clock.advance(2000);
		begun.at(-1)?.reject(fault("upstream_timeout"));
		await probe;
		assert.equal(await lets(), true);
	});

	test("begins anew when it closes: what was before is forgotten", async () => {
		await clock.advance(2000);
		await succeed(1);
		await fail(19);
		assert.equal(await lets(), true);
		await fail(1);
		assert.equal(await lets(), false);
	});

	for (const [how, error] of [
		["cancelled", null],
		["refused by the limiter", fault("limiter_full")],
		["stopped by a bug", new TypeError("a bug")],
	] as const) {
		test(`gives the place of a probe back that was ${how}: the next call is the probe`, async () => {
			await clock.advance(2000);
			const inside = openScope({ clock });
			const probe = begin(inside);
			if (error === null) inside.cancel(new Error("left"));
			else begun.at(-1)?.reject(error);
			assert.equal((await probe).ok, false);
			await succeed(1);
			assert.equal(told.at(-1), "closed");
		});
	}

	test("gives the place of a probe back that failed before there was a promise", async () => {
		await clock.advance(2000);
		const throws: Call = () => {
			throw new TypeError("a bug");
		};
		const outcome = outcomeOf(promised(guard.call(throws))(requestOf(), scope));
		assert.equal((await outcome).ok, false);
		assert.equal(await lets(), true);
	});
});

test("takes no notice of the end of a call that began before it opened", async () => {
	const late = begin();
	const [first] = begun;
	await fail(20);
	await clock.advance(2000);
	await succeed(1);
	await fail(19);
	first?.reject(fault("upstream_timeout"));
	await late;
	assert.equal(await lets(), true);
});

test("takes no notice of the end of a call that began before, while it is open: the probe comes when it is due", async () => {
	const late = begin();
	const [first] = begun;
	await fail(20);
	await clock.advance(1000);
	first?.reject(fault("upstream_timeout"));
	await late;
	assert.deepEqual(told, ["opened: upstream_timeout"]);
	await clock.advance(1000);
	await succeed(1);
	assert.equal(told.at(-1), "closed");
});

describe("of streams", () => {
	/** A stream whose test says when its head comes and how it ends. */
	function stream(inside: Scope = scope) {
		let onHead = (_head: StreamHead): void => assert.fail();
		const end = Promise.withResolvers<void>();
		const heads: number[] = [];
		const outcome = outcomeOf(
			promisedStream(
				guard.stream(
					toldStream((request) => {
						onHead = request.onHead;
						return end.promise;
					}),
				),
			)(
				streamRequestOf({ onHead: ({ status }) => heads.push(status) }),
				inside,
			),
		);
		const body = Object.assign((async function* () {})(), { length: null });
		return {
			...end,
			outcome,
			heads,
			head: (status: number) => onHead({ status, headers: [], body }),
		};
	}

	test("counts them with the calls, by the status of their heads", async () => {
		await fail(19);
		const one = stream();
		one.head(503);
		assert.deepEqual(one.heads, [503]);
		assert.equal(await lets(), false);
		one.resolve();
		assert.equal((await one.outcome).ok, true);
	});

	test("counts one that breaks off as failed, though its head was well", async () => {
		await fail(19);
		const one = stream();
		one.head(200);
		assert.equal(await lets(), true);
		one.reject(fault("upstream_invalid"));
		await one.outcome;
		assert.equal(await lets(), false);
	});

	test("closes at the head of the probe, however long its body takes", async () => {
		await fail(20);
		await clock.advance(2000);
		const probe = stream();
		assert.equal(await lets(), false);
		probe.head(200);
		assert.equal(await lets(), true);
		probe.resolve();
		await probe.outcome;
		assert.equal(await lets(), true);
	});

	test("refuses them while it is open", async () => {
		await fail(20);
		assert.equal(codeOf(await stream().outcome), "breaker_open");
	});
});
