import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, test } from "node:test";
import { headerOf } from "../../src/core/http/headers.ts";
import {
	begin,
	ended,
	type ServeJobs,
	type ShareJobs,
	type ShownJob,
} from "../kit/jobs.ts";
import { json, startUpstream } from "../kit/upstream.ts";

const answering = (url: string) => `
upstreams: { shop: { url: ${url} } }
routes:
  POST /orders/{id}:
    request:
      headers: { x-tenant?: { type: string, maxLength: 20 } }
      body: { type: object }
    job: true
    steps:
      stock: { get: "shop/stock/\${params.id}" }
    respond: { id: "\${params.id}", asked: "\${body}", stock: "\${stock}" }
    status: 201
    headers: { etag: '"7"', x-tenant?: "\${headers.x_tenant}" }
  GET /always:
    job: { always: true }
    respond: { done: true }
  GET /plain:
    respond: 1
`;

const post = (body: string, headers: Record<string, string> = {}) => ({
	method: "POST",
	body,
	headers: { "content-type": "application/json", ...headers },
});

/** What a client sees of jobs, wherever they are kept. */
export function jobCases(serveJobs: ServeJobs, shareJobs: ShareJobs): void {
	describe("a request that becomes a job", () => {
		test("is answered with 202 and the job's address, and there with the very answer of a direct request", async () => {
			await using shop = await startUpstream((_, response) =>
				json(response, { left: 3 }),
			);
			await using served = await serveJobs(answering(shop.url));
			const request = post('{"n":1.50}', { "x-tenant": "a" });
			const direct = await served.get("/orders/7", request);
			assert.equal(direct.status, 201);
			const first = await served.get("/orders/7", {
				...request,
				headers: { ...request.headers, prefer: "respond-async" },
			});
			assert.equal(first.status, 202);
			assert.equal(first.headers["preference-applied"], "respond-async");
			assert.equal(first.headers["retry-after"], "1");
			const asked = first.json as ShownJob;
			assert.equal(first.headers.location, asked.url);
			assert.match(asked.url, /^\/-\/jobs\/[\w-]{27}$/);
			const job = await ended(served, asked);
			assert.equal(job.state, "done");
			assert.equal(job.status, 201);
			assert.deepEqual(job.steps, [{ step: "stock", state: "ended" }]);
			const answer = await served.get(job.answer ?? "");
			assert.equal(answer.status, 201);
			assert.equal(answer.text, direct.text);
			const own = { date: "", "x-request-id": "" };
			assert.deepEqual(
				{ ...answer.headers, ...own },
				{ ...direct.headers, ...own },
			);
		});

		test("is one without being asked for where the route says always, and none where it has no jobs", async () => {
			await using served = await serveJobs(answering("http://127.0.0.1:9"));
			const always = await served.get("/always");
			assert.equal(always.status, 202);
			assert.equal(always.headers["preference-applied"], undefined);
			const headers = { prefer: "respond-async" };
			assert.equal((await served.get("/plain", { headers })).status, 200);
		});

		test("is answered at once if its client would wait for so long as it takes", async () => {
			await using served = await serveJobs(answering("http://127.0.0.1:9"));
			const headers = { prefer: "respond-async, wait=20" };
			const answer = await served.get("/always", { headers });
			assert.equal(answer.status, 200);
			assert.deepEqual(answer.json, { done: true });
		});

		test("is refused like any other if it is not what the route declares", async () => {
			await using served = await serveJobs(answering("http://127.0.0.1:9"));
			const answer = await served.get("/orders/7", {
				...post("[1]", { prefer: "respond-async" }),
			});
			assert.equal(answer.status, 400);
		});

		test("fails as the direct request does, and its answer says so", async () => {
			await using shop = await startUpstream((_, response) => {
				response.statusCode = 500;
				response.end();
			});
			await using served = await serveJobs(answering(shop.url));
			const job = await ended(
				served,
				await begin(served, "/orders/7", post("{}")),
			);
			assert.equal(job.state, "failed");
			assert.equal(job.code, "upstream_status");
			const answer = await served.get(job.answer ?? "");
			assert.equal(answer.status, 502);
			assert.equal((answer.json as ShownJob).code, "upstream_status");
		});
	});

	describe("the address of a job", () => {
		test("knows no job by a wrong id, and no other methods", async () => {
			await using served = await serveJobs(answering("http://127.0.0.1:9"));
			for (const path of [
				"/-/jobs/",
				"/-/jobs/7",
				`/-/jobs/${"a".repeat(27)}`,
			]) {
				const answer = await served.get(path);
				assert.equal(answer.status, 404);
				assert.equal((answer.json as ShownJob).code, "job_not_found");
			}
			const { url } = await begin(served, "/always");
			const put = await served.get(url, { method: "PUT" });
			assert.equal(put.status, 405);
			assert.equal(put.headers.allow, "DELETE, GET, HEAD");
			const wrong = await served.get(`${url}/answer`, { method: "DELETE" });
			assert.equal(wrong.headers.allow, "GET, HEAD");
		});

		test("shows a job that runs, has no answer before its end, and cancels it", async () => {
			await using shop = await startUpstream(() => {});
			await using served = await serveJobs(answering(shop.url));
			const asked = await begin(served, "/orders/7", post("{}"));
			await shop.arrived(1);
			const early = await served.get(`${asked.url}/answer`);
			assert.equal(early.status, 409);
			assert.equal(early.headers["retry-after"], "1");
			const running = (await served.get(asked.url)).json as ShownJob;
			assert.equal(running.state, "running");
			const gone = await served.get(asked.url, { method: "DELETE" });
			assert.equal(gone.status, 204);
			await shop.aborted(1);
			const after = (await served.get(asked.url)).json as ShownJob;
			assert.equal(after.state, "cancelled");
			const answer = await served.get(`${asked.url}/answer`);
			assert.equal(answer.status, 410);
			assert.equal((answer.json as ShownJob).code, "job_cancelled");
		});

		test("forgets a job that has ended when it is deleted", async () => {
			await using served = await serveJobs(answering("http://127.0.0.1:9"));
			const job = await ended(served, await begin(served, "/always"));
			await served.get(job.url, { method: "DELETE" });
			for (const path of [job.url, `${job.url}/answer`]) {
				const answer = await served.get(path);
				assert.equal(answer.status, 410);
				assert.equal((answer.json as ShownJob).code, "job_gone");
			}
		});

		test("follows a job by events up to its end", async () => {
			let answer = () => {};
			await using shop = await startUpstream((_, response) => {
				answer = () => json(response, 1);
			});
			await using served = await serveJobs(answering(shop.url));
			const asked = await begin(served, "/orders/7", post("{}"));
			const accept = "text/event-stream";
			const stream = await fetch(served.url + asked.url, {
				headers: { accept },
			});
			assert.equal(stream.headers.get("content-type"), accept);
			await shop.arrived(1);
			answer();
			const events = (await stream.text())
				.split("\n\n")
				.flatMap((one) => /^event: job\ndata: (.*)$/.exec(one)?.[1] ?? [])
				.map((data) => JSON.parse(data) as ShownJob);
			assert.equal(events.at(-1)?.state, "done");
			assert.ok(events.length >= 2);
		});

		test("counts to the limit of all requests, and pages of other origins may read it", async () => {
			await using served = await serveJobs(
				`${answering("http://127.0.0.1:9")}
rateLimit: { limit: 2, per: 1h }
server: { cors: { origins: ["https://page.example"] } }`,
			);
			const { url } = await begin(served, "/always");
			const headers = { origin: "https://page.example" };
			const read = await served.get(url, { headers });
			assert.equal(
				read.headers["access-control-allow-origin"],
				"https://page.example",
			);
			assert.equal((await served.get(url)).status, 429);
		});
	});

	describe("bounds of jobs", () => {
		test("refuse one more than may wait, and one more than may be kept", async () => {
			await using shop = await startUpstream(() => {});
			await using served = await serveJobs(
				answering(shop.url),
				"  parallel: 1\n  queued: 2\n  kept: 1",
			);
			const headers = { prefer: "respond-async" };
			const runs = await begin(served, "/orders/1", post("{}"));
			await shop.arrived(1);
			const waits = await begin(served, "/always");
			await begin(served, "/always");
			const refused = await served.get("/always", { headers });
			assert.equal(refused.status, 503);
			assert.equal((refused.json as ShownJob).code, "jobs_full");
			assert.equal(refused.headers["retry-after"], "1");
			await served.get(waits.url, { method: "DELETE" });
			const kept = await served.get("/always", { headers });
			assert.equal((kept.json as ShownJob).code, "jobs_full");
			await served.get(waits.url, { method: "DELETE" });
			assert.equal((await served.get("/always", { headers })).status, 202);
			await served.get(runs.url, { method: "DELETE" });
		});

		test("end a job whose turn does not come in time", async () => {
			await using shop = await startUpstream(() => {});
			await using served = await serveJobs(
				answering(shop.url).replace(
					"always: true",
					"always: true, expires: 1ms",
				),
				"  parallel: 1",
			);
			const runs = await begin(served, "/orders/1", post("{}"));
			await shop.arrived(1);
			const late = await ended(served, await begin(served, "/always"));
			assert.equal(late.state, "expired");
			const answer = await served.get(`${late.url}/answer`);
			assert.equal(answer.status, 504);
			await served.get(runs.url, { method: "DELETE" });
		});

		test("drop a job that was kept for long enough", async () => {
			await using served = await serveJobs(
				answering("http://127.0.0.1:9").replace(
					"always: true",
					"always: true, keep: 1ms",
				),
			);
			const { url } = await begin(served, "/always");
			for (;;) {
				const { status } = await served.get(url);
				if (status === 410) break;
				assert.equal(status, 200);
			}
		});
	});

	describe("a key that a client sends again", () => {
		const post = (key: string, body: string) => ({
			method: "POST",
			body,
			headers: {
				...{ prefer: "respond-async", "content-type": "application/json" },
				"idempotency-key": key,
			},
		});
		const orders = `
routes:
  POST /orders:
    request: { body: {} }
    job: true
    respond: { got: "\${body}" }
  POST /others:
    request: { body: {} }
    job: true
    respond: 1
`;

		test("gets the same job for the same request, also when it has ended, and 422 for another", async () => {
			await using served = await serveJobs(orders);
			const key = '"8e03978e-40d5"';
			const all = await Promise.all(
				[1, 2, 3, 4].map(() => served.get("/orders", post(key, '{"a":1}'))),
			);
			const urls = new Set(all.map(({ headers }) => headers.location));
			assert.equal(urls.size, 1);
			assert.ok(all.every(({ status }) => status === 202));
			await ended(served, all[0]?.json as ShownJob);
			const late = await served.get(
				"/orders",
				post("8e03978e-40d5", '{"a":1}'),
			);
			assert.ok(urls.has(late.headers.location));
			const other = await served.get("/orders", post(key, '{"a":2}'));
			assert.equal(other.status, 422);
			assert.equal((other.json as ShownJob).code, "idempotency_key_reused");
			const elsewhere = await served.get("/others", post(key, '{"a":2}'));
			assert.equal(elsewhere.status, 202);
		});

		test("is refused if it is none", async () => {
			await using served = await serveJobs(orders);
			for (const key of ['""', "a b", '"a', "x".repeat(256)]) {
				const answer = await served.get("/orders", post(key, "1"));
				assert.equal(answer.status, 400, key);
			}
		});
	});

	describe("the end of a job", () => {
		const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
		const told = (url: string, more = "") => `
upstreams: { crm: { url: ${url} } }
routes:
  GET /now:
    job: { always: true, webhook: crm/hooks/jobs ${more} }
    respond: 1
`;
		const bounds = "  secret: ${env.WEBHOOK_SECRET}";

		test("is told by a signed call, again until it is taken, with one id", async () => {
			let calls = 0;
			await using crm = await startUpstream((_, response) => {
				calls++;
				json(response, {}, calls === 1 ? 503 : 200);
			});
			await using served = await serveJobs(told(crm.url), bounds, {
				WEBHOOK_SECRET: secret,
			});
			const job = await ended(served, await begin(served, "/now"));
			await crm.arrived(2);
			const [first, second] = crm.seen;
			assert.equal(first?.target, "/hooks/jobs");
			assert.equal(first?.body, second?.body);
			const message = JSON.parse(second?.body ?? "") as {
				readonly type: string;
				readonly data: ShownJob;
			};
			assert.equal(message.type, "job.done");
			assert.equal(message.data.id, job.id);
			assert.equal(message.data.answer, job.answer);
			const field = (name: string) =>
				headerOf(second?.rawHeaders ?? [], name) ?? "";
			assert.equal(field("webhook-id"), `msg_${job.id}`);
			const signed = `${field("webhook-id")}.${field("webhook-timestamp")}.${second?.body}`;
			const expected = createHmac("sha256", Buffer.alloc(32, 7))
				.update(signed)
				.digest("base64");
			assert.equal(field("webhook-signature"), `v1,${expected}`);
			const age = Date.now() / 1000 - Number(field("webhook-timestamp"));
			assert.ok(age >= 0 && age < 60, `${age}`);
		});
	});

	describe("a schedule", () => {
		test("makes one job for each of its times, however many processes there are", async () => {
			await using shop = await startUpstream((_, response) =>
				json(response, 1),
			);
			const yaml = `
upstreams: { shop: { url: ${shop.url} } }
routes:
  GET /each-second:
    job: { schedule: "* * * * * *" }
    steps: { a: { get: "shop/at" } }
    respond: "\${a}"
`;
			const shared = shareJobs();
			try {
				await using first = await shared.serve(yaml);
				await using second = await shared.serve(yaml);
				const from = Math.ceil(Date.now() / 1000);
				first.gateway.jobs?.begin();
				second.gateway.jobs?.begin();
				await shop.arrived(3);
				const seconds = Math.floor(Date.now() / 1000) - from + 1;
				assert.ok(
					shop.seen.length <= seconds + 1,
					`${shop.seen.length} ${seconds}`,
				);
			} finally {
				shared[Symbol.dispose]();
			}
		});
	});
}
