import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
	DeadlineReached,
	openScope,
	type Scope,
	virtualClock,
} from "../../src/tasks/index.ts";
import { listenTo } from "../../src/tasks/scope.ts";

const reason = new Error("the test's reason");

describe("cancelling a scope", () => {
	test("tells an object that listens among the others, and not one that has stopped", () => {
		const scope = openScope({ clock: virtualClock() });
		const told: unknown[] = [];
		const target = (name: string) => ({
			onCancelled: (why: unknown) => void told.push([name, why]),
		});
		scope.onCancel((why) => told.push(["first", why]));
		listenTo(scope, target("object"));
		const stopped = listenTo(scope, target("stopped"));
		scope.onCancel((why) => told.push(["last", why]));
		assert.equal(scope.listeners, 4);
		stopped.stop();
		stopped.stop();
		assert.equal(scope.listeners, 3);
		scope.cancel(reason);
		assert.deepEqual(told, [
			["first", reason],
			["object", reason],
			["last", reason],
		]);
		assert.equal(scope.listeners, 0);
		listenTo(scope, target("late")).stop();
		assert.deepEqual(told.at(-1), ["late", reason]);
		const closed = openScope({ clock: virtualClock() });
		listenTo(closed, target("closed"));
		closed.close();
		listenTo(closed, target("after")).stop();
		assert.equal(told.length, 4);
	});

	test("tells all listeners once, in order, with the reason", () => {
		const scope = openScope({ clock: virtualClock() });
		const told: unknown[] = [];
		scope.onCancel((why) => told.push(["first", why]));
		scope.onCancel((why) => told.push(["second", why]));
		assert.equal(scope.listeners, 2);
		scope.cancel(reason);
		scope.cancel(new Error("another"));
		assert.deepEqual(told, [
			["first", reason],
			["second", reason],
		]);
		assert.equal(scope.cancelled, true);
		assert.equal(scope.reason, reason);
		assert.equal(scope.listeners, 0);
	});

	test("tells at once whoever comes late", () => {
		const scope = openScope({ clock: virtualClock() });
		scope.cancel(reason);
		let told: unknown;
		scope.onCancel((why) => {
			told = why;
		})();
		assert.equal(told, reason);
		assert.equal(scope.listeners, 0);
	});

	test("does not tell a listener that was removed, also by another that was told", () => {
		const scope = openScope({ clock: virtualClock() });
		const told: string[] = [];
		scope.onCancel(() => told.push("removed"))();
		scope.onCancel(() => {
			told.push("first");
			removeSecond();
		});
		const removeSecond = scope.onCancel(() => told.push("second"));
		scope.onCancel(() => told.push("third"));
		scope.cancel(reason);
		assert.deepEqual(told, ["first", "third"]);
		assert.equal(scope.listeners, 0);
	});

	test("is the end: a listener that cancels or closes again changes nothing", () => {
		const scope = openScope({ clock: virtualClock() });
		const told: string[] = [];
		scope.onCancel(() => {
			scope.cancel(new Error("another"));
			scope.close();
		});
		scope.onCancel(() => told.push("still told"));
		scope.cancel(reason);
		assert.deepEqual(told, ["still told"]);
		assert.equal(scope.reason, reason);
	});

	test("reaches all others where a listener throws, which is seen", (t) => {
		const apart = t.mock.method(globalThis, "queueMicrotask", () => {});
		const scope = openScope({ clock: virtualClock() });
		const bug = new Error("the listener's");
		const told: unknown[] = [];
		scope.onCancel(() => {
			throw bug;
		});
		scope.onCancel((why) => told.push(why));
		scope.cancel(reason);
		assert.deepEqual(told, [reason]);
		assert.equal(scope.listeners, 0);
		const [call] = apart.mock.calls;
		assert.throws(
			() => call?.arguments[0]?.(),
			(error) => error === bug,
		);
	});

	test("works for a reason that is undefined", () => {
		const scope = openScope({ clock: virtualClock() });
		scope.cancel(undefined);
		assert.equal(scope.cancelled, true);
	});
});

describe("closing a scope", () => {
	test("tells nobody, and nobody after it", () => {
		const scope = openScope({ clock: virtualClock() });
		const remove = scope.onCancel(() => assert.fail("was told"));
		scope.close();
		scope.close();
		scope.cancel(reason);
		scope.onCancel(() => assert.fail("was told"))();
		assert.equal(scope.cancelled, false);
		// Whoever has not left is still counted: that is how a leak is seen.
		assert.equal(scope.listeners, 1);
		remove();
		remove();
		assert.equal(scope.listeners, 0);
	});

	test("leaves no timer and no entry at the parent", () => {
		const clock = virtualClock();
		const parent = openScope({ clock });
		const scope = openScope({ parent, deadline: 10 });
		assert.equal(clock.pending, 1);
		assert.equal(parent.listeners, 1);
		scope.close();
		assert.equal(clock.pending, 0);
		assert.equal(parent.listeners, 0);
	});
});

