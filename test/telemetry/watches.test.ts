import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { printKept } from "../../src/cli/history-text.ts";
import type { TrailEnded } from "../../src/core/events.ts";
import { createMetrics } from "../../src/telemetry/metrics/metrics.ts";
import { RateCounter } from "../../src/telemetry/traffic/rates.ts";
import { packEnd, unpackEnd } from "../../src/telemetry/trail/packed.ts";
import {
	detailOf,
	summaryOf,
} from "../../src/telemetry/trail/shown-request.ts";
import { rowsOf } from "../../ui/src/waterfall.ts";
import { type Reply, type TestGateway, testRoute } from "../kit/gateway.ts";
import { linesOf } from "../kit/log.ts";
import { tracing } from "../kit/spans.ts";
import { watch } from "../kit/watch.ts";

function liveRoute(reply: () => Reply = () => ({ json: 1, afterMs: 20 })) {
	return testRoute(
		{ live: { every: "10s" }, steps: { a: { get: "users/a" } } },
		reply,
	);
}

/** Someone watches for 25 seconds and leaves, and someone polls in vain. */
async function watched(kit: TestGateway) {
	const one = watch(kit, "/x");
	await kit.clock.advance(5_000);
	const etag = one.events[0]?.id ?? "";
	const headers = ["if-none-match", etag, "prefer", "wait=10"];
	watch(kit, "/x", { headers });
	await kit.clock.advance(20_000);
	one.leave();
	await kit.clock.advance(60_000);
}

const trailOf = ({ trails }: TestGateway, role: string): TrailEnded =>
	trails.find((end) => end.watch === role) ?? assert.fail(`no ${role}`);

describe("a watch", () => {
	it("is a request for each run, and for each client that watched", async () => {
		const kit = liveRoute();
		await watched(kit);
		assert.deepEqual(
			kit.ended.map(({ watch, status, error, route, method, durationMs }) => [
				...[watch, status, error?.code ?? null],
				...[route, method, durationMs],
			]),
			[
				["run", 200, null, "GET /x", "GET", 20],
				["run", 200, null, "GET /x", "GET", 20],
				["wait", 304, null, "GET /x", "GET", 10_000],
				["run", 200, null, "GET /x", "GET", 20],
				["events", 200, null, "GET /x", "GET", 25_000],
			],
		);
		const ids = new Set(kit.ended.map(({ requestId }) => requestId));
		assert.equal(ids.size, 4, "each run has an id of its own");
		const [run] = kit.trails;
		assert.deepEqual(
			run?.trail.steps.map(({ path, end }) => [path, end]),
			[["a", "ok"]],
		);
		await kit.clock.advance(0);
	});

	it("is no client's if it could not begin", async () => {
		const kit = liveRoute(() => ({ status: 500 }));
		watch(kit, "/x");
		await kit.clock.advance(0);
		assert.deepEqual(
			kit.ended.map(({ watch, status }) => [watch, status]),
			[
				["run", 502],
				[undefined, 502],
			],
		);
	});

	it("is the same when it comes from the history, with its steps or without", async () => {
		const kit = liveRoute();
		await watched(kit);
		for (const role of ["run", "events", "wait"]) {
			const end = trailOf(kit, role);
			const { requestId: id, status, durationMs, route } = end;
			for (const withSteps of [true, false]) {
				const text = packEnd(end, withSteps);
				const head = { id, route, status, durationMs };
				const read = unpackEnd(head, JSON.parse(text));
				assert.equal(read.watch, role);
				assert.equal(read.parts, null);
				assert.equal(summaryOf(read, 0).watch, role);
			}
		}
		const plain = await kit.ask("/x");
		assert.equal(plain.status, 200);
		const last = kit.trails.at(-1) as TrailEnded;
		assert.equal(
			JSON.parse(packEnd(last, true)).length,
			10,
			"others take no more room",
		);
	});

	it("is told in the log, in spans, on the page and in the terminal", async () => {
		const kit = liveRoute();
		const lines = linesOf(kit.gateway, { requests: "all" });
		const spans = tracing(kit);
		await watched(kit);
		assert.deepEqual(
			lines.map(({ watch }) => watch),
			["run", "run", "wait", "run", "events"],
		);
		const roots = spans().filter(({ name }) => name === "GET /x");
		assert.deepEqual(
			roots.map(({ attributes }) => attributes["sluice.watch"]),
			["run", "run", "wait", "run", "events"],
		);
		// Internal, and of a server.
		const kinds = roots.map(({ kind }) => kind);
		assert.deepEqual(kinds, [0, 0, 1, 0, 1]);
		const detail = detailOf(trailOf(kit, "run"), 0);
		assert.deepEqual(rowsOf(detail)[0]?.marks, ["run for those who watch"]);
		const text = printKept({ ...detail, record: null }, {
			columns: 80,
			color: false,
		} as never);
		assert.match(text, /watched +by others: the gateway ran it for them/);
	});

	it("counts in metrics of its own, and its clients among the answers", async () => {
		let run = 0;
		const kit = liveRoute(() =>
			run++ === 1 ? { status: 500 } : { json: run === 1, afterMs: 20 },
		);
		const metrics = createMetrics(kit.gateway);
		const one = watch(kit, "/x");
		await kit.clock.advance(25_000);
		const lines = () => metrics.print("prometheus").split("\n");
		const has = (line: string) => assert.ok(lines().includes(line), line);
		has('sluice_watches{route="GET /x"} 1');
		has('sluice_watchers{route="GET /x"} 1');
		has('sluice_watch_runs_total{route="GET /x",outcome="changed"} 2');
		has('sluice_watch_runs_total{route="GET /x",outcome="unchanged"} 0');
		has('sluice_watch_runs_total{route="GET /x",outcome="failed"} 1');
		has('sluice_watch_run_duration_seconds_count{route="GET /x"} 3');
		has('sluice_answers_total{route="GET /x",completeness="failed"} 0');
		one.leave();
		await kit.clock.advance(60_000);
		has('sluice_watchers{route="GET /x"} 0');
		has('sluice_answers_total{route="GET /x",completeness="whole"} 1');
		const took = lines().filter((line) =>
			line.startsWith("http_server_request_duration_seconds_count"),
		);
		assert.deepEqual(took, []);
	});

	it("does not make its route look slow", async () => {
		const kit = liveRoute();
		const counter = new RateCounter(kit.gateway.plan);
		kit.gateway.events.trailEnded.push((end) =>
			counter.request(end, end.trail.steps, kit.clock.now()),
		);
		await watched(kit);
		const { recent } = counter.ofRoute("GET /x", 25_000);
		assert.equal(recent.count, 3, "its runs");
	});
});
