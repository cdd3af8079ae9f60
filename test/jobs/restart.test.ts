import assert from "node:assert/strict";
import { mkdirSync, statSync } from "node:fs";
import sqlite from "node:sqlite";
import { describe, test } from "node:test";
import { JobDatabase } from "../../src/jobs/sqlite/database.ts";
import {
	begin,
	ended,
	inFile,
	jobsFolder,
	type ShownJob,
} from "../kit/jobs.ts";
import { json, startUpstream } from "../kit/upstream.ts";

const routes = (url: string) => `
upstreams: { shop: { url: ${url} } }
routes:
  GET /read:
    job: { always: true }
    steps: { a: { get: shop/a } }
    respond: { a: "\${a}" }
  POST /write:
    job: true
    steps: { a: { post: shop/a } }
    respond: { a: "\${a}" }
  POST /write-again:
    job: { attempts: 2 }
    steps: { a: { post: shop/a } }
    respond: { a: "\${a}" }
  GET /now:
    job: { always: true }
    respond: 1
`;

describe("a process that stops", () => {
	test("leaves a job that only reads to the next, and one that wrote ends as interrupted unless it may be run again", async () => {
		using folder = jobsFolder();
		let answers = false;
		await using shop = await startUpstream((_, response) => {
			if (answers) json(response, 1);
		});
		const jobs: ShownJob[] = [];
		{
			await using first = await inFile(folder.file)(routes(shop.url));
			const post = { method: "POST" };
			jobs.push(await begin(first, "/read"));
			jobs.push(await begin(first, "/write", post));
			jobs.push(await begin(first, "/write-again", post));
			await shop.arrived(3);
		}
		answers = true;
		await using second = await inFile(folder.file)(routes(shop.url));
		second.gateway.jobs?.begin();
		const after = await Promise.all(jobs.map((job) => ended(second, job)));
		assert.deepEqual(
			after.map(({ state, begun }) => [state, begun]),
			[
				["done", 1],
				["interrupted", 1],
				["done", 2],
			],
		);
		const [read, write] = after;
		assert.equal((await second.get(`${read?.answer}`)).text, '{"a":1}');
		const problem = await second.get(`${write?.url}/answer`);
		assert.equal(problem.status, 500);
		assert.equal((problem.json as ShownJob).code, "job_interrupted");
	});

	test("runs no job whose route is gone", async () => {
		using folder = jobsFolder();
		await using shop = await startUpstream(() => {});
		let job: ShownJob;
		{
			await using first = await inFile(folder.file)(routes(shop.url));
			job = await begin(first, "/read");
		}
		const others = routes(shop.url).replace("GET /read:", "GET /other:");
		await using second = await inFile(folder.file)(others);
		second.gateway.jobs?.begin();
		const after = await ended(second, job);
		assert.equal(after.state, "failed");
		assert.equal(after.code, "route_not_found");
	});
});

describe("leases", () => {
	const bounds = { fileBytesMax: 1e9, queuedMax: 10, keptMax: 10 };
	const job = (id: string, attempts: number) => ({
		...{ id, route: "GET /x", owner: null, requestId: id, attempts },
		...{ acceptedAt: Date.now(), expiresAt: Date.now() + 1e6, keptMs: 1e6 },
		...{ key: null, hook: false },
		request: {
			...{ method: "GET", target: "/x", headers: [], ip: "::1" },
			...{ scheme: null, body: new Uint8Array() },
		},
	});

	test("keep a job from others as long as its process lives, and let nobody else end it", () => {
		using folder = jobsFolder();
		const one = new JobDatabase({ file: folder.file, ...bounds });
		const other = new JobDatabase({ file: folder.file, ...bounds });
		one.add(job("a", 2));
		const taken = one.take();
		assert.equal(taken?.job.id, "a");
		assert.equal(other.take(), null);
		other.beat();
		assert.equal(other.take(), null);
		const answer = { status: 200, headers: [], body: null };
		const outcome = { state: "done", code: null, answer } as const;
		assert.equal(other.end("a", "another run", outcome, []), null);
		// As if the process had died: its lease runs out.
		const db = new sqlite.DatabaseSync(folder.file);
		db.exec("UPDATE job SET lease = 1");
		other.beat();
		const again = other.take();
		assert.equal(again?.job.begun, 2);
		assert.equal(one.end("a", taken?.run ?? "", outcome, []), null);
		assert.equal(other.end("a", again?.run ?? "", outcome, [])?.state, "done");
		db.close();
		one.close();
		other.close();
	});

	test("of a machine that has started anew do not hold", () => {
		using folder = jobsFolder();
		const one = new JobDatabase({ file: folder.file, ...bounds });
		one.add(job("a", 1));
		one.take();
		const db = new sqlite.DatabaseSync(folder.file);
		db.exec("UPDATE job SET lease = lease + 1e9");
		db.close();
		const other = new JobDatabase({ file: folder.file, ...bounds });
		other.beat();
		const found = other.find("a");
		assert.equal(found?.kind === "found" && found.job.state, "interrupted");
		one.close();
		other.close();
	});

	test("keep nothing of a request whose job has ended", () => {
		using folder = jobsFolder();
		const one = new JobDatabase({ file: folder.file, ...bounds });
		one.add({
			...job("a", 1),
			request: { ...job("a", 1).request, headers: ["x-key", "s3cret"] },
		});
		one.cancel("a");
		const db = new sqlite.DatabaseSync(folder.file);
		const row = db.prepare("SELECT request, request_body FROM job").get();
		assert.deepEqual({ ...row }, { request: null, request_body: null });
		db.close();
		one.close();
	});
});