describe("an inner scope", () => {
	test("is cancelled with its parent, for the same reason, and not the other way round", () => {
		const parent = openScope({ clock: virtualClock() });
		const [one, other] = [openScope({ parent }), openScope({ parent })];
		const inner = openScope({ parent: other });
		one.cancel(new Error("one's own"));
		assert.equal(parent.cancelled, false);
		assert.equal(parent.listeners, 1);
		parent.cancel(reason);
		assert.equal(other.reason, reason);
		assert.equal(inner.reason, reason);
		assert.equal(parent.listeners, 0);
	});

	test("of a cancelled parent is cancelled from the start, without a timer", () => {
		const clock = virtualClock();
		const parent = openScope({ clock });
		parent.cancel(reason);
		const scope = openScope({ parent, deadline: 10 });
		assert.equal(scope.reason, reason);
		assert.equal(clock.pending, 0);
	});

	test("has its parent's clock, and a root without one the machine's", () => {
		const clock = virtualClock();
		assert.equal(openScope({ parent: openScope({ clock }) }).clock, clock);
		const before = performance.now();
		assert.ok(openScope().clock.now() >= before);
		assert.equal(openScope({}).clock.pending, 0);
	});
});

describe("a deadline", () => {
	test("cancels at its instant, not before, with a reason of its own or the usual one", async () => {
		for (const deadlineReason of [undefined, () => reason]) {
			const clock = virtualClock();
			await clock.advance(5);
			const scope = openScope({
				clock,
				deadline: 15,
				...(deadlineReason ? { deadlineReason } : {}),
			});
			await clock.advance(9);
			assert.equal(scope.cancelled, false);
			await clock.advance(1);
			assert.equal(scope.cancelled, true);
			if (deadlineReason) assert.equal(scope.reason, reason);
			else assert.ok(scope.reason instanceof DeadlineReached);
			assert.equal(clock.pending, 0);
		}
	});

	test("that is past cancels at once", async () => {
		const clock = virtualClock();
		await clock.advance(10);
		for (const deadline of [-1, 9, 10]) {
			assert.equal(openScope({ clock, deadline }).cancelled, true);
		}
		assert.equal(openScope({ clock, deadline: 11 }).cancelled, false);
	});

	test("is never later than the parent's, whose reason is given where both are due", async () => {
		for (const deadline of [10, 11, Number.POSITIVE_INFINITY]) {
			const clock = virtualClock();
			const parent = openScope({
				clock,
				deadline: 10,
				deadlineReason: () => reason,
			});
			const scope = openScope({
				parent,
				deadline,
				deadlineReason: () => assert.fail("was asked"),
			});
			assert.equal(scope.deadline, 10);
			assert.equal(clock.pending, 1);
			await clock.advance(10);
			assert.equal(scope.reason, reason);
		}
	});

	test("that is earlier than the parent's leaves the parent alone", async () => {
		const clock = virtualClock();
		const parent = openScope({ clock, deadline: 10 });
		const scope = openScope({ parent, deadline: 9 });
		await clock.advance(9);
		assert.equal(scope.cancelled, true);
		assert.equal(parent.cancelled, false);
		assert.equal(parent.listeners, 0);
		parent.close();
	});

	test("is infinite where there is none", () => {
		const clock = virtualClock();
		assert.equal(openScope({ clock }).deadline, Number.POSITIVE_INFINITY);
		assert.equal(clock.pending, 0);
	});
});

test("whatever is opened, cancelled and closed in whatever order, nothing is left and all are told rightly", async () => {
	const step = fc.record({
		kind: fc.constantFrom(
			"open",
			"listen",
			"remove",
			"cancel",
			"close",
			"advance",
		),
		which: fc.nat(30),
		ms: fc.nat(20),
	});
	await fc.assert(
		fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
			const clock = virtualClock();
			const scopes: Scope[] = [openScope({ clock })];
			const closed = new Set<Scope>();
			const listening: {
				scope: Scope;
				told: number;
				remove: () => void;
				removed: boolean;
			}[] = [];
			for (const { kind, which, ms } of steps) {
				const scope = scopes[which % scopes.length] as Scope;
				if (kind === "open") {
					scopes.push(
						openScope({
							parent: scope,
							...(ms > 10 ? { deadline: clock.now() + ms } : {}),
						}),
					);
				} else if (kind === "listen") {
					const entry = { scope, told: 0, remove: () => {}, removed: false };
					entry.remove = scope.onCancel((why) => {
						entry.told++;
						assert.equal(why, scope.reason);
					});
					if (!scope.cancelled && !closed.has(scope)) listening.push(entry);
				} else if (kind === "remove") {
					const entry = listening[which % Math.max(1, listening.length)];
					entry?.remove();
					if (entry && entry.told === 0) entry.removed = true;
				} else if (kind === "cancel") scope.cancel(reason);
				else if (kind === "close") {
					if (!scope.cancelled) closed.add(scope);
					scope.close();
				} else await clock.advance(ms);
			}
			for (const scope of scopes.toReversed()) {
				if (!scope.cancelled) closed.add(scope);
				scope.close();
			}
			for (const { scope, told, removed, remove } of listening) {
				assert.equal(told, scope.cancelled && !removed ? 1 : 0);
				remove();
			}
			for (const scope of scopes) assert.equal(scope.listeners, 0);
			assert.equal(clock.pending, 0);
		}),
		{ numRuns: 200 },
	);
});
