import assert from "node:assert/strict";
import { test } from "node:test";
import { readEvents } from "../kit/events.ts";
import { type ShownJob, serveJobs } from "../kit/jobs.ts";
import { json, startUpstream } from "../kit/upstream.ts";

const yaml = (url: string) => `
upstreams: { slow: { url: "${url}", timeout: 1m } }
routes:
  POST /reports/{year}:
    job: true
    request: { body: { type: object } }
    steps: { report: { get: "slow/\${params.year}" } }
    respond: { report: "\${report}", of: "\${body.of}" }
    status: 201
`;

test("a job is taken on, told of by events and by its state, and gives its answer, over this transport", async () => {
	const { promise: released, resolve: release } = Promise.withResolvers<void>();
	await using upstream = await startUpstream((_, response) => {
		void released.then(() => json(response, { sum: 7 }));
	});
	await using served = await serveJobs(yaml(upstream.url));
	const taken = await served.get("/reports/2026", {
		method: "POST",
		headers: { "content-type": "application/json", prefer: "respond-async" },
		body: '{"of":"Ada"}',
	});
	assert.equal(taken.status, 202, taken.text);
	const { url, state } = taken.json as ShownJob;
	assert.equal(taken.headers.location, url);
	assert.equal(taken.headers["preference-applied"], "respond-async");
	assert.match(state, /^(?:queued|running)$/);
	const events = await readEvents(served.url + url);
	assert.equal(events.type, "text/event-stream");
	const seen = async (wanted: string) => {
		for (;;) {
			const { data } = await events.next("job");
			if (data.state === wanted) return data as unknown as ShownJob;
		}
	};
	await seen("running");
	const waiting = served.get(`${url}/answer`, {
		headers: { prefer: "wait=50" },
	});
	release();
	const done = await seen("done");
	await events.ended;
	const answer = await waiting;
	assert.equal(answer.status, 201);
	assert.deepEqual(answer.json, { report: { sum: 7 }, of: "Ada" });
	assert.equal(done.answer, `${url}/answer`);
	const now = await served.get(url);
	assert.deepEqual([now.status, now.json], [200, done]);
	assert.equal((await served.get(url, { method: "DELETE" })).status, 204);
	assert.equal((await served.get(`${url}/answer`)).status, 410);
});

test("a job goes on when its client has left its events, over this transport", async () => {
	const { promise: released, resolve: release } = Promise.withResolvers<void>();
	await using upstream = await startUpstream((_, response) => {
		void released.then(() => json(response, 1));
	});
	await using served = await serveJobs(yaml(upstream.url));
	const { json: taken } = await served.get("/reports/1", {
		method: "POST",
		headers: { "content-type": "application/json", prefer: "respond-async" },
		body: "{}",
	});
	const { url } = taken as ShownJob;
	const events = await readEvents(served.url + url);
	await events.next("job");
	events.leave();
	release();
	const answer = await served.get(`${url}/answer`, {
		headers: { prefer: "wait=50" },
	});
	assert.equal(answer.status, 201);
});
