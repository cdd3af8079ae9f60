import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkValue, configOrThrow } from "../../src/config/load.ts";
import { GatewayError } from "../../src/core/errors.ts";
import {
	type Answer,
	type Behaviour,
	byPath,
	type Reply,
	testGateway,
	testRoute,
} from "../kit/gateway.ts";
import { serve } from "../kit/serve.ts";
import { json, startUpstream } from "../kit/upstream.ts";

const upstreams = {
	users: { url: "http://users.test", cache: true },
	orders: { url: "http://orders.test", cache: { for: "5s" } },
};

const told = (control: string, json: unknown = 1): Reply => ({
	json,
	headers: ["cache-control", control],
});

function route(parts: object, behave: Behaviour, key?: string) {
	return testRoute(parts, behave, { upstreams, ...(key ? { key } : {}) });
}

const control = (answer: Answer) => answer.header("cache-control");

async function controlOf(parts: object, behave: Behaviour): Promise<unknown> {
	return control(await route(parts, behave).ask("/x"));
}

const one = { steps: { a: { get: "users/a" } } };
const two = {
	steps: { a: { get: "users/a" }, b: { get: "users/b" } },
	respond: ["${a}", "${b}"],
};

describe("an answer from cached upstreams", () => {
	it("holds as long as the part that holds least", async () => {
		const { ask, clock } = route(
			two,
			byPath({ "/a": told("max-age=60"), "/b": told("max-age=10") }),
		);
		assert.equal(control(await ask("/x")), "max-age=10");
		await clock.advance(3500);
		assert.equal(control(await ask("/x")), "max-age=6");
		await clock.advance(6499);
		assert.equal(control(await ask("/x")), "max-age=0");
		await clock.advance(1);
		assert.equal(control(await ask("/x")), "max-age=10");
	});

	it("holds for the author's time where the upstream is silent", async () => {
		const parts = { steps: { a: { get: "orders/a" } } };
		assert.equal(await controlOf(parts, () => ({ json: 1 })), "max-age=5");
	});

	it("says nothing where it is not known of one part", async () => {
		assert.equal(await controlOf(one, () => ({ json: 1 })), null);
		const parts = {
			steps: { a: { get: "users/a" }, b: { post: "search/b", body: 1 } },
			respond: ["${a}", "${b}"],
		};
		assert.equal(await controlOf(parts, () => told("max-age=60")), null);
	});

	it("says nothing where no upstream was asked", async () => {
		const parts = {
			steps: { a: { when: false, get: "users/a" } },
			respond: [1, "${a}"],
		};
		assert.equal(await controlOf(parts, () => told("max-age=60")), null);
	});

	it("is not held for long by what was asked but not read", async () => {
		const parts = {
			steps: {
				a: { get: "users/a", fallback: "${backup}" },
				backup: { get: "users/b", optional: true },
			},
			respond: "${a}",
		};
		const behave = byPath({
			"/a": { ...told("max-age=60"), afterMs: 10 },
			"/b": told("max-age=1"),
		});
		assert.equal(await controlOf(parts, behave), "max-age=59");
	});

	it("holds for one client where a part does, and for nobody where a part does", async () => {
		for (const [first, second, expected] of [
			["max-age=60", "private, max-age=30", "private, max-age=30"],
			["private, max-age=9", "max-age=30", "private, max-age=9"],
			["no-store", "max-age=30", "no-store"],
			["private, max-age=9", "no-store", "no-store"],
			["no-cache", "max-age=30", "max-age=0"],
		] as const) {
			const behave = byPath({ "/a": told(first), "/b": told(second) });
			assert.equal(await controlOf(two, behave), expected);
		}
	});

	it("holds for one client where a cookie comes with it", async () => {
		const setting: Reply = {
			json: 1,
			headers: ["cache-control", "max-age=60", "set-cookie", "a=1"],
		};
		assert.equal(await controlOf(one, () => setting), "private, max-age=60");
		const parts = { ...one, headers: { "set-cookie": "b=2" } };
		assert.equal(
			await controlOf(parts, () => told("max-age=60")),
			"private, max-age=60",
		);
	});

	it("counts what steps of groups and items of lists are made of", async () => {
		const parts = {
			steps: {
				group: {
					steps: { inner: { get: "users/7" } },
				},
				list: { each: [8, 9], get: "users/${item}" },
			},
			respond: ["${group}", "${list}"],
		};
		for (const least of ["7", "8", "9"]) {
			const behave: Behaviour = ({ request }) =>
				told(request.target === `/${least}` ? "max-age=10" : "max-age=60");
			assert.equal(await controlOf(parts, behave), "max-age=10");
		}
	});

	it("is never called fresh where it is partial, or stale", async () => {
		const optional = { a: { get: "users/a", optional: true } };
		const parts = {
			steps: { ...two.steps, ...optional },
			respond: two.respond,
		};
		const failed = byPath({ "/a": { status: 404 }, "/b": told("max-age=60") });
		const { ask } = route(parts, failed);
		const partial = await ask("/x");
		assert.equal(control(partial), "no-store");
		assert.equal(partial.header("etag"), null);

		let calls = 0;
		const stale = route(one, () =>
			++calls === 1
				? told("max-age=1, stale-while-revalidate=9")
				: { error: new GatewayError("upstream_unreachable", "down") },
		);
		await stale.ask("/x");
		await stale.clock.advance(1000);
		const refreshing = await stale.ask("/x");
		assert.equal(refreshing.header("sluice-missing"), "a;stale");
		assert.equal(control(refreshing), "max-age=0");
		const down = await stale.ask("/x");
		assert.equal(control(down), "no-store");
	});

	it("holds as its author says, who may say so", async () => {
		const parts = { ...one, headers: { "cache-control": "max-age=7" } };
		assert.equal(await controlOf(parts, () => told("max-age=60")), "max-age=7");
	});

	it("of a status that passes says nothing", async () => {
		for (const [status, expected] of [
			[201, "max-age=60"],
			[404, "max-age=60"],
			[410, "max-age=60"],
			[400, null],
			[503, null],
		] as const) {
			const parts = { ...one, status };
			assert.equal(await controlOf(parts, () => told("max-age=60")), expected);
		}
	});

	it("that a reply gives holds as long as what the reply was made of", async () => {
		const parts = {
			steps: {
				a: { get: "users/a" },
				gone: { reply: { status: 404, body: "${a}" }, when: "${a === 1}" },
				b: { get: "users/b" },
			},
			respond: ["${b}"],
		};
		const behave = byPath({
			"/a": told("max-age=60"),
			"/b": { ...told("max-age=1"), afterMs: 50 },
		});
		assert.equal(await controlOf(parts, behave), "max-age=60");
	});
});