describe("a database that cannot be used", () => {
	const asked = { headers: { prefer: "respond-async" } };

	test("takes no job on while another has it locked, and is used again after that", async () => {
		using folder = jobsFolder();
		await using served = await inFile(folder.file)(
			routes("http://127.0.0.1:9"),
		);
		await ended(served, await begin(served, "/now"));
		const db = new sqlite.DatabaseSync(folder.file);
		db.exec("BEGIN EXCLUSIVE");
		const refused = await served.get("/now", asked);
		assert.equal(refused.status, 503);
		assert.equal((refused.json as ShownJob).code, "jobs_unavailable");
		assert.equal(refused.headers["retry-after"], "1");
		db.exec("ROLLBACK");
		assert.equal(db.prepare("SELECT count(*) AS n FROM job").get()?.n, 1);
		db.close();
		assert.equal((await served.get("/now", asked)).status, 202);
	});

	test("is one of something else, or no database, and is left alone", async () => {
		using folder = jobsFolder();
		const db = new sqlite.DatabaseSync(folder.file);
		db.exec("CREATE TABLE mine (x)");
		db.close();
		await using served = await inFile(folder.file)(
			routes("http://127.0.0.1:9"),
		);
		assert.equal((await served.get("/now", asked)).status, 503);
	});

	test("has no folder, and is made when the folder is there", async () => {
		using folder = jobsFolder();
		const inside = `${folder.file}-folder`;
		await using served = await inFile(`${inside}/jobs.db`)(
			routes("http://127.0.0.1:9"),
		);
		assert.equal((await served.get("/now", asked)).status, 503);
		mkdirSync(inside);
		assert.equal((await served.get("/now", asked)).status, 202);
	});

	test("is full: refused, and what runs has room for its answer", () => {
		using folder = jobsFolder();
		const one = new JobDatabase({
			...{ file: folder.file, fileBytesMax: 8 * 1024 ** 2 },
			...{ queuedMax: 1e6, keptMax: 1e6 },
		});
		const body = new Uint8Array(100_000);
		let count = 0;
		for (;;) {
			const added = one.add({
				...{ id: `${count}`, route: "GET /x", owner: null, requestId: "r" },
				...{ attempts: 1, acceptedAt: 0, expiresAt: 1e15, keptMs: 1e15 },
				...{ key: null, hook: false },
				request: {
					...{ method: "GET", target: "/x", headers: [], ip: "::1" },
					...{ scheme: null, body },
				},
			});
			if (added.kind === "full") {
				assert.equal(added.what, "disk");
				break;
			}
			count++;
		}
		assert.ok(count > 40 && count < 84, `${count}`);
		const taken = one.take();
		const answer = {
			status: 200,
			headers: [],
			body: new Uint8Array(1_000_000),
		};
		const outcome = { state: "done", code: null, answer } as const;
		assert.ok(one.end(taken?.job.id ?? "", taken?.run ?? "", outcome, []));
		one.close();
	});

	test("may not be read by others", () => {
		using folder = jobsFolder();
		const one = new JobDatabase({
			...{ file: folder.file, fileBytesMax: 1e9, queuedMax: 1, keptMax: 1 },
		});
		assert.equal(statSync(folder.file).mode & 0o777, 0o600);
		assert.equal(statSync(`${folder.file}-wal`).mode & 0o777, 0o600);
		one.close();
	});
});
