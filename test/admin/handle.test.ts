import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createAdminHandle, type Page } from "../../src/admin/handle.ts";
import { isStream } from "../../src/core/body/byte-stream.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { headerOf } from "../../src/core/http/headers.ts";
import { Memory, RequestMemory } from "../../src/core/memory.ts";
import { Secrets } from "../../src/core/secrets.ts";
import { virtualClock } from "../../src/tasks/clock.ts";
import { openScope } from "../../src/tasks/scope.ts";

const token = "a-token-of-20-letters";
const clock = virtualClock();

const text = (body: string): Page => ({
	answer: (_, _1, name) => ({
		status: 200,
		type: "text/plain",
		body: body + name,
	}),
});

const pages = new Map<string, Page>([
	["/", { ...text("page"), open: true }],
	[
		"/assets/*",
		{
			open: true,
			answer(_, _1, name) {
				if (name !== "a.js") {
					throw new GatewayError("route_not_found", "no such file");
				}
				return {
					status: 200,
					type: "text/javascript",
					body: new Uint8Array([1, 2]),
					policy: "script-src 'self'",
				};
			},
		},
	],
	["/one", text("one")],
	["/many", text("all")],
	["/many/*", text("only ")],
	[
		"/stream",
		{
			answer: () => ({
				status: 200,
				type: "text/event-stream",
				body: {
					length: null,
					async *[Symbol.asyncIterator]() {},
				},
			}),
		},
	],
	["/act", { ...text("done"), method: "POST" }],
]);

async function ask(
	target: string,
	{
		given = null,
		method = "GET",
		headers = {},
	}: {
		given?: string | null;
		method?: string;
		headers?: Record<string, string>;
	} = {},
) {
	const handle = createAdminHandle(pages, given, new Secrets());
	const request = {
		...{ id: "test", method, target, ip: "127.0.0.1", arrivedMs: 0 },
		headers: Object.entries(headers).flat(),
		memory: new RequestMemory(new Memory()),
		readBody: async () => new Uint8Array(),
		streamBody: () => null,
	};
	const response = await handle(request, openScope({ clock }));
	const header = (name: string) => headerOf(response.headers, name);
	return { ...response, header };
}

const bearer = { authorization: `Bearer ${token}` };

describe("pages of the admin server", () => {
	it("stand at a path, or for each path below one", async () => {
		assert.equal((await ask("/one?x=1")).body, "one");
		assert.equal((await ask("/many")).body, "all");
		assert.equal((await ask("/many/a.b-c")).body, "only a.b-c");
		for (const path of ["/none", "/one/x", "/many/a/b", "/*", "/assets/no"]) {
			assert.equal((await ask(path)).status, 404, path);
		}
	});

	it("answer texts, bytes and streams", async () => {
		const file = await ask("/assets/a.js");
		assert.deepEqual(file.body, new Uint8Array([1, 2]));
		assert.equal(file.header("content-type"), "text/javascript");
		const { body } = await ask("/stream");
		assert.ok(isStream(body));
	});

	it("have the policy that they name, else one that allows nothing", async () => {
		const policy = async (path: string) =>
			(await ask(path)).header("content-security-policy");
		assert.equal(await policy("/assets/a.js"), "script-src 'self'");
		for (const path of ["/one", "/stream", "/none", "/assets/no"]) {
			assert.equal(
				await policy(path),
				"default-src 'none'; frame-ancestors 'none'",
				path,
			);
		}
	});

	it("need no token to be read if they are open, and only then", async () => {
		const status = async (target: string, options = {}) =>
			(await ask(target, { given: token, ...options })).status;
		assert.equal(await status("/"), 200);
		assert.equal(await status("/assets/a.js"), 200);
		assert.equal(await status("/", { method: "POST" }), 401);
		for (const path of ["/one", "/many/x", "/stream", "/act", "/none"]) {
			assert.equal(await status(path), 401, path);
		}
		assert.equal(await status("/one", { headers: bearer }), 200);
	});

	it("that act answer to POST with the token alone", async () => {
		const post = { method: "POST", headers: bearer };
		assert.equal((await ask("/act", { ...post })).status, 401);
		const acted = await ask("/act", { ...post, given: token });
		assert.deepEqual([acted.status, acted.body], [200, "done"]);
		const read = await ask("/act");
		assert.deepEqual([read.status, read.header("allow")], [405, "POST"]);
		const wrong = await ask("/one", { ...post, given: token });
		assert.deepEqual([wrong.status, wrong.header("allow")], [405, "GET, HEAD"]);
	});

	it("answer no page of another origin, but whoever follows a link from there", async () => {
		const status = async (site: string, mode: string, dest: string) => {
			const headers = {
				...{ "Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode },
				"Sec-Fetch-Dest": dest,
			};
			return (await ask("/stream", { headers })).status;
		};
		for (const site of ["cross-site", "same-site", "anything"]) {
			assert.equal(await status(site, "cors", "empty"), 403, site);
			assert.equal(await status(site, "no-cors", "image"), 403);
			assert.equal(await status(site, "navigate", "iframe"), 403);
			assert.equal(await status(site, "navigate", "document"), 200);
		}
		assert.equal(await status("same-origin", "cors", "empty"), 200);
		assert.equal(await status("none", "navigate", "document"), 200);
	});
});
