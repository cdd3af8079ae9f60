import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import fc from "fast-check";
import { type ErrorCode, errorTable } from "../../src/core/errors.ts";
import type { UpstreamRequest } from "../../src/core/http/messages.ts";
import { type Budget, createBudget } from "../../src/policy/budget.ts";
import { promised } from "../../src/policy/promised.ts";
import {
	longestCallMs,
	longestWaitMs,
	type RetryOptions,
	retry,
} from "../../src/policy/retry.ts";
import {
	type Outcome,
	openScope,
	outcomeOf,
	virtualClock,
} from "../../src/tasks/index.ts";
import {
	answer,
	codeOf,
	contextOf,
	endless,
	fault,
	played,
	policySetting,
	reply,
	requestOf,
} from "../kit/policy.ts";
import { conforms } from "./conformance.ts";

const options: RetryOptions = { attempts: 3, waitMs: 50, waitMsMax: 1000 };

conforms("retry", (clock) =>
	retry(options, { ...contextOf(clock), budget: endless, random: () => 0.5 }),
);

let setting = policySetting("retry");
let { clock, scope, told, begun } = setting;
let budget: Budget;
let random: () => number;

function renew(): void {
	setting = policySetting("retry");
	({ clock, scope, told, begun } = setting);
	budget = endless;
	random = () => 1;
}

beforeEach(renew);

afterEach(() => setting.assertNothingLeft(scope));

function begin(
	request: Partial<UpstreamRequest> = { idempotent: true },
	changes: Partial<RetryOptions> = {},
): Promise<Outcome<unknown>> {
	const context = { ...setting.context, budget, random };
	const call = promised(
		retry({ ...options, ...changes }, context)(setting.next),
	);
	return outcomeOf(call(requestOf(request), scope));
}

describe("what is tried again", () => {
	test("is an answer of 502, 503 or 504, and 429 if it says when to come back", async () => {
		for (const [status, ...headers] of [
			[429],
			[500],
			[501],
			[505],
			[408, "retry-after", "0"],
			[502],
			[503],
			[504],
			[429, "retry-after", "0"],
		] as const) {
			begun.length = 0;
			const call = begin();
			begun[0]?.resolve(reply(status, ...headers));
			await clock.advance(50);
			const again = status > 501 && status < 505;
			const asks = status === 429 && headers.length > 0;
			assert.equal(begun.length, again || asks ? 2 : 1, `${status}`);
			begun[1]?.resolve(answer);
			await call;
		}
	});

	test("is no connection and no answer in time, and no other failure", async () => {
		for (const code of Object.keys(errorTable) as ErrorCode[]) {
			begun.length = 0;
			const call = begin();
			begun[0]?.reject(fault(code));
			await clock.advance(50);
			const again =
				code === "upstream_unreachable" || code === "upstream_timeout";
			assert.equal(begun.length, again ? 2 : 1, code);
			begun[1]?.resolve(answer);
			await call;
		}
		begun.length = 0;
		const call = begin();
		begun[0]?.reject(new TypeError("a bug"));
		assert.equal((await call).ok, false);
		assert.equal(begun.length, 1);
	});

	test("is what may be sent twice, and only that", async () => {
		for (const request of [
			{ idempotent: true },
			{ safe: true },
			{ method: "POST", safe: true },
		] as const) {
			begun.length = 0;
			const call = begin(request);
			begun[0]?.reject(fault("upstream_unreachable"));
			await clock.advance(50);
			assert.equal(begun.length, 2);
			begun[1]?.resolve(answer);
			assert.equal((await call).ok, true);
		}
		begun.length = 0;
		const post = begin({ method: "POST" });
		begun[0]?.reject(fault("upstream_unreachable"));
		assert.equal(codeOf(await post), "upstream_unreachable");
		assert.equal(begun.length, 1);
	});

	test("is told where it was sent before, so that another URL can be chosen", async () => {
		const seen: (number[] | null)[] = [];
		const next = played(async (request) => {
			seen.push(request.tried && [...request.tried]);
			request.tried?.push(seen.length);
			throw fault("upstream_unreachable");
		});
		const call = promised(
			retry(options, { ...contextOf(clock), budget, random })(next),
		);
		const outcome = outcomeOf(call(requestOf({ idempotent: true }), scope));
		await clock.settle();
		await outcome;
		assert.deepEqual(seen, [[], [1], [1, 2]]);
	});
});

