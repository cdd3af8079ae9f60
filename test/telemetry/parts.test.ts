import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TrailEnded } from "../../src/core/events.ts";
import { createMetrics } from "../../src/telemetry/metrics/metrics.ts";
import { packEnd, unpackEnd } from "../../src/telemetry/trail/packed.ts";
import {
	detailOf,
	summaryOf,
} from "../../src/telemetry/trail/shown-request.ts";
import { rowsOf } from "../../ui/src/waterfall.ts";
import { byPath, type TestGateway, testRoute } from "../kit/gateway.ts";
import { linesOf } from "../kit/log.ts";
import { tracing } from "../kit/spans.ts";

const route = {
	steps: { soon: { get: "users/soon" }, late: { get: "users/late" } },
	respond: { soon: "${soon}", late: "${late}" },
};
const replies = {
	"/soon": { json: 1, afterMs: 20 },
	"/late": { json: 2, afterMs: 80 },
};
const accepting = (type: string) => ({ headers: ["accept", type] });
const ndjson = accepting("application/x-ndjson");
const events = accepting("text/event-stream");

function endOf({ trails }: TestGateway): TrailEnded {
	return trails.at(-1) ?? assert.fail("no request has ended");
}

describe("a request that was answered in parts", () => {
	it("tells its face, and when its first part went out", async () => {
		const kit = testRoute(route, byPath(replies));
		await kit.ask("/x", ndjson);
		await kit.ask("/x", events);
		await kit.ask("/x");
		assert.deepEqual(
			kit.ended.map(({ parts }) => parts),
			[{ face: "ndjson", firstMs: 20 }, { face: "events", firstMs: 20 }, null],
		);
		const shown = summaryOf(kit.trails[0] as TrailEnded, 0).parts;
		assert.deepEqual(shown, { face: "ndjson", firstMs: 20 });
	});

	it("tells nothing of parts if it failed before the first, or had no body", async () => {
		const failing = { ...replies, "/soon": { status: 500, afterMs: 20 } };
		for (const kit of [
			testRoute(route, byPath(failing)),
			testRoute({ ...route, status: 204 }, byPath(replies)),
		]) {
			await kit.ask("/x", ndjson);
			assert.equal(endOf(kit).parts, null);
		}
	});

	it("tells when its first part went out also if it failed after that", async () => {
		const failing = { ...replies, "/late": { status: 500, afterMs: 80 } };
		const kit = testRoute(route, byPath(failing));
		await kit.ask("/x", ndjson);
		const { parts, error, status } = endOf(kit);
		assert.deepEqual(parts, { face: "ndjson", firstMs: 20 });
		assert.deepEqual([error?.code, status], ["upstream_status", 200]);
	});

	it("is the same when it comes from the history, with its steps or without", async () => {
		const kit = testRoute(route, byPath(replies));
		await kit.ask("/x", events);
		const end = endOf(kit);
		const { requestId: id, status, durationMs } = end;
		for (const withSteps of [true, false]) {
			const text = packEnd(end, withSteps);
			const head = { id, route: end.route, status, durationMs };
			assert.deepEqual(unpackEnd(head, JSON.parse(text)).parts, end.parts);
		}
	});

	it("has its face in its line of the log, and no other request has", async () => {
		const kit = testRoute(route, byPath(replies));
		const lines = linesOf(kit.gateway, { requests: "all" });
		await kit.ask("/x", events);
		await kit.ask("/x");
		assert.deepEqual(
			lines.map(({ face, firstPartMs }) => [face, firstPartMs]),
			[
				["events", 20],
				[undefined, undefined],
			],
		);
	});

	it("is counted by its route and its face, with the time of the first part", async () => {
		const kit = testRoute(route, byPath(replies));
		const metrics = createMetrics(kit.gateway);
		await kit.ask("/x", ndjson);
		await kit.ask("/x", ndjson);
		await kit.ask("/x", events);
		await kit.ask("/x");
		const lines = metrics.print("prometheus").split("\n");
		const name = "sluice_first_part_duration_seconds";
		const of = (what: string, face: string) =>
			lines.filter((line) =>
				line.startsWith(`${name}_${what}{route="GET /x",face="${face}"`),
			);
		assert.match(of("count", "ndjson").join(), / 2$/);
		assert.match(of("sum", "ndjson").join(), / 0\.04$/);
		assert.match(of("count", "events").join(), / 1$/);
	});

	it("has its face and the instant of its first part in its span", async () => {
		const kit = testRoute(route, byPath(replies));
		const spans = tracing(kit);
		await kit.ask("/x", ndjson);
		const [span] = spans().filter(({ name }) => name === "GET /x");
		assert.equal(span?.attributes["sluice.face"], "ndjson");
		const first = span?.events?.find(
			({ name }) => name === "sluice.first_part",
		);
		assert.equal((first?.atMs ?? 0) - (span?.startMs ?? 0), 20);
	});

	it("is marked on the page", async () => {
		const kit = testRoute(route, byPath(replies));
		await kit.ask("/x", ndjson);
		const [row] = rowsOf(detailOf(endOf(kit), 0));
		assert.deepEqual(row?.marks, ["sent in parts, the first after 20 ms"]);
	});

	it("is told as failed, and not as cut, if it failed after its first part", async () => {
		const failing = { ...replies, "/late": { status: 500, afterMs: 80 } };
		for (const requests of ["failed", "all"] as const) {
			const kit = testRoute(route, byPath(failing));
			const spans = tracing(kit);
			const [line, ...others] = await linesAfter(kit, requests);
			assert.deepEqual(others, []);
			assert.equal(line?.level, "error");
			const words = "request failed after a part of its answer was sent";
			assert.equal(line?.words, words);
			assert.deepEqual([line?.code, line?.status], ["upstream_status", 200]);
			const [span] = spans().filter(({ name }) => name === "GET /x");
			assert.equal(span?.failed, true);
		}
	});

	it("is no failure of the gateway if its last part says that the client is to blame", async () => {
		const kit = testRoute(
			{
				request: { body: { type: "array" } },
				steps: {
					soon: route.steps.soon,
					all: { each: "${body}", value: 1, max: 1, after: ["soon"] },
				},
				respond: { soon: 1, all: "${all}" },
			},
			byPath(replies),
			{ key: "POST /x" },
		);
		const lines = linesOf(kit.gateway, { requests: "all" });
		await kit.ask("/x", { ...ndjson, method: "POST", body: [1, 2] });
		assert.equal(endOf(kit).error?.status, 400);
		assert.deepEqual(
			lines.map(({ level, words }) => [level, words]),
			[["info", "request refused"]],
		);
	});
});

/** What the log has of one request. */
async function linesAfter(kit: TestGateway, requests: "all" | "failed") {
	const lines = linesOf(kit.gateway, { requests });
	await kit.ask("/x", ndjson);
	return lines;
}
