import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../../src/core/http/messages.ts";
import { Memory } from "../../src/core/memory.ts";
import { cache } from "../../src/policy/cache/cache.ts";
import { SecondLevel } from "../../src/policy/cache/shared.ts";
import { coalesce } from "../../src/policy/coalesce.ts";
import { hedge } from "../../src/policy/hedge.ts";
import type { Call, CallEnd, PolicyContext } from "../../src/policy/policy.ts";
import { keptMeanwhile } from "../../src/policy/waited.ts";
import type { FoundAnswer, SharedAnswers } from "../../src/store/answers.ts";
import { openScope, type Scope } from "../../src/tasks/index.ts";
import { endless, policySetting, reply, requestOf } from "../kit/policy.ts";

/**
 * Calls tell their ends by functions, so one end runs in the middle of another. Whatever happens in between, each call hears
 * of one end, and no call is left behind.
 */

const safe = { safe: true, idempotent: true };

/** A caller that notes what it hears. `then` is called with each end, in the middle of it. */
class Caller implements CallEnd {
	readonly heard: string[] = [];
	readonly scope: Scope;
	then: () => void = () => {};

	constructor(scope: Scope) {
		this.scope = scope;
	}

	answered({ status }: UpstreamResponse): void {
		this.heard.push(`${status}`);
		this.then();
	}

	failed(error: unknown): void {
		this.heard.push((error as Error).message);
		this.then();
	}

	ask(call: Call, changes: Partial<UpstreamRequest> = {}): this {
		try {
			call(requestOf({ ...safe, ...changes }), this.scope, this);
		} catch (thrown) {
			this.failed(thrown);
		}
		return this;
	}

	leave(why = "left"): void {
		this.scope.cancel(new Error(why));
	}
}

/** A policy's surroundings, and callers that each have a scope of their own. */
function around(policy: "cache" | "coalesce" | "hedge") {
	const setting = policySetting(policy);
	const { clock } = setting;
	return { ...setting, caller: () => new Caller(openScope({ clock })) };
}

function turn(): Promise<void> {
	return new Promise((resolve) => setImmediate(resolve));
}

describe("callers that share a call", () => {
	function sharing() {
		const all = around("coalesce");
		const { clock, context } = all;
		const scope = openScope({ clock });
		return { ...all, call: coalesce({ ...context, scope })(all.next) };
	}

	for (const ends of ["answered", "failed"] as const) {
		test(`one that is ${ends} may end the scope of another, which hears of that alone`, async () => {
			const { begun, caller, call } = sharing();
			const [first, second, third] = [caller(), caller(), caller()];
			for (const one of [first, second, third]) one.ask(call);
			// One that comes later, and one that has heard.
			second.then = () => {
				first.leave();
				third.leave();
			};
			if (ends === "answered") begun[0]?.resolve(reply(200));
			else begun[0]?.reject(new Error("broken"));
			await turn();
			const own = ends === "answered" ? "200" : "broken";
			assert.deepEqual(first.heard, [own]);
			assert.deepEqual(second.heard, [own]);
			assert.deepEqual(third.heard, ["left"]);
		});
	}

	test("one that asks again when it hears has a call of its own", async () => {
		const { begun, caller, call } = sharing();
		const [first, second, again] = [caller(), caller(), caller()];
		first.then = () => void again.ask(call);
		first.ask(call);
		second.ask(call);
		begun[0]?.resolve(reply(200));
		await turn();
		assert.deepEqual([first.heard, second.heard], [["200"], ["200"]]);
		assert.deepEqual(again.heard, []);
		assert.equal(begun.length, 2);
		begun[1]?.resolve(reply(201));
		await turn();
		assert.deepEqual(again.heard, ["201"]);
	});

	test("one that asks again as the last one leaves does not get the call that was ended", async () => {
		const { begun, caller, call } = sharing();
		const [last, again] = [caller(), caller()];
		last.then = () => void again.ask(call);
		last.ask(call);
		last.leave();
		await turn();
		assert.deepEqual(last.heard, ["left"]);
		assert.equal(begun[0]?.scope.cancelled, true);
		assert.equal(begun.length, 2);
		begun[1]?.resolve(reply(200));
		await turn();
		assert.deepEqual(again.heard, ["200"]);
	});

	test("one that joins while others hear that it was sent hears so once", () => {
		const all = around("coalesce");
		const { clock, context, caller } = all;
		const told: string[] = [];
		const call: Call = coalesce({ ...context, scope: openScope({ clock }) })(
			(request) => request.onSent?.(),
		);
		const late = caller();
		caller().ask(call, {
			onSent: () => {
				told.push("first");
				late.ask(call, { onSent: () => told.push("late") });
			},
		});
		assert.deepEqual(told, ["first", "late"]);
	});

	test("a call that ends before it returns is told once to the one that made it", () => {
		const all = around("coalesce");
		const { clock, context, caller } = all;
		const call = coalesce({ ...context, scope: openScope({ clock }) })(
			(_request, _scope, ended) => ended.answered(reply(200)),
		);
		assert.deepEqual(caller().ask(call).heard, ["200"]);
		assert.deepEqual(caller().ask(call).heard, ["200"]);
	});
});

