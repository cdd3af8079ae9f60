import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { UserContext } from "../../src/config/config.ts";
import { longestTurn } from "../kit/blocked.ts";
import { testRoute } from "../kit/gateway.ts";
import { startNginx, withoutNginx } from "../kit/nginx.ts";
import { sendRaw } from "../kit/raw.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { type RealUpstream, startUpstream } from "../kit/upstream.ts";

/** Whatever data says, a call goes where the config sends it, with the parameters the config gives it. */

/** Texts that some server takes for a step upwards, or for the end of a path, percent-encoded as a client sends them. */
const upwards = [
	"..%2f..%2fadmin",
	"..%2F..%2Fadmin",
	"x%2f..%2f..%2fadmin",
	"..%5cadmin",
	"%2e%2e",
	"%252e%252e%252fadmin",
	"%252e%252e;%25ff",
	"..%3b%2fadmin",
	"%c0%ae%c0%ae%c0%afadmin",
	"a%00b",
	"a%2500b",
	`%${"25".repeat(9)}`,
];

/** The same as the value that a query or a body holds. */
const values = ["../../admin", "..\\admin", "%2e%2e", "..;a", " ..", "a\0b"];

describe("data that some server takes for a step upwards", () => {
	let upstream: RealUpstream;
	let gateway: ServedGateway;
	let asked: string[];

	before(async () => {
		upstream = await startUpstream((request, response) => {
			asked.push(request.target);
			response.end("{}");
		});
		gateway = await serve({
			upstreams: {
				api: { url: `${upstream.url}/base`, query: { key: "SECRET" } },
			},
			routes: {
				"GET /call/{id}": { steps: { a: { get: "api/users/${params.id}" } } },
				"GET /text/{id}": { steps: { a: { get: "api/u-${params.id}" } } },
				"GET /to/{id}": { proxy: "api/users/${params.id}" },
				"GET /files/{rest*}": { proxy: "api/files/{rest*}" },
				"GET /query": {
					request: { query: { id: { type: "string" } } },
					steps: { a: { get: "api/users/${query.id}" } },
				},
				"POST /body": {
					request: { body: { type: "object" } },
					steps: { a: { get: "api/users/${body.id}" } },
				},
				"GET /run/{id}": {
					steps: {
						a: {
							run: async (id: string, { call }: UserContext) =>
								(await call(`api/users/${encodeURIComponent(id)}`)).body,
							args: "${params.id}",
						},
					},
				},
			},
		});
	});
	after(async () => {
		await gateway[Symbol.asyncDispose]();
		await upstream[Symbol.asyncDispose]();
	});

	/** Answers a path that is sent as it stands. */
	async function statusOf(target: string): Promise<number> {
		asked = [];
		const head = `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
		return (await sendRaw(gateway.url, Buffer.from(head))).status;
	}

	for (const text of upwards) {
		it(`is refused in every part of a path: ${text.slice(0, 40)}`, async () => {
			for (const route of ["/call/", "/to/", "/files/"]) {
				assert.equal(await statusOf(route + text), 400, route);
				assert.deepEqual(asked, []);
			}
			// The function's own doing.
			assert.equal(
				await statusOf(`/run/${text}`),
				text.includes("%c0") ? 400 : 500,
			);
			assert.deepEqual(asked, []);
		});
	}

	it("is refused beside a text of the config's if it leaves the segment", async () => {
		assert.equal(await statusOf("/text/x%2f..%2fadmin"), 400);
		assert.equal(await statusOf("/text/..%2f"), 200);
		assert.deepEqual(asked, ["/base/u-..%2F?key=SECRET"]);
	});

	it("is refused from a query and from a body", async () => {
		for (const id of values) {
			const query = `/query?id=${encodeURIComponent(id)}`;
			assert.equal(await statusOf(query), 400, id);
			const { status } = await gateway.get("/body", {
				method: "POST",
				headers: { "content-type": "application/json" },
				body: JSON.stringify({ id }),
			});
			assert.equal(status, 400, id);
			assert.deepEqual(asked, []);
		}
	});

	it("is told apart from data that only looks odd, which is sent", async () => {
		for (const text of ["a%2fb", "...", "a..b", "100%25", "caf%C3%A9", ".a"]) {
			assert.equal(await statusOf(`/call/${text}`), 200, text);
			assert.equal(await statusOf(`/files/${text}`), 200, text);
		}
	});
});

describe("a parameter of the upstream's own", () => {
	it("is not shadowed by one of the client's, in whatever way a server reads it", async () => {
		const targets: string[] = [];
		await using upstream = await startUpstream((request, response) => {
			targets.push(request.target);
			response.end();
		});
		await using gateway = await serve({
			upstreams: { api: { url: upstream.url, query: { key: "SECRET" } } },
			routes: { "GET /p": { proxy: "api/p" } },
		});
		for (const pair of [
			"KEY=x",
			";key=x",
			"a;key=x",
			"key[]=x",
			"+key=x",
			"k%65y%ff=x",
			"key%00=x",
			"k%2565y=x",
		]) {
			await gateway.get(`/p?${pair}&b=2`);
		}
		for (const target of targets) {
			assert.match(target, /^\/p\?key=SECRET&(;|a)?&?b=2$/, target);
		}
		assert.equal(targets.length, 8);
	});

	it("is not shadowed by one that a function names", async () => {
		const { ask, calls } = testRoute(
			{
				steps: {
					a: {
						run: (name: string, { call }: UserContext) =>
							call("api/x", { query: { [name]: "x" } }),
						args: "${params.name}",
					},
				},
				respond: 1,
			},
			undefined,
			{
				key: "GET /x/{name}",
				upstreams: {
					api: { url: "http://api.test", query: { key: "SECRET" } },
				},
			},
		);
		for (const name of ["KEY", "key[]", "key%00", " key"]) {
			const answer = await ask(`/x/${encodeURIComponent(name)}`);
			assert.equal(answer.code, "step_failed", name);
		}
		assert.deepEqual(calls, []);
	});
});

describe("the path of a request", () => {
	const route = { respond: "${request.path}" };

	it("is in its normal form, so that the router, conditions and limits read the same", async () => {
		const { ask } = testRoute(route, undefined, { key: "GET /login" });
		for (const path of ["/login", "/%6cogin", "/l%6Fgin?x"]) {
			assert.deepEqual((await ask(path)).json, "/login", path);
		}
	});

	it("is counted once however it is written, where a limit counts by path", async () => {
		const { ask } = testRoute(
			{
				respond: 1,
				rateLimit: { limit: 1, per: "1h", by: "${request.path}" },
			},
			undefined,
			{ key: "GET /login" },
		);
		assert.equal((await ask("/login")).status, 200);
		assert.equal((await ask("/%6cogin")).status, 429);
		assert.equal((await ask("/login#1")).status, 400);
	});

	it("has no fragment: a `#` in a target is refused", async () => {
		const { ask } = testRoute(route, undefined, { key: "GET /login" });
		const { status, json } = await ask("/login#1");
		assert.equal(status, 400);
		assert.deepEqual((json as { errors: unknown }).errors, [
			{ at: "target", message: "holds a fragment: write `#` as `%23`" },
		]);
		assert.equal((await ask("/login?a#b")).status, 400);
	});
});