describe("an answer that depends on the client", () => {
	const declaring = (request: object, more: object = {}) => ({
		request,
		...one,
		...more,
	});
	const field = (name: string) => ({
		headers: { [`${name}?`]: { type: "string" } },
	});
	const cookie = { cookies: { "session?": { type: "string" } } };
	const credentials = [
		cookie,
		field("authorization"),
		field("proxy-authorization"),
	];

	it("by a credential that the route declares is nobody's to keep, read or not", async () => {
		for (const request of credentials) {
			const { ask } = route(declaring(request), () => told("max-age=60"));
			const answer = await ask("/x");
			assert.equal(control(answer), "no-store", JSON.stringify(request));
			assert.equal(answer.header("etag"), null);
		}
	});

	it("by another field that the route declares says by which, read or not", async () => {
		const request = {
			headers: {
				"x-tenant?": { type: "string" },
				"accept-language?": { type: "string" },
			},
		};
		for (const where of [{}, { headers: { "y?": "${headers.x_tenant}" } }]) {
			const steps = { a: { get: "users/a", ...where } };
			const parts = declaring(request, { steps });
			const answer = await route(parts, () => told("max-age=60")).ask("/x");
			assert.equal(answer.header("vary"), "accept, accept-language, x-tenant");
			assert.equal(control(answer), "max-age=60");
		}
		const headers = { vary: "accept" };
		const own = route(declaring(request, { headers }), () => ({}));
		assert.equal((await own.ask("/x")).header("vary"), "accept");
	});

	it("says so also where no upstream has a cache, without a time", async () => {
		const uncached = (parts: object, key?: string) =>
			testRoute(parts, () => told("max-age=60"), key ? { key } : {});
		const { ask } = uncached(declaring(field("x-tenant")));
		const answer = await ask("/x");
		assert.equal(answer.header("vary"), "x-tenant");
		assert.deepEqual([control(answer), answer.header("etag")], [null, null]);
		for (const request of credentials) {
			const personal = await uncached(declaring(request)).ask("/x");
			assert.equal(control(personal), "private", JSON.stringify(request));
		}
		const headers = { vary: "accept", "cache-control": "max-age=1" };
		const own = await uncached(declaring(cookie, { headers })).ask("/x");
		assert.deepEqual(
			[control(own), own.header("vary")],
			["max-age=1", "accept"],
		);
		const replied = declaring(cookie, {
			steps: { early: { when: true, reply: { body: 1 } } },
			respond: 2,
		});
		assert.equal(control(await uncached(replied).ask("/x")), "private");
		const post = uncached(declaring(cookie), "POST /x");
		const written = await post.ask("/x", { method: "POST" });
		assert.deepEqual([control(written), written.header("vary")], [null, null]);
	});

	it("says so beside what the upstream says, where the route is proxied", async () => {
		await using upstream = await startUpstream((_, response) => {
			response.setHeader("cache-control", "public, max-age=60");
			response.setHeader("vary", "accept");
			json(response, 1);
		});
		const proxied = (request: object) => ({ request, proxy: "files/a" });
		await using gateway = await serve({
			upstreams: { files: { url: upstream.url } },
			routes: {
				"GET /plain": proxied({}),
				"GET /tenant": proxied(field("x-tenant")),
				"GET /user": proxied(cookie),
			},
		});
		const toldOf = async (path: string) => {
			const { headers } = await gateway.get(path);
			return [headers["cache-control"], headers.vary];
		};
		const open = "public, max-age=60";
		assert.deepEqual(await toldOf("/plain"), [open, "accept"]);
		assert.deepEqual(await toldOf("/tenant"), [open, "accept, x-tenant"]);
		assert.deepEqual(await toldOf("/user"), [`${open}, private`, "accept"]);
	});

	it("by the request itself says nothing", async () => {
		for (const [name, expected] of [
			["id", null],
			["ip", null],
			["time", null],
			["path", "max-age=60"],
			["method", "max-age=60"],
		] as const) {
			const parts = { ...one, respond: ["${a}", `\${request.${name}}`] };
			assert.equal(await controlOf(parts, () => told("max-age=60")), expected);
		}
	});

	it("by a function of the author's says nothing", async () => {
		const steps = { f: { run: () => 1 }, a: { get: "users/a" } };
		const config = {
			upstreams,
			routes: { "GET /x": { steps, respond: "${a}" } },
		};
		const checked = configOrThrow(checkValue(config, "config", {}));
		const { ask } = testGateway(checked, () => told("max-age=60"));
		const answer = await ask("/x");
		assert.equal(control(answer), null);
		assert.notEqual(answer.header("etag"), null);
	});
});