describe("the two attempts of a hedged call", () => {
	/** A call that is hedged after 100 ms. */
	async function hedged() {
		const all = around("hedge");
		const { clock, context, begun, caller } = all;
		let onSecond = () => {};
		const policy = hedge(
			{ percentile: 95, calls: 2 },
			{ ...context, budget: endless, hasFree: () => true },
		);
		const call = policy((request, scope, ended) => {
			all.next(request, scope, ended);
			if (begun.length === 2) onSecond();
		});
		for (let measured = 0; measured < 2; measured++) {
			begun.length = 0;
			const one = caller().ask(call);
			await clock.advance(100);
			begun[0]?.resolve(reply(200));
			await turn();
			assert.deepEqual(one.heard, ["200"]);
		}
		begun.length = 0;
		const one = caller();
		return {
			...{ begun, one, clock },
			begin: () => one.ask(call),
			secondBegins: (then: () => void) => {
				onSecond = then;
			},
			assertOver: () => {
				assert.equal(one.scope.listeners, 0);
				assert.equal(clock.pending, 0);
			},
		};
	}

	for (const [winner, loser] of [
		[0, 1],
		[1, 0],
	] as const) {
		test(`are answered in the same turn, number ${winner + 1} first`, async () => {
			const { begin, begun, clock, one, assertOver } = await hedged();
			begin();
			await clock.advance(106);
			assert.equal(begun.length, 2);
			begun[winner]?.resolve(reply(200));
			begun[loser]?.resolve(reply(201));
			await turn();
			assert.deepEqual(one.heard, ["200"]);
			assertOver();
		});

		test(`number ${loser + 1} has failed, and the call is cancelled before the other ends`, async () => {
			const { begin, begun, clock, one, assertOver } = await hedged();
			begin();
			await clock.advance(106);
			begun[loser]?.reject(new GatewayError("upstream_unreachable", "gone"));
			await turn();
			assert.deepEqual(one.heard, []);
			one.leave();
			begun[winner]?.resolve(reply(200));
			await turn();
			assert.deepEqual(one.heard, ["left"]);
			assert.equal(begun[winner]?.scope.cancelled, true);
			assertOver();
		});
	}

	test("the first is answered while the second begins", async () => {
		const { begin, begun, clock, one, secondBegins, assertOver } =
			await hedged();
		secondBegins(() => begun[0]?.resolve(reply(200)));
		begin();
		await clock.advance(106);
		await turn();
		assert.deepEqual(one.heard, ["200"]);
		assert.equal(begun[1]?.scope.cancelled, true);
		assertOver();
	});

	test("the call is cancelled while the second begins", async () => {
		const { begin, clock, one, secondBegins, assertOver } = await hedged();
		secondBegins(() => one.leave());
		begin();
		await clock.advance(106);
		assert.deepEqual(one.heard, ["left"]);
		assertOver();
	});
});

