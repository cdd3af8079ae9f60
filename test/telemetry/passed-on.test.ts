import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TrailEnded } from "../../src/core/events.ts";
import { createMetrics } from "../../src/telemetry/metrics/metrics.ts";
import { summaryOf } from "../../src/telemetry/trail/shown-request.ts";
import { byPath, type Reply, testGateway } from "../kit/gateway.ts";
import { linesOf } from "../kit/log.ts";

const replies: Record<string, Reply> = {
	"/a": { status: 200, text: "a" },
	"/missing": { status: 404, text: "none" },
	"/499": { status: 499, text: "left" },
	"/500": { status: 500, text: "broken", afterMs: 20 },
	"/503": { status: 503, text: "later" },
};

/** A gateway that passes requests on, and what is told of them. */
function passing(settings: object = {}) {
	const test = testGateway(
		{
			upstreams: { echo: { url: "http://echo.test" } },
			routes: {
				"ANY /raw/{rest*}": { proxy: "echo/{rest*}" },
				"GET /own": { respond: "by the config", status: 503 },
			},
		},
		byPath(replies),
	);
	const ends: TrailEnded[] = [];
	test.gateway.events.trailEnded.push((end) => ends.push(end));
	const metrics = createMetrics(test.gateway);
	return { ...test, ends, metrics, lines: linesOf(test.gateway, settings) };
}

const line = {
	level: "error",
	words: "request failed",
	method: "GET",
	route: "ANY /raw/{rest*}",
	status: 500,
	code: "upstream_status",
	message: "echo answered 500",
	upstream: "echo",
	upstreamStatus: 500,
	call: "ANY echo/{rest*}",
	callMs: 20,
};

describe("an answer of 500 and above that a proxy passes on", () => {
	it("reaches the client as it is", async () => {
		const { ask } = passing();
		const { status, text, headers } = await ask("/raw/500");
		assert.deepEqual([status, text], [500, "broken"]);
		assert.ok(!JSON.stringify(headers).includes("upstream_status"));
	});

	it("is a line of the log with its cause, whatever `requests` says", async () => {
		for (const requests of ["failed", "partial"] as const) {
			const { ask, lines } = passing({ requests });
			for (const path of ["a", "missing", "499", "500"]) {
				await ask(`/raw/${path}`);
			}
			assert.deepEqual(lines, [line]);
		}
		const { ask, lines } = passing({ requests: "all" });
		await ask("/raw/500");
		assert.deepEqual(lines, [
			{ ...line, calls: 1, slowest: "proxy", slowestMs: 20 },
		]);
	});

	it("is told ten times a second of each route", async () => {
		const { ask, lines, clock } = passing();
		for (let count = 0; count < 15; count++) await ask("/raw/503");
		assert.equal(lines.length, 10);
		await clock.advance(1000);
		assert.equal(lines.at(-1)?.count, 5);
	});

	it("has failed for metrics, last requests and history, too, and for no other status", async () => {
		const { ask, ends, metrics } = passing();
		for (const path of ["a", "missing", "499", "500"]) {
			await ask(`/raw/${path}`);
		}
		assert.deepEqual(
			ends.map((end) => {
				const { status, completeness, error } = summaryOf(end, 0);
				return [status, completeness, error?.code ?? null];
			}),
			[
				[200, "whole", null],
				[404, "whole", null],
				[499, "whole", null],
				[500, "failed", "upstream_status"],
			],
		);
		const text = metrics.print("prometheus", null, null);
		const failed = text
			.split("\n")
			.filter((one) => one.includes('error_type="upstream_status"'))
			.filter((one) =>
				one.startsWith("http_server_request_duration_seconds_c"),
			);
		assert.equal(failed.length, 1);
		assert.match(failed[0] ?? "", /status_code="500".* 1$/);
	});

	it("is none if the config itself gives the status", async () => {
		const { ask, ends, lines } = passing();
		assert.equal((await ask("/own")).status, 503);
		assert.equal(ends[0]?.error, null);
		assert.deepEqual(lines, []);
	});
});