describe("the routes that say how long their answers hold", () => {
	const behave = () => told("max-age=60");
	it("are read with GET or HEAD", async () => {
		const head = await route(one, behave).ask("/x", { method: "HEAD" });
		assert.equal(control(head), "max-age=60");
		const post = await route(one, behave, "POST /x").ask("/x", {
			method: "POST",
		});
		assert.deepEqual([control(post), post.header("etag")], [null, null]);
	});

	it("have a cached upstream", async () => {
		const uncached = testRoute(one, behave);
		const answer = await uncached.ask("/x");
		assert.deepEqual([control(answer), answer.header("etag")], [null, null]);
	});
});

describe("the ETag of an answer", () => {
	it("is that of its body", async () => {
		let json: unknown = { a: 1 };
		const { ask, clock } = route(one, () => told("max-age=1", json));
		const first = await ask("/x");
		assert.match(String(first.header("etag")), /^"[\w-]{27}"$/);
		assert.equal((await ask("/x")).header("etag"), first.header("etag"));
		json = { a: 2 };
		await clock.advance(1000);
		assert.notEqual((await ask("/x")).header("etag"), first.header("etag"));
	});

	it("answers If-None-Match with 304 and nothing of the body", async () => {
		const { ask, ended } = route(one, () => told("max-age=60"));
		const etag = String((await ask("/x")).header("etag"));
		for (const list of [etag, `W/${etag}`, `"a", W/"b",${etag}`, "*", " * "]) {
			for (const method of ["GET", "HEAD"]) {
				const headers = ["If-None-Match", list];
				const answer = await ask("/x", { method, headers });
				assert.deepEqual([answer.status, answer.body], [304, null], list);
				assert.equal(answer.header("etag"), etag);
				assert.equal(control(answer), "max-age=60");
				assert.equal(answer.header("content-type"), null);
				assert.equal(answer.header("sluice-complete"), "?1");
			}
		}
		assert.equal(ended.at(-1)?.status, 304);
	});

	it("answers in full who knows another", async () => {
		const { ask } = route(one, () => told("max-age=60"));
		const etag = String((await ask("/x")).header("etag"));
		const bare = etag.slice(1, -1);
		for (const list of ['"a"', bare, `"${bare}`, `"x${bare}"`, "", '"*"']) {
			const headers = ["if-none-match", list];
			assert.equal((await ask("/x", { headers })).status, 200, list);
		}
	});

	it("is the author's where there is one", async () => {
		const parts = { ...one, headers: { etag: 'W/"mine"' } };
		const { ask } = route(parts, () => told("max-age=60"));
		assert.equal((await ask("/x")).header("etag"), 'W/"mine"');
		const headers = ["if-none-match", '"mine"'];
		assert.equal((await ask("/x", { headers })).status, 304);
	});

	it("is only that of a 200", async () => {
		const { ask } = route({ ...one, status: 404 }, () => told("max-age=60"));
		const answer = await ask("/x", { headers: ["if-none-match", "*"] });
		assert.deepEqual([answer.status, answer.header("etag")], [404, null]);
	});

	it("is there though nobody knows how long the answer holds", async () => {
		const { ask } = route(one, () => ({ json: 1 }));
		const answer = await ask("/x");
		assert.equal(control(answer), null);
		assert.notEqual(answer.header("etag"), null);
	});
});
