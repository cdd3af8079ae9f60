import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { type Reply, testGateway } from "../kit/gateway.ts";
import { type Line, linesOf } from "../kit/log.ts";

/** The config of recipe 7, as docs/recipes.md has it. */
const recipe =
	/^## 7\. [^]*?^```yaml\n([^]*?)^```/m.exec(
		readFileSync(new URL("../../docs/recipes.md", import.meta.url), "utf8"),
	)?.[1] ?? "";

/** The calls of an order that goes well, and how long each takes. Together 26 ms. */
const good: Readonly<Record<string, Reply>> = {
	"POST /orders": { json: { id: 1, total: 19.5 }, afterMs: 7 },
	"POST /charges": { json: { id: "p1" }, afterMs: 11 },
	"PUT /orders/1/payment": { json: {}, afterMs: 5 },
	"POST /messages": { status: 202, json: {}, afterMs: 3 },
	"DELETE /orders/1": { status: 204, text: "", afterMs: 4 },
};
const lifeMs = 26;

const faults: Readonly<Record<string, Reply>> = {
	"answers 500": { status: 500, afterMs: 5 },
	"answers what is no JSON": { text: "<html>", afterMs: 5 },
	"breaks off": { error: new Error("reset"), afterMs: 5 },
	"never answers": { afterMs: Number.POSITIVE_INFINITY },
	"cannot be reached": { error: new Error("refused"), neverSent: true },
};

interface Ordered {
	/** The calls that were answered with 2xx. */
	readonly done: readonly string[];
	/** Those that were sent and have no such answer. */
	readonly unknown: readonly string[];
	readonly lines: readonly Line[];
	readonly left: boolean;
}

/** One order, whose client leaves at this instant. */
async function order(
	replies: Readonly<Record<string, Reply>>,
	leaveMs: number,
): Promise<Ordered> {
	const nameOf = ({ method, target }: { method: string; target: string }) =>
		`${method} ${target}`;
	const kit = testGateway(recipe, ({ request }) => {
		return replies[nameOf(request)] ?? assert.fail(nameOf(request));
	});
	const lines = linesOf(kit.gateway);
	const body = { item: "lamp", card: "4242" };
	const { answer, leave } = kit.send("/orders", { method: "POST", body });
	await kit.clock.advance(leaveMs);
	leave();
	await kit.settle();
	kit.assertNothingLeft();
	assert.equal(kit.ended.length, 1);
	const sent = kit.calls.map(({ request }) => nameOf(request));
	const isDone = (call: string) => {
		const { status = 200, error, afterMs } = replies[call] as Reply;
		return !error && status < 300 && afterMs !== Number.POSITIVE_INFINITY;
	};
	return {
		done: sent.filter(isDone),
		unknown: sent.filter((call) => !isDone(call) && !replies[call]?.neverSent),
		lines,
		left: (await answer).status === 499,
	};
}

const toldIn = (lines: readonly Line[], step: string) =>
	lines.some(({ level, wrote = [], mayHaveWritten = [] }) => {
		const named = [wrote, mayHaveWritten].flat();
		return level === "error" && named.includes(step);
	});

describe("an order of recipe 7 whose client leaves, at every millisecond of its life,", () => {
	it("is charged, confirmed and mailed", async () => {
		for (let leaveMs = 0; leaveMs <= lifeMs; leaveMs++) {
			const { done, lines, left } = await order(good, leaveMs);
			assert.equal(left, leaveMs < lifeMs);
			assert.deepEqual(
				done,
				Object.keys(good).filter((call) => !call.startsWith("DELETE")),
				`left at ${leaveMs}`,
			);
			assert.equal(toldIn(lines, "payment"), false);
		}
	});

	it("is taken back if the payment is declined", async () => {
		const declined = { status: 402, json: { reason: "poor" }, afterMs: 11 };
		for (let leaveMs = 0; leaveMs <= 22; leaveMs++) {
			const replies = { ...good, "POST /charges": declined };
			const { done } = await order(replies, leaveMs);
			assert.deepEqual(done, ["POST /orders", "DELETE /orders/1"]);
		}
	});

	for (const call of Object.keys(good).slice(0, -1)) {
		for (const [fault, reply] of Object.entries(faults)) {
			it(`is never charged and unconfirmed without an error that tells, if ${call} ${fault}`, async () => {
				for (let leaveMs = 0; leaveMs <= lifeMs; leaveMs += 2) {
					const replies = { ...good, [call]: reply };
					const { done, unknown, lines } = await order(replies, leaveMs);
					const charged = [...done, ...unknown].includes("POST /charges");
					const confirmed = done.includes("PUT /orders/1/payment");
					if (charged && !confirmed) {
						assert.ok(toldIn(lines, "payment"), `left at ${leaveMs}`);
					}
					const ordered = [...done, ...unknown].includes("POST /orders");
					if (ordered && !confirmed) assert.ok(toldIn(lines, "order"));
					const mailed = [...done, ...unknown].includes("POST /messages");
					const mayMail = call !== "POST /messages";
					if (confirmed && !mailed && mayMail) {
						assert.ok(toldIn(lines, "payment"));
					}
				}
			});
		}
	}
});