describe("callers that miss the same in a cache", () => {
	function caching() {
		const all = around("cache");
		const { clock, context } = all;
		const { call } = cache(
			{
				...{ forMs: 60_000, staleMs: 0, ifErrorMs: 0, entriesMax: 100 },
				...{ bytesMax: 1024 ** 2, answerBytesMax: 1000 },
			},
			{
				...{ ...context, scope: openScope({ clock }), coalesced: false },
				...{ origins: ["http://users.test"], credentials: new Map() },
			},
		);
		return { ...all, call: call(all.next) };
	}

	const kept = () => reply(200, "cache-control", "max-age=60");

	test("one that waits is cancelled by the end of the one that asked", async () => {
		const { begun, caller, call } = caching();
		const [first, waiting, other] = [caller(), caller(), caller()];
		for (const one of [first, waiting, other]) one.ask(call);
		first.then = () => waiting.leave();
		begun[0]?.resolve(kept());
		await turn();
		assert.deepEqual(first.heard, ["200"]);
		assert.deepEqual(waiting.heard, ["left"]);
		assert.deepEqual(other.heard, ["200"]);
		assert.equal(begun.length, 1);
	});

	test("one that asks in the middle of the end gets what is kept", async () => {
		const { begun, caller, call } = caching();
		const [first, again] = [caller(), caller()];
		first.then = () => void again.ask(call);
		first.ask(call);
		begun[0]?.resolve(kept());
		await turn();
		assert.deepEqual([first.heard, again.heard], [["200"], ["200"]]);
		assert.equal(begun.length, 1);
	});

	test("the one that asked has left, and hears no second end when its call finds the answer kept", async () => {
		const { begun, caller, call } = caching();
		const [first, waiting] = [caller(), caller()];
		first.ask(call);
		waiting.ask(call);
		first.leave();
		assert.deepEqual(first.heard, ["left"]);
		assert.equal(begun[0]?.scope.cancelled, false);
		begun[0]?.reject(keptMeanwhile);
		await turn();
		assert.deepEqual(first.heard, ["left"]);
		assert.equal(begun.length, 2, "the other one asks");
		begun[1]?.resolve(kept());
		await turn();
		assert.deepEqual(waiting.heard, ["200"]);
	});

	for (const [who, order] of [
		["the one that asked leaves first", [0, 1]],
		["the one that waits leaves first", [1, 0]],
	] as const) {
		test(`all leave, ${who}, and their call is ended`, async () => {
			const { begun, caller, call } = caching();
			const callers = [caller().ask(call), caller().ask(call)];
			for (const at of order) callers[at]?.leave(`${at}`);
			await turn();
			assert.deepEqual(
				callers.map(({ heard }) => heard),
				[["0"], ["1"]],
			);
			assert.equal(begun[0]?.scope.cancelled, true);
		});
	}
});

describe("that a call was sent is told to nobody who has left it", () => {
	const policies = {
		coalesce: (scope: Scope, context: PolicyContext) =>
			coalesce({ ...context, scope }),
		cache: (scope: Scope, context: PolicyContext) =>
			cache(
				{
					...{ forMs: 1000, staleMs: 0, ifErrorMs: 0, answerBytesMax: 100 },
					...{ bytesMax: 10_000, entriesMax: 10 },
				},
				{
					...context,
					...{ scope, origins: [], credentials: new Map(), coalesced: false },
				},
			).call,
	};
	for (const name of ["coalesce", "cache"] as const) {
		test(`by ${name}, also if somebody else still waits for it`, async () => {
			const { clock, context, caller } = around(name);
			const scope = openScope({ clock });
			let sent: (() => void) | null = null;
			const call = policies[name](
				scope,
				context,
			)((request) => {
				sent = request.onSent;
			});
			const [first, second] = [caller(), caller()];
			first.ask(call, { onSent: () => first.heard.push("sent") });
			second.ask(call);
			first.leave();
			(sent as (() => void) | null)?.();
			await turn();
			assert.deepEqual(first.heard, ["left"]);
			second.leave();
			await turn();
		});
	}

	test("by coalesce, also if another has just ended it", () => {
		const { clock, context, caller } = around("coalesce");
		let sent: (() => void) | null = null;
		const policy = policies.coalesce(openScope({ clock }), context);
		const call = policy((request) => {
			sent = request.onSent;
		});
		const [first, second] = [caller(), caller()];
		first.ask(call, { onSent: () => second.leave() });
		second.ask(call, { onSent: () => second.heard.push("sent") });
		(sent as (() => void) | null)?.();
		assert.deepEqual(second.heard, ["left"]);
		first.leave();
	});
});

