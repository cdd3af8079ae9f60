import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { addedState } from "../../src/admin/added-state.ts";
import { stateOf } from "../../src/admin/state-page.ts";
import { createMetrics } from "../../src/telemetry/metrics/metrics.ts";
import { createTraffic } from "../../src/telemetry/traffic/traffic.ts";
import { everything } from "../kit/history.ts";
import { begin, ended, type ShownJob, serveJobs } from "../kit/jobs.ts";
import { linesOf } from "../kit/log.ts";

test("an operator sees jobs in the state, in the metrics and in the record of their runs", async () => {
	await using served = await serveJobs(
		"routes: { GET /now: { job: true, respond: 1 } }",
	);
	const { gateway } = served;
	const metrics = createMetrics(gateway);
	const traffic = createTraffic(gateway);
	const state = stateOf({ gateway, server: null, metrics, traffic });
	await ended(served, await begin(served, "/now"));
	const seen = await untilCounted(state);
	assert.partialDeepStrictEqual(seen.jobs?.counts, { queued: 0, done: 1 });
	assert.equal(seen.jobs?.running, 0);
	const both = addedState(
		[1, 2].map((worker) => ({ worker, state: seen })),
		{ at: "", startedAt: "", draining: false },
	);
	assert.equal(both?.jobs?.counts?.done, 1);
	const text = metrics.print("prometheus", null, null);
	assert.match(text, /^sluice_jobs\{state="done"\} 1$/m);
	assert.match(text, /^sluice_jobs_run 0$/m);
	const runs = served.ended.filter(({ job }) => job);
	assert.deepEqual(
		runs.map(({ watch, status }) => [watch, status]),
		[[undefined, 200]],
	);
	const { requests } = traffic.list(everything);
	assert.equal(requests.filter(({ job }) => job).length, 1);
	// The run is no request of a client's.
	assert.match(
		text,
		/^http_server_request_duration_seconds_count\{[^}]*http_route="\/now"[^}]*\} 1$/m,
	);
	metrics.detach();
	traffic.detach();
});

test("the log says of a job that was cancelled that it was given up, and not that a client left", async () => {
	const upstream = createServer(() => {}).listen(0, "127.0.0.1");
	await once(upstream, "listening");
	const { port } = upstream.address() as AddressInfo;
	for (const requests of ["failed", "partial", "all"] as const) {
		await using served = await serveJobs(
			`upstreams: { slow: { url: "http://127.0.0.1:${port}", timeout: 1m } }
routes: { POST /a: { deadline: 1m, job: { always: true }, steps: { a: { get: slow/a } } } }`,
		);
		const lines = linesOf(served.gateway, { requests });
		const asked = await begin(served, "/a", { method: "POST" });
		let state = "";
		while (state !== "running") {
			({ state } = (await served.get(asked.url)).json as ShownJob);
		}
		await served.get(asked.url, { method: "DELETE" });
		assert.equal((await ended(served, asked)).code, "job_cancelled");
		while (!served.ended.some(({ job }) => job)) {
			await new Promise((resolve) => setImmediate(resolve));
		}
		const told = lines
			.map(({ words }) => words)
			.filter((words) => words !== "answered");
		const words =
			"the job was given up: it was cancelled, or another process has it";
		assert.deepEqual(told, requests === "failed" ? [] : [words], requests);
	}
	upstream.closeAllConnections();
	upstream.close();
});

async function untilCounted(state: ReturnType<typeof stateOf>) {
	for (;;) {
		const seen = state();
		if (seen.jobs?.counts?.done === 1) return seen;
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
}