describe("a path that is encoded many times over", () => {
	it("keeps nobody else waiting", async () => {
		await using gateway = await serve({
			upstreams: { api: { url: "http://127.0.0.1:1" } },
			routes: { "GET /files/{rest*}": { proxy: "api/{rest*}" } },
		});
		const path = `/files/%${"25".repeat(7000)}`;
		const { turnMs } = await longestTurn(async () => {
			const answers = Array.from({ length: 16 }, () => gateway.get(path));
			for (const { status } of await Promise.all(answers)) {
				assert.equal(status, 400);
			}
		});
		assert.ok(turnMs < 250, `${turnMs} ms`);
	});
});

describe("a real nginx with another location beside the path", () => {
	it("is never led there", { skip: withoutNginx() }, async () => {
		await using nginx = await startNginx(`
			location /admin { return 200 admin; }
			location /base/ { return 200 base; }
			location / { return 200 outside; }`);
		await using gateway = await serve({
			upstreams: { api: { url: `${nginx.url}/base` } },
			routes: {
				"GET /to/{id}": { proxy: "api/users/${params.id}" },
				"GET /files/{rest*}": { proxy: "api/files/{rest*}" },
			},
		});
		const asked = [...upwards, "a", "a%2fb", "%2fadmin", "a%3f", "a%23"];
		for (const text of asked) {
			for (const route of ["/to/", "/files/"]) {
				const head = `GET ${route}${text} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
				const answer = await sendRaw(gateway.url, Buffer.from(head));
				const body = answer.body.toString();
				if (answer.status === 200) assert.equal(body, "base", route + text);
				else assert.ok(!/admin|outside/.test(body), route + text);
			}
		}
	});
});