describe("waits", () => {
	test("as long as chance says, twice as long each time, up to a bound", async () => {
		random = () => 0.5;
		const call = begin(undefined, { attempts: 8 });
		const begins = [0];
		for (let attempt = 0; attempt < 7; attempt++) {
			const { length } = begun;
			begun.at(-1)?.reject(fault("upstream_unreachable"));
			while (begun.length === length) await clock.advance(1);
			begins.push(clock.now());
		}
		const waits = begins.slice(1).map((ms, at) => ms - (begins[at] ?? 0));
		assert.deepEqual(waits, [25, 50, 100, 200, 400, 500, 500]);
		begun.at(-1)?.reject(fault("upstream_unreachable"));
		assert.equal(codeOf(await call), "upstream_unreachable");
	});

	test("not at all where chance says so", async () => {
		random = () => 0;
		const call = begin();
		begun[0]?.reject(fault("upstream_unreachable"));
		await clock.advance(0);
		begun[1]?.resolve(answer);
		assert.equal((await call).ok, true);
		assert.equal(clock.now(), 0);
	});

	test("what the upstream asks for, and its own wait besides", async () => {
		for (const status of [429, 503]) {
			const startMs = clock.now();
			begun.length = 0;
			const call = begin({ idempotent: true, timeoutMs: 2000 });
			begun[0]?.resolve(reply(status, "retry-after", "2"));
			await clock.advance(2049);
			assert.equal(begun.length, 1);
			await clock.advance(1);
			begun[1]?.resolve(answer);
			assert.equal((await call).ok, true);
			assert.equal(clock.now() - startMs, 2050);
		}
	});

	test("until an instant, as the upstream's own clock has it", async () => {
		const call = begin({ idempotent: true, timeoutMs: 2000 });
		begun[0]?.resolve(
			reply(
				429,
				"Date",
				"Wed, 21 Oct 2015 07:28:00 GMT",
				"Retry-After",
				"Wed, 21 Oct 2015 07:28:01 GMT",
			),
		);
		await clock.advance(1049);
		assert.equal(begun.length, 1);
		await clock.advance(1);
		begun[1]?.resolve(answer);
		assert.equal((await call).ok, true);
	});

	test("for no instant without a clock to read it by, and for no nonsense", async () => {
		for (const value of [
			"Wed, 21 Oct 2015 07:28:01 GMT",
			"soon",
			"-1",
			"1.5",
		]) {
			begun.length = 0;
			const call = begin();
			begun[0]?.resolve(reply(429, "retry-after", value));
			const ended = await call;
			assert.ok(ended.ok);
			assert.equal(begun.length, 1);
		}
	});

	test("not longer than its attempts could have taken: then the answer stands as it is", async () => {
		// Three attempts of a second and waits of 50 and 100 ms; the next attempt needs a second of them.
		for (const [seconds, attempts] of [
			[2, 2],
			[3, 1],
		] as const) {
			begun.length = 0;
			const call = begin();
			await clock.advance(100);
			begun[0]?.resolve(reply(503, "retry-after", String(seconds)));
			await clock.settle();
			assert.equal(begun.length, attempts);
			begun[1]?.resolve(reply(503));
			const ended = await call;
			assert.ok(ended.ok);
		}
		assert.equal(told.at(-1), "no_time: upstream_status");
	});
});

describe("ends", () => {
	test("with the answer as soon as there is one", async () => {
		const call = begin();
		begun[0]?.reject(fault("upstream_unreachable"));
		await clock.advance(50);
		begun[1]?.resolve(reply(404));
		const ended = await call;
		assert.ok(ended.ok && (ended.value as { status: number }).status === 404);
		assert.equal(begun.length, 2);
		assert.deepEqual(told, ["attempt 2: upstream_unreachable"]);
	});

	test("after its attempts, with what the last of them said", async () => {
		for (const attempts of [2, 3, 4]) {
			begun.length = 0;
			const call = begin(undefined, { attempts });
			for (let attempt = 1; attempt < attempts; attempt++) {
				begun.at(-1)?.reject(fault("upstream_unreachable"));
				await clock.advance(longestWaitMs(attempt, options));
				assert.equal(begun.length, attempt + 1);
			}
			begun.at(-1)?.resolve(reply(503));
			const ended = await call;
			assert.ok(ended.ok && (ended.value as { status: number }).status === 503);
			assert.equal(begun.length, attempts);
		}
	});

	test("with what the upstream said last where we then refuse to ask it", async () => {
		for (const code of ["breaker_open", "limiter_full"] as const) {
			begun.length = 0;
			const call = begin();
			begun[0]?.resolve(reply(503));
			await clock.advance(50);
			begun[1]?.reject(fault(code));
			const ended = await call;
			assert.ok(ended.ok && (ended.value as { status: number }).status === 503);
			assert.equal(begun.length, 2);
		}
	});

	test("at once where we refuse to ask it at all", async () => {
		for (const code of ["breaker_open", "limiter_full"] as const) {
			begun.length = 0;
			const call = begin();
			begun[0]?.reject(fault(code));
			assert.equal(codeOf(await call), code);
		}
		assert.deepEqual(told, []);
	});

	test("with the reason where it is cancelled while it waits, and while it tries", async () => {
		const reason = new Error("left");
		for (const whileTrying of [false, true]) {
			scope = openScope({ clock });
			begun.length = 0;
			const call = begin();
			begun[0]?.reject(fault("upstream_unreachable"));
			await clock.advance(whileTrying ? 50 : 49);
			assert.equal(begun.length, whileTrying ? 2 : 1);
			scope.cancel(reason);
			assert.deepEqual(await call, { ok: false, error: reason });
			assert.equal(clock.pending, 0);
		}
	});

	test("with what an attempt ended with that was cut from outside, and tries no more", async () => {
		const call = begin();
		scope.cancel(fault("upstream_timeout"));
		assert.equal(codeOf(await call), "upstream_timeout");
		await clock.settle();
		assert.equal(begun.length, 1);
	});
});

