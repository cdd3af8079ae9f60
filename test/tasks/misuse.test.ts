import assert from "node:assert/strict";
import { test } from "node:test";
import * as tasks from "../../src/tasks/index.ts";

/** Calls as somebody without types writes them. */
// biome-ignore lint/suspicious/noExplicitAny: that is what is tested.
const untyped = tasks as any;
const promise = () => Promise.resolve(1);
const work = async () => 1;

const needsScope = /^the scope is missing, which ends what waits: write `.*`$/;
const begun = /^a promise has begun already, .* `\(scope\) => f\(scope\)`$/;
const noWork = /^work is a function of its scope, and this is .*: write/;

// biome-ignore lint/suspicious/noExplicitAny: see above.
type Call = (scope: any) => unknown;

const cases: readonly (readonly [string, Call, RegExp])[] = [
	["sleep(10)", () => untyped.sleep(10), /write `sleep\(10, scope\)`$/],
	["sleep(scope, 10)", (scope) => untyped.sleep(scope, 10), needsScope],
	["gather([f])", () => untyped.gather([work]), /`gather\(\[f, g\], \{ scope/],
	[
		"gather(a, b)",
		() => untyped.gather(promise(), promise()),
		/a list of work/,
	],
	["gather([a])", (scope) => untyped.gather([promise()], { scope }), begun],
	["gather.settled([f])", () => untyped.gather.settled([work]), needsScope],
	[
		"timeout(100, f)",
		() => untyped.timeout(100, work),
		/timeout\(100, work, s/,
	],
	[
		"timeout(100, a, scope)",
		(scope) => untyped.timeout(100, promise(), scope),
		begun,
	],
	["group(f)", () => untyped.group(work), needsScope],
	["group(a, scope)", (scope) => untyped.group(promise(), scope), begun],
	["shield(f)", () => untyped.shield(work), needsScope],
	["shield(7, scope)", (scope) => untyped.shield(7, scope), noWork],
	["run(a)", () => untyped.run(promise()), begun],
	["run()", () => untyped.run(), noWork],
	["scope.start(a)", (scope) => scope.start(promise()).result(), begun],
	["scope.start()", (scope) => scope.start().result(), noWork],
	["semaphore.take()", () => untyped.createSemaphore(1).take(), needsScope],
	["semaphore.run(f)", () => untyped.createSemaphore(1).run(work), needsScope],
	[
		"semaphore.run(a, scope)",
		(scope) => untyped.createSemaphore(1).run(promise(), scope),
		begun,
	],
	["queue.take()", () => untyped.createQueue(1).take(), needsScope],
	["queue.put(1)", () => untyped.createQueue(1).put(1), needsScope],
	[
		"completed([a])",
		() => untyped.completed([promise()]),
		/takes tasks, not prom/,
	],
	[
		"offload(f)",
		(scope) => untyped.offload(work, "f", 1, scope),
		/of a file, by name/,
	],
];

for (const [written, call, message] of cases) {
	test(`${written} says what to write`, async () => {
		const scope = tasks.openScope();
		try {
			await assert.rejects(
				async () => call(scope),
				(error: Error) =>
					error instanceof TypeError && message.test(error.message),
			);
		} finally {
			scope.cancel(new Error("over"));
			await scope[Symbol.asyncDispose]().catch(() => {});
		}
	});
}

test("gather.settled tells of each piece that is no work", async () => {
	await using scope = tasks.openScope();
	const [first, second] = await untyped.gather.settled([promise(), work], {
		scope,
	});
	assert.match(first.error.message, begun);
	assert.equal(second.value, 1);
});
