import assert from "node:assert/strict";
import { test } from "node:test";
import { addedState } from "../../src/admin/added-state.ts";
import { stateOf } from "../../src/admin/state-page.ts";
import { createMetrics } from "../../src/telemetry/metrics/metrics.ts";
import { createTraffic } from "../../src/telemetry/traffic/traffic.ts";
import { everything } from "../kit/history.ts";
import { begin, ended, serveJobs } from "../kit/jobs.ts";

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

async function untilCounted(state: ReturnType<typeof stateOf>) {
	for (;;) {
		const seen = state();
		if (seen.jobs?.counts?.done === 1) return seen;
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
}
