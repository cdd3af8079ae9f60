import assert from "node:assert/strict";
import { createHook } from "node:async_hooks";
import { describe, test } from "node:test";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../../src/core/http/messages.ts";
import type { Call, CallEnd, Policy } from "../../src/policy/policy.ts";
import { promised } from "../../src/policy/promised.ts";
import {
	type Clock,
	openScope,
	type Scope,
	virtualClock,
} from "../../src/tasks/index.ts";
import { answer, controlled, hangs, played, requestOf } from "../kit/policy.ts";

/** What every policy promises, whatever else it does. `make` gives a policy at rest, on the clock of its calls. */
export function conforms(name: string, make: (clock: Clock) => Policy): void {
	for (const idempotent of [false, true]) {
		const of = idempotent ? " of what may be sent twice" : "";
		conformsFor(`${name}${of}`, make, { idempotent });
	}
}

function conformsFor(
	name: string,
	make: (clock: Clock) => Policy,
	changes: Partial<UpstreamRequest>,
): void {
	describe(`${name}, as every policy`, () => {
		/** Runs one call in a scope and a time of its own, and looks for what it left behind. */
		async function tried(
			next: Call,
			tell: (
				call: Promise<UpstreamResponse>,
				scope: Scope,
				request: UpstreamRequest,
			) => Promise<void>,
		) {
			const clock = virtualClock();
			const scope = openScope({ clock });
			const request = requestOf(changes);
			const call = promised(make(clock)(next))(request, scope);
			await tell(call, scope, request);
			assert.equal(scope.listeners, 0, "a listener was left");
			assert.equal(clock.pending, 0, "a timer was left");
		}

		test("passes the request and the answer on as they are", async () => {
			let passed: unknown;
			const next = played(async (request) => {
				passed = request;
				return answer;
			});
			await tried(next, async (call, _scope, request) => {
				assert.equal(await call, answer);
				// Where it was sent to is noted in it by whoever chooses that.
				assert.deepEqual({ ...(passed as object), tried: null }, request);
			});
		});

		test("passes the error on as it is", async () => {
			const error = new Error("the upstream's");
			await tried(
				played(() => Promise.reject(error)),
				(call) => assert.rejects(call, (thrown) => thrown === error),
			);
		});

		test("passes on what is thrown before there is a promise", async () => {
			const error = new Error("the upstream's");
			await tried(
				() => {
					throw error;
				},
				(call) => assert.rejects(call, (thrown) => thrown === error),
			);
		});

		test("ends with the reason when it is cancelled", async () => {
			const reason = new Error("the caller's");
			await tried(hangs, async (call, scope) => {
				scope.cancel(reason);
				await assert.rejects(call, (thrown) => thrown === reason);
			});
		});

		test("ends with the reason where it was cancelled before it began", async () => {
			const reason = new Error("the caller's");
			const clock = virtualClock();
			const scope = openScope({ clock });
			scope.cancel(reason);
			const call = promised(make(clock)(hangs))(requestOf(changes), scope);
			await assert.rejects(call, (thrown) => thrown === reason);
			assert.equal(scope.clock.pending, 0, "a timer was left");
		});

		test("tells one end, before it returns if the end is known then, and makes no promise for it", () => {
			const clock = virtualClock();
			const next: Call = (_request, _scope, ended) => ended.answered(answer);
			const call = make(clock)(next);
			const scope = openScope({ clock });
			const told: unknown[] = [];
			const end: CallEnd = {
				answered: (response) => told.push(response),
				failed: (error) => told.push(error),
			};
			const promises = promisesMade(() => call(requestOf(changes), scope, end));
			assert.deepEqual(told, [answer]);
			assert.equal(promises, 0);
		});

		for (const when of ["at once", "later"] as const) {
			test(`lets an error of whoever hears the end ${when} be seen, and tells no second end`, () => {
				const clock = virtualClock();
				const { call: later, begun } = controlled();
				const atOnce: Call = (_request, _scope, ended) =>
					ended.answered(answer);
				const call = make(clock)(when === "later" ? later : atOnce);
				const bug = new Error("of whoever hears the end");
				for (let round = 0; round < 3; round++) {
					const scope = openScope({ clock });
					const told: string[] = [];
					const end: CallEnd = {
						answered() {
							told.push("answered");
							throw bug;
						},
						failed: () => void told.push("failed"),
					};
					assert.throws(
						() => {
							call(requestOf(changes), scope, end);
							begun[round]?.resolve(answer);
						},
						(thrown) => thrown === bug,
					);
					assert.deepEqual(told, ["answered"]);
					assert.equal(scope.listeners, 0, "a listener was left");
				}
				assert.equal(clock.pending, 0, "a timer was left");
			});
		}

		test("is at rest again after each way to end", async () => {
			const clock = virtualClock();
			const { call: next, begun } = controlled();
			const call = promised(make(clock)(next));
			for (let round = 0; round < 3; round++) {
				const scope = openScope({ clock });
				const ended = call(requestOf(changes), scope);
				await clock.advance(0);
				if (round === 0) begun[round]?.reject(new Error("failed"));
				if (round === 1) scope.cancel(new Error("cancelled"));
				if (round === 2) begun[round]?.resolve(answer);
				if (round === 2) assert.equal(await ended, answer);
				else await assert.rejects(ended);
				assert.equal(scope.listeners, 0, "a listener was left");
			}
			assert.equal(clock.pending, 0, "a timer was left");
		});
	});
}

/** How many promises are made while this runs. */
function promisesMade(run: () => void): number {
	let made = 0;
	const hook = createHook({
		init(_id, type) {
			if (type === "PROMISE") made++;
		},
	}).enable();
	try {
		run();
	} finally {
		hook.disable();
	}
	return made;
}
