import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { byPath, type Reply, testRoute } from "../kit/gateway.ts";

/** The undos that a route makes, with their instants: `DELETE /u/a 50–60`. */
async function undosOf(
	steps: object,
	replies: Readonly<Record<string, Reply>>,
	respond: object | string = {},
): Promise<readonly string[]> {
	const kit = testRoute({ steps, respond }, byPath(replies));
	await kit.ask("/x");
	return kit.calls
		.filter(({ request }) => request.method === "DELETE")
		.map(
			({ request, startedMs, endedMs }) =>
				`${request.target} ${startedMs}–${endedMs}`,
		);
}

/** A write that `DELETE /u/…` takes back. */
const write = (path: string) => ({
	post: `users/${path}`,
	undo: { delete: `users/u/${path}` },
});

describe("undos at one instant", () => {
	it("begin after all that is sent and all that fails at it", async () => {
		const undos = await undosOf(
			{
				first: { ...write("first"), optional: true },
				second: { ...write("second"), after: ["first"] },
				bad: { value: "${null + 1}", after: ["first"] },
			},
			{
				"/first": { status: 500, afterMs: 50 },
				"/second": { afterMs: 20 },
				"/u/first": { afterMs: 10 },
				"/u/second": { afterMs: 10 },
			},
			"${bad}",
		);
		assert.deepEqual(undos, ["/u/second 70–80", "/u/first 80–90"]);
	});

	it("are in order also if parts fail one after the other, for which something fills in", async () => {
		const undos = await undosOf(
			{
				trips: {
					each: [0, 1],
					as: "n",
					parallel: 1,
					steps: {
						book: write("book/${n}"),
						check: { value: "${n === 1 ? null + 1 : 0}" },
						pay: {
							get: "users/pay/${n}",
							query: { order: "${book}", check: "${check}" },
						},
					},
					value: "${pay}",
					fallback: "none",
				},
			},
			{
				"/book/0": { json: 1, afterMs: 10 },
				"/pay/0": { status: 500, afterMs: 40 },
				"/book/1": { json: 1, afterMs: 10 },
				"/u/book/0": { afterMs: 5 },
				"/u/book/1": { afterMs: 5 },
			},
			"${trips}",
		);
		assert.deepEqual(undos, ["/u/book/1 60–65", "/u/book/0 65–70"]);
	});

	for (const order of [
		["a", "b"],
		["b", "a"],
	] as const) {
		it(`take a write as sent after one that ends at it, whichever was first (${order.join(", ")})`, async () => {
			const [first, second] = order;
			const undos = await undosOf(
				{
					[first]: write(first),
					[second]: write(second),
					after: { ...write("after"), after: ["a"] },
					bad: { get: "users/bad" },
				},
				{
					"/a": { afterMs: 50 },
					"/b": { afterMs: 50 },
					"/after": { afterMs: 20 },
					"/bad": { status: 500, afterMs: 100 },
					"/u/a": { afterMs: 5 },
					"/u/b": { afterMs: 5 },
					"/u/after": { afterMs: 5 },
				},
				"${bad}",
			);
			assert.deepEqual(undos.toSorted(), [
				"/u/a 105–110",
				"/u/after 100–105",
				"/u/b 105–110",
			]);
		});
	}

	it("are made of writes that take no time", async () => {
		const undos = await undosOf(
			{
				a: write("a"),
				b: write("b"),
				c: { ...write("c"), after: ["a"] },
				bad: { get: "users/bad", after: ["b", "c"] },
			},
			{ "/bad": { status: 500 } },
			"${bad}",
		);
		assert.deepEqual(undos.toSorted(), ["/u/a 0–0", "/u/b 0–0", "/u/c 0–0"]);
		assert.ok(undos.indexOf("/u/c 0–0") < undos.indexOf("/u/a 0–0"));
	});
});
