import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TrailEnded } from "../../src/core/events.ts";
import {
	detailOf,
	summaryOf,
} from "../../src/telemetry/trail/shown-request.ts";
import { byPath, testRoute } from "../kit/gateway.ts";

/** When the requests of these tests ended. */
const endedAt = Date.UTC(2026, 0, 2, 3, 4, 5, 500);

/** The record of one request to a route with these steps. */
async function endOf(
	route: object,
	replies: Parameters<typeof testRoute>[1],
	target = "/x",
): Promise<TrailEnded> {
	const test = testRoute(route, replies);
	await test.ask(target);
	return test.trails[0] as TrailEnded;
}

const chain = {
	steps: {
		a: { get: "users/a" },
		b: { get: "users/b/${a.id}" },
		c: { get: "users/c", optional: true },
	},
	respond: ["${b}", "${c}"],
};

const replies = byPath({
	"/a": { json: { id: 7 }, afterMs: 20 },
	"/b/7": { json: 1, afterMs: 80 },
	"/c": { status: 503, afterMs: 5 },
});

describe("a request as operators see it", () => {
	it("has when it came, how it ended, what is missing and its slowest call", async () => {
		const end = await endOf(chain, replies);
		const { id, ...summary } = summaryOf(end, endedAt);
		assert.equal(id, end.requestId);
		assert.deepEqual(summary, {
			at: "2026-01-02T03:04:05.400Z",
			...{ method: "GET", route: "GET /x", status: 200, durationMs: 100 },
			...{ completeness: "partial", outlived: false, error: null },
			missing: [
				{
					...{ step: "c", index: [], stale: false },
					error: {
						code: "upstream_status",
						message: "users answered 503",
						...{ step: "c", upstream: "users", upstreamStatus: 503 },
					},
				},
			],
			writes: [],
			parts: null,
			calls: 3,
			slowest: { step: "b", index: [], durationMs: 80 },
		});
	});

	it("names each step, what it waited for, its calls and the longest chain", async () => {
		const detail = detailOf(await endOf(chain, replies), endedAt);
		assert.deepEqual(
			detail.steps.map(({ path, after, readyMs, endedMs, end }) => ({
				...{ path, after, readyMs, endedMs, end },
			})),
			[
				{ path: "a", after: null, readyMs: 0, endedMs: 20, end: "ok" },
				{ path: "c", after: null, readyMs: 0, endedMs: 5, end: "filled" },
				{ path: "b", after: 0, readyMs: 20, endedMs: 100, end: "ok" },
			],
		);
		const [call] = detail.steps[2]?.calls ?? [];
		assert.equal(call?.template, "/b/${a.id}");
		assert.deepEqual(call?.attempts.length, 1);
		assert.deepEqual(
			detail.criticalPath.map(({ step, toMs }) => [step, toMs]),
			[
				["a", 20],
				["b", 100],
			],
		);
	});

	it("is JSON that comes back as it was, however long a chain of steps is", async () => {
		const steps: Record<string, object> = { s0: { get: "users/a" } };
		for (let at = 1; at < 100; at++) {
			steps[`s${at}`] = {
				get: "users/a",
				query: { n: `\${s${at - 1}.id}` },
			};
		}
		const end = await endOf({ steps, respond: "${s99}" }, () => ({
			json: { id: 1 },
		}));
		const detail = detailOf(end, endedAt);
		const text = JSON.stringify(detail);
		assert.deepEqual(JSON.parse(text), detail);
		assert.equal(detail.steps.length, 100);
		assert.ok(text.length < 200_000, `${text.length} characters`);
	});

	it("quotes neither the client nor an answer", async () => {
		const secret = "s3cr3t-word";
		const route = {
			request: { query: { n: { type: "integer" } } },
			steps: {
				a: {
					get: "users/a",
					query: { n: "${query.n}" },
				},
			},
			respond: "${a}",
		};
		const ends = [
			await endOf(route, () => ({ json: 1 }), `/x?n=${secret}`),
			await endOf(route, () => ({ status: 500, json: secret }), "/x?n=1"),
			await endOf(route, () => ({ status: 200, text: secret }), "/x?n=1"),
			await endOf(route, () => ({ json: 1 }), `/${secret}`),
		];
		for (const end of ends) {
			const text = JSON.stringify(detailOf(end, endedAt));
			assert.ok(!text.includes(secret), text);
		}
	});

	it("has no method without a route, because it may be the client's own word", async () => {
		const test = testRoute(chain, replies);
		await test.ask("/nowhere", { method: "WORD" });
		const { method, route } = summaryOf(test.trails[0] as TrailEnded, endedAt);
		assert.deepEqual([method, route], [null, null]);
	});
});