describe("a call that looks in the store", () => {
	function looking() {
		const all = around("cache");
		const { clock, begun, caller } = all;
		const finds: ((found: FoundAnswer) => void)[] = [];
		const released: boolean[] = [];
		const answers = {
			find: () => new Promise((resolve) => void finds.push(resolve)),
			release: (_: unknown, failed: boolean) => void released.push(failed),
		} as unknown as SharedAnswers;
		const level = new SecondLevel({
			...{ answers, clock, report: () => {} },
			...{ secrets: { has: () => false } as never, memory: new Memory() },
		});
		const intake = {
			answerBytesMax: 1000,
			foresee: (_: unknown, _1: unknown, { status }: UpstreamResponse) => ({
				...{ kept: status === 200, served: true },
			}),
		} as never;
		const call = level.guard(intake).call(all.next);
		const one = caller();
		const begin = () => one.ask(call, { isKept: () => false });
		return { ...{ clock, begun, one, begin, finds, released }, call };
	}

	const lease: FoundAnswer = {
		kind: "ask",
		lease: { keys: [], marks: "", token: "t" },
	};
	const stored: FoundAnswer = {
		kind: "kept",
		answer: {
			...{ status: 200, headers: [], body: new Uint8Array(0) },
			...{ ageMs: 0, keptMs: 1000 },
		},
	};

	test("hears that it is cancelled at once, and asks nobody then", async () => {
		for (const found of [lease, stored, { kind: "wait" } as const]) {
			const { begin, begun, finds, one, released } = looking();
			begin();
			one.leave();
			assert.deepEqual(one.heard, ["left"]);
			finds[0]?.(found);
			await turn();
			assert.deepEqual(one.heard, ["left"]);
			assert.equal(begun.length, 0);
			assert.equal(finds.length, 1);
			// Others would wait for it.
			assert.deepEqual(released, found === lease ? [true] : []);
			assert.equal(one.scope.listeners, 0);
		}
	});

	test("asks nothing at all if it was cancelled before", () => {
		const { begin, finds, one } = looking();
		one.leave();
		begin();
		assert.deepEqual(one.heard, ["left"]);
		assert.equal(finds.length, 0);
	});

	test("is cancelled while it looks again for what another asks for", async () => {
		const { begin, begun, clock, finds, one } = looking();
		begin();
		finds[0]?.({ kind: "wait" });
		await turn();
		one.leave();
		assert.deepEqual(one.heard, ["left"]);
		await clock.advance(1000);
		assert.equal(finds.length, 1);
		assert.equal(begun.length, 0);
		assert.equal(clock.pending, 0);
	});

	for (const [ends, released] of [
		["left", [true]],
		["broken", [true]],
		["200", []],
		["404", [false]],
	] as const) {
		test(`gives back what it has of the store: ${ends}`, async () => {
			const { begin, begun, finds, one, ...all } = looking();
			begin();
			finds[0]?.(lease);
			await turn();
			assert.equal(begun.length, 1);
			if (ends === "left") one.leave();
			else if (ends === "broken") begun[0]?.reject(new Error(ends));
			else begun[0]?.resolve(reply(Number(ends)));
			await turn();
			assert.deepEqual(one.heard, [ends]);
			assert.deepEqual(all.released, released);
		});
	}

	test("is answered by the store, and asks nobody", async () => {
		const { begin, begun, finds, one } = looking();
		begin();
		finds[0]?.(stored);
		await turn();
		assert.deepEqual(one.heard, ["200"]);
		assert.equal(begun.length, 0);
		assert.equal(one.scope.listeners, 0);
	});
});
