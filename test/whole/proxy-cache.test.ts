import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { problemsOf } from "../kit/problems.ts";
import { serve } from "../kit/serve.ts";
import { type Answering, startUpstream } from "../kit/upstream.ts";

const config = (url: string) => `
upstreams:
  files: { url: "${url}", cache: true }
routes:
  ANY /f/{rest*}:
    proxy: { to: "files/{rest*}", cache: true }
  GET /step:
    steps: { it: { get: files/a } }
`;

async function serveFiles(answer: Answering) {
	const stack = new AsyncDisposableStack();
	const files = stack.use(await startUpstream(answer));
	const gateway = stack.use(await serve(config(files.url)));
	return {
		files,
		gateway,
		[Symbol.asyncDispose]: () => stack.disposeAsync(),
	};
}

describe("a proxied route with a cache", () => {
	test("asks once, of chunked answers too, and tells their age", async () => {
		await using all = await serveFiles((_request, response) => {
			response.setHeader("cache-control", "max-age=60");
			response.setHeader("age", "5");
			response.write("one, ");
			response.end("two");
		});
		for (let time = 0; time < 3; time++) {
			const { text, headers } = await all.gateway.get("/f/a");
			assert.equal(text, "one, two");
			assert.equal(headers.age, "5");
			assert.equal(headers["cache-control"], "max-age=60");
		}
		assert.equal(all.files.seen.length, 1);
	});

	test("passes the upstream's own instant on, and keeps it with the answer", async () => {
		await using all = await serveFiles((_request, response) => {
			response.setHeader("date", "Thu, 01 Jan 2026 00:00:00 GMT");
			response.setHeader("expires", "Thu, 01 Jan 2026 01:00:00 GMT");
			response.end("one");
		});
		for (const path of ["/f/a", "/f/a", "/f/b"]) {
			const { headers } = await all.gateway.get(path);
			assert.equal(headers.date, "Thu, 01 Jan 2026 00:00:00 GMT");
			assert.equal(headers.expires, "Thu, 01 Jan 2026 01:00:00 GMT");
		}
		assert.equal(all.files.seen.length, 2);
	});

	test("has an instant of the gateway's if the upstream says none", async () => {
		await using all = await serveFiles((_request, response) => {
			response.sendDate = false;
			response.end("one");
		});
		const { headers } = await all.gateway.get("/f/a");
		assert.ok(Math.abs(Date.parse(headers.date ?? "") - Date.now()) < 60_000);
	});

	test("keeps what is compressed as it was sent, apart from what steps decode", async () => {
		await using all = await serveFiles((_request, response) => {
			response.setHeader("cache-control", "max-age=60");
			response.setHeader("content-encoding", "gzip");
			response.setHeader("content-type", "application/json");
			response.end(gzipSync('{"a":1}'));
		});
		const { url } = all.gateway;
		for (let time = 0; time < 2; time++) {
			const answer = await fetch(`${url}/f/a`);
			assert.equal(answer.headers.get("content-encoding"), "gzip");
			assert.deepEqual(await answer.json(), { a: 1 });
			assert.equal((await all.gateway.get("/step")).text, '{"a":1}');
		}
		assert.equal(all.files.seen.length, 2);
	});

	test("keeps nothing that was cut", async () => {
		await using all = await serveFiles(({ target }, response) => {
			response.setHeader("cache-control", "max-age=60");
			if (target === "/length") response.setHeader("content-length", 99);
			response.write("half");
			setImmediate(() => response.socket?.destroy());
		});
		for (const path of ["/f/length", "/f/chunked"]) {
			await assert.rejects(all.gateway.get(path));
			await assert.rejects(all.gateway.get(path));
		}
		assert.equal(all.files.seen.length, 4);
	});

	test("answers 304 from what is kept, and drops it when it is written", async () => {
		await using all = await serveFiles(({ method }, response) => {
			response.setHeader("cache-control", "max-age=60");
			response.setHeader("etag", '"1"');
			response.end(method);
		});
		await all.gateway.get("/f/a");
		const headers = { "if-none-match": '"1"' };
		const known = await all.gateway.get("/f/a", { headers });
		assert.deepEqual([known.status, known.text], [304, ""]);
		assert.equal(all.files.seen.length, 1);
		await all.gateway.get("/f/a", { method: "PUT", body: "x" });
		assert.equal((await all.gateway.get("/f/a")).text, "GET");
		assert.equal(all.files.seen.length, 3);
	});
});

test("a route cannot keep what its upstream does not", () => {
	const without = config("http://files.test").replace(", cache: true", "");
	assert.deepEqual(problemsOf(without), [
		"test.yaml:6:42: `files` has no cache to keep answers in: write `cache: true` there, too",
	]);
});
