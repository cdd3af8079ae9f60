import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testRoute } from "../kit/gateway.ts";

/** The value of a step with these `answers`, or the code of its failure, if its call is answered so. */
async function valueOf(answers: unknown, status: number): Promise<unknown> {
	const { ask } = testRoute(
		{ steps: { a: { get: "users/a", answers, pick: "picked" } } },
		() => ({ status, text: "<html>" }),
	);
	const answer = await ask("/x");
	return answer.json === null ? null : (answer.code ?? answer.json);
}

describe("the statuses that are answers", () => {
	it("are those of a class from its first to its last", async () => {
		for (const [first, name] of [
			[300, "3xx"],
			[400, "4xx"],
			[500, "5xx"],
		] as const) {
			for (const answers of [{ [name]: "listed" }, [name]]) {
				const value = Array.isArray(answers) ? "picked" : "listed";
				assert.equal(
					await valueOf(answers, first - 1),
					first === 300 ? "upstream_invalid" : "upstream_status",
				);
				assert.equal(await valueOf(answers, first), value);
				assert.equal(await valueOf(answers, first + 99), value);
				assert.equal(await valueOf(answers, first + 100), "upstream_status");
			}
		}
	});

	it("go before their class, and a class before `any`, in whatever order they stand", async () => {
		const entries = [
			["any", "any"],
			["4xx", "class"],
			["404", "exact"],
		] as const;
		for (const answers of [entries, entries.toReversed()]) {
			const map = Object.fromEntries(answers);
			assert.equal(await valueOf(map, 404), "exact");
			assert.equal(await valueOf(map, 403), "class");
			assert.equal(await valueOf(map, 503), "any");
			assert.equal(await valueOf(map, 700), "any");
		}
	});

	it("have 2xx among them only if that is written", async () => {
		assert.equal(await valueOf({ any: "any" }, 200), "upstream_invalid");
		assert.equal(await valueOf(["any"], 299), "upstream_invalid");
		assert.equal(await valueOf({ "2xx": "any" }, 200), "any");
		assert.equal(await valueOf(["2xx"], 200), "picked");
		assert.equal(await valueOf({ "2xx": "any", 204: "none" }, 204), "none");
	});

	it("may be null for a class, although `any` has a value", async () => {
		assert.equal(await valueOf({ "4xx": null, any: 1 }, 404), null);
	});
});