describe("begins no attempt that cannot end in time", () => {
	test("where the wait ends at the deadline, or after it", async () => {
		for (const [deadline, attempts] of [
			[49, 1],
			[50, 1],
			[51, 2],
		] as const) {
			renew();
			scope = openScope({ clock, deadline });
			const call = begin();
			begun[0]?.reject(fault("upstream_unreachable"));
			await clock.advance(50);
			assert.equal(begun.length, attempts);
			begun[1]?.resolve(answer);
			await call;
			scope.close();
		}
	});

	test("where the last one took longer than there is", async () => {
		for (const [deadline, attempts] of [
			[2050, 1],
			[2051, 2],
		] as const) {
			renew();
			scope = openScope({ clock, deadline });
			const call = begin();
			await clock.advance(1000);
			begun[0]?.reject(fault("upstream_timeout"));
			await clock.advance(50);
			assert.equal(begun.length, attempts);
			begun[1]?.resolve(answer);
			const ended = await call;
			if (attempts === 1) assert.equal(codeOf(ended), "upstream_timeout");
			scope.close();
		}
	});
});

describe("within its budget", () => {
	test("tries once where it is empty", async () => {
		budget = createBudget({ ratio: 0, perSecond: 1 }, clock);
		const first = begin();
		begun[0]?.reject(fault("upstream_unreachable"));
		await clock.advance(50);
		begun[1]?.reject(fault("upstream_unreachable"));
		assert.equal(codeOf(await first), "upstream_unreachable");
		assert.deepEqual(told, [
			"attempt 2: upstream_unreachable",
			"no_budget: upstream_unreachable",
		]);
	});

	test("every call pays, also one that may not be tried again", async () => {
		budget = createBudget({ ratio: 0.5, perSecond: 0 }, clock);
		for (let call = 0; call < 2; call++) {
			const post = begin({ method: "POST" });
			begun.at(-1)?.resolve(answer);
			await post;
		}
		assert.equal(budget.take(), true);
		assert.equal(budget.take(), false);
	});
});

test("never takes longer than its longest call, whatever the upstream does", async () => {
	const ends = fc.record({
		afterMs: fc.integer({ min: 0, max: 1000 }),
		status: fc.constantFrom(0, 200, 429, 502, 503),
		retryAfter: fc.option(fc.integer({ min: 0, max: 5 })),
	});
	await fc.assert(
		fc.asyncProperty(
			fc.array(ends, { minLength: 5, maxLength: 5 }),
			fc.integer({ min: 2, max: 5 }),
			async (drawn, attempts) => {
				clock = virtualClock();
				const left = [...drawn];
				let made = 0;
				const next = played(async () => {
					made++;
					const { afterMs = 0, status = 200, retryAfter } = left.pop() ?? {};
					await new Promise<void>((resolve) => clock.after(afterMs, resolve));
					if (status === 0) throw fault("upstream_unreachable");
					const headers =
						retryAfter == null ? [] : ["retry-after", String(retryAfter)];
					return reply(status, ...headers);
				});
				const call = promised(
					retry(
						{ ...options, attempts },
						{ ...contextOf(clock), budget, random: () => 0.999 },
					)(next),
				);
				const outcome = outcomeOf(
					call(requestOf({ idempotent: true }), openScope({ clock })),
				);
				await clock.settle();
				await outcome;
				assert.ok(made >= 1 && made <= attempts);
				const longest = longestCallMs(1000, { ...options, attempts });
				assert.ok(clock.now() <= longest, `${clock.now()} > ${longest}`);
			},
		),
		{ numRuns: 300 },
	);
});
