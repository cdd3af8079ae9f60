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

describe("parts of what a proxied route keeps", () => {
	const text = "0123456789";
	/** Sends the bytes that are asked for, and all of it on another condition than `"1"`. */
	const ranging: Answering = ({ rawHeaders }, response) => {
		const of = (name: string) => rawHeaders[rawHeaders.indexOf(name) + 1];
		response.setHeader("cache-control", "max-age=60");
		response.setHeader("etag", '"1"');
		const asked = rawHeaders.includes("range") ? of("range") : undefined;
		const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(asked ?? "") ?? [];
		const holds = !rawHeaders.includes("if-range") || of("if-range") === '"1"';
		if (first === undefined || !holds) return void response.end(text);
		const part = text.slice(Number(first), Number(last || 9) + 1);
		const end = Number(first) + part.length - 1;
		response.setHeader("content-range", `bytes ${first}-${end}/10`);
		response.statusCode = 206;
		response.setHeader("content-length", part.length);
		response.end(part);
	};

	test("are given again, and become the whole by the bytes that are missing", async () => {
		await using all = await serveFiles(ranging);
		const ask = async (range: string | null) => {
			const headers: Record<string, string> = range === null ? {} : { range };
			const got = await all.gateway.get("/f/a", { headers });
			const { "content-range": place, "content-length": length } = got.headers;
			return [got.status, got.text, place, Number(length)];
		};
		const place = (said: string) => `bytes ${said}/10`;
		for (let time = 0; time < 2; time++) {
			const part = [206, "01234", place("0-4"), 5];
			assert.deepEqual(await ask("bytes=0-4"), part);
		}
		assert.deepEqual(await ask("bytes=1-2"), [206, "12", place("1-2"), 2]);
		assert.equal(all.files.seen.length, 1);
		for (let time = 0; time < 2; time++) {
			assert.deepEqual(await ask(null), [200, text, undefined, 10]);
		}
		assert.deepEqual(await ask("bytes=-3"), [206, "789", place("7-9"), 3]);
		assert.deepEqual(await ask("bytes=0-0,9-9"), [200, text, undefined, 10]);
		assert.equal(all.files.seen.length, 2);
		const { rawHeaders } = all.files.seen[1] ?? assert.fail("no second call");
		assert.equal(rawHeaders[rawHeaders.indexOf("range") + 1], "bytes=5-");
		assert.equal(rawHeaders[rawHeaders.indexOf("if-range") + 1], '"1"');
	});
});

test("what is not kept is a problem to whoever wants only what is kept, on both faces", async () => {
	await using files = await startUpstream((_request, response) => {
		response.end("{}");
	});
	await using gateway = await serve(`
upstreams:
  files: { url: "${files.url}", cache: true }
routes:
  GET /f/a: { proxy: { to: files/a, cache: true } }
  GET /step:
    steps: { it: { get: files/a, headers: { cache-control: only-if-cached } } }
  GET /optional:
    steps: { it: { get: files/a, headers: { cache-control: only-if-cached }, optional: true } }
`);
	const headers = { "cache-control": "only-if-cached" };
	for (const path of ["/f/a", "/step"]) {
		const answer = await gateway.get(path, { headers });
		assert.equal(answer.status, 504);
		assert.equal(answer.headers["content-type"], "application/problem+json");
		const { code } = answer.json as { code: string };
		assert.equal(code, "not_cached");
	}
	const { headers: said } = await gateway.get("/optional");
	assert.equal(said["sluice-missing"], "it;error=not_cached");
	assert.equal(files.seen.length, 0);
});
