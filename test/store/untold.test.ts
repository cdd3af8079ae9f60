import assert from "node:assert/strict";
import { test } from "node:test";
import { SharedAnswers } from "../../src/store/answers.ts";
import type { Store } from "../../src/store/store.ts";

/** A store whose calls end when the test says so, with whether they were carried out. */
function heldStore() {
	const calls: ((done: boolean) => void)[] = [];
	const looked: string[] = [];
	const store = {
		...{ prefix: "", up: true, listen() {}, decidedLocally() {} },
		call: () =>
			new Promise((resolve, reject) => {
				calls.push((done) =>
					done ? resolve(true) : reject(new Error("full")),
				);
			}),
		script: async (_: unknown, keys: readonly string[]) => {
			looked.push(keys[0] ?? "");
			return { kind: "ask", marks: ":" };
		},
	};
	return { store: store as unknown as Store, calls, looked };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("while a change is still to be told, nobody looks for an answer, however many ask at once", async () => {
	const { store, calls, looked } = heldStore();
	const answers = new SharedAnswers(store, "shop", () => {});
	answers.changed(["/a"]);
	calls[0]?.(false);
	await turn();
	const asked = [1, 2, 3].map((n) => answers.find(`GET /a ${n}`, "/a", 100));
	await turn();
	assert.equal(calls.length, 2);
	assert.deepEqual(looked, []);
	calls[1]?.(false);
	for (const found of await Promise.all(asked))
		assert.equal(found.kind, "away");
	assert.deepEqual(looked, []);
	const again = [1, 2].map((n) => answers.find(`GET /a ${n}`, "/a", 100));
	await turn();
	calls[2]?.(true);
	for (const found of await Promise.all(again)) assert.equal(found.kind, "ask");
	assert.deepEqual([calls.length, looked.length], [3, 2]);
});
