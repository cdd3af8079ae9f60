import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { describe, it } from "node:test";
import { serveAdmin } from "../../src/admin/admin.ts";
import { checkValue, configOrThrow } from "../../src/config/load.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { ask } from "../kit/serve.ts";
import { json, type SeenRequest, startUpstream } from "../kit/upstream.ts";

const token = "a-token-of-20-letters";
const key = "planted-key-0123456789";

async function started(
	answer: (request: SeenRequest, response: ServerResponse) => void = (
		_,
		response,
	) => json(response, 1),
	given: string | null = token,
) {
	const up = await startUpstream(answer);
	const config = {
		upstreams: { up: { url: up.url, headers: { "x-key": "${env.KEY}" } } },
		routes: {
			"GET /echo": {
				request: {
					query: { "q?": { type: "string" } },
					headers: { "x-note?": { type: "string" } },
				},
				respond: {
					q: "${query.q}",
					note: "${headers.x_note}",
					ip: "${request.ip}",
					id: "${request.id}",
				},
			},
			"POST /body": {
				request: { body: { type: "object" } },
				respond: "${body}",
				status: 201,
			},
			"GET /call": { steps: { a: { get: "up/a" } }, respond: "${a}" },
			"GET /long": { respond: "${'é'.repeat(200000)}" },
			"ANY /pass/{rest*}": { proxy: "up/{rest*}" },
		},
	};
	const gateway = createGateway(
		configOrThrow(checkValue(config, "test", { KEY: key })),
	);
	const admin = await serveAdmin(gateway, { port: 0, token: given });
	const post = (
		body: string,
		options: { signal?: AbortSignal; authorization?: string } = {},
	) => {
		const { authorization = `Bearer ${token}`, signal } = options;
		return ask(`${admin.url}/try`, {
			method: "POST",
			headers: { authorization, "content-type": "application/json" },
			body,
			...(signal && { signal }),
		});
	};
	return {
		gateway,
		up,
		admin,
		post,
		try: async (wish: object, options = {}) => {
			const { status, json } = await post(JSON.stringify(wish), options);
			assert.equal(status, 200);
			return json as Tried;
		},
		faults: async (wish: unknown) => {
			const { status, json } = await post(
				typeof wish === "string" ? wish : JSON.stringify(wish),
			);
			assert.equal(status, 400);
			const { code, errors } = json as {
				code: string;
				errors: { at: string }[];
			};
			assert.equal(code, "request_invalid");
			return errors.map(({ at }) => at);
		},
		async [Symbol.asyncDispose]() {
			await admin.close();
			await gateway.close();
			await up[Symbol.asyncDispose]();
		},
	};
}

interface Tried {
	readonly id: string;
	readonly status: number;
	readonly headers: readonly [string, string][];
	readonly body: string;
	readonly cut: boolean;
	readonly durationMs: number;
}

describe("/try", () => {
	it("makes a request as a client of this machine, and shows its answer", async () => {
		await using admin = await started();
		const headers = { "X-Note": ["n"], accept: ["a", "b"] };
		const wish = { method: "GET", path: "/echo?q=a%20b", headers };
		const {
			id,
			status,
			body,
			cut,
			durationMs,
			headers: sent,
		} = await admin.try(wish);
		assert.deepEqual([status, cut], [200, false]);
		assert.deepEqual(JSON.parse(body), {
			q: "a b",
			note: "n",
			ip: "127.0.0.1",
			id,
		});
		assert.ok(sent.some(([name]) => name === "content-type"));
		assert.ok(durationMs >= 0);
		const { json } = await ask(`${admin.admin.url}/traffic/${id}`, {
			headers: { authorization: `Bearer ${token}` },
		});
		assert.equal((json as { route: string }).route, "GET /echo");
	});

	it("shows errors as the client would see them, and sends bodies", async () => {
		await using admin = await started();
		const { status, body } = await admin.try({ method: "GET", path: "/none" });
		assert.equal(status, 404);
		assert.equal(JSON.parse(body).code, "route_not_found");
		const posted = await admin.try({
			...{ method: "POST", path: "/body", body: '{"a":"é"}' },
			headers: { "content-type": "application/json" },
		});
		assert.deepEqual([posted.status, posted.body], [201, '{"a":"é"}']);
		const head = await admin.try({ method: "HEAD", path: "/echo" });
		assert.deepEqual([head.status, head.body], [200, ""]);
	});

	it("answers nobody without the token, or if none is configured", async () => {
		await using admin = await started();
		const wish = JSON.stringify({ method: "GET", path: "/call" });
		for (const authorization of ["", "Bearer wrong-token-of-letters"]) {
			assert.equal((await admin.post(wish, { authorization })).status, 401);
		}
		const read = await ask(`${admin.admin.url}/try`, {
			headers: { authorization: `Bearer ${token}` },
		});
		assert.deepEqual([read.status, read.headers.allow], [405, "POST"]);
		await using open = await started(undefined, null);
		assert.equal((await open.post(wish)).status, 401);
		assert.equal(admin.up.seen.length + open.up.seen.length, 0);
	});

	it("names each fault of what it is given", async () => {
		await using admin = await started();
		const get = { method: "GET", path: "/echo" };
		for (const [wish, at] of [
			["{", "body"],
			["[]", "body"],
			["null", "body"],
			[{ path: "/echo" }, "body/method"],
			[{ ...get, method: "G T" }, "body/method"],
			[{ ...get, method: "CONNECT" }, "body/method"],
			[{ ...get, path: "echo" }, "body/path"],
			[{ ...get, path: "http://evil.test/" }, "body/path"],
			[{ ...get, path: "/a b" }, "target"],
			[{ ...get, path: "/a\r\nx: y" }, "target"],
			[{ ...get, path: "/é" }, "target"],
			[{ ...get, url: "/x" }, "body"],
			[{ ...get, body: 1 }, "body/body"],
			[{ ...get, headers: [] }, "body/headers"],
			[{ ...get, headers: { "a b": "c" } }, "body/headers"],
			[{ ...get, headers: { a: "b\r\nc: d" } }, "body/headers/a"],
			[{ ...get, headers: { a: 1 } }, "body/headers/a"],
			[
				{ ...get, headers: { "Transfer-Encoding": "chunked" } },
				"body/headers/Transfer-Encoding",
			],
			[
				{ ...get, headers: { "content-length": "5" } },
				"body/headers/content-length",
			],
			[{ ...get, headers: { host: ["a", "b"] } }, "headers.host"],
		] as const) {
			assert.deepEqual(await admin.faults(wish), [at], JSON.stringify(wish));
		}
		const many = { headers: { "a b": "c", d: 1 }, body: [] };
		assert.equal((await admin.faults(many)).length, 5);
		assert.equal((await admin.post("x".repeat(300_000))).status, 413);
	});

	it("shows the beginning of a long body, and says that there is more", async () => {
		await using admin = await started((_, response) => {
			response.write(Buffer.alloc(1_000_000, "y"));
		});
		const long = await admin.try({ method: "GET", path: "/long" });
		assert.equal(long.cut, true);
		assert.match(long.body, /^"é+$/);
		const bytes = Buffer.byteLength(long.body);
		assert.ok(bytes <= 256 * 1024 && bytes > 256 * 1024 - 2, `${bytes}`);
		const passed = await admin.try({ method: "GET", path: "/pass/x" });
		assert.deepEqual([passed.cut, passed.body.length], [true, 256 * 1024]);
		await admin.up.aborted(1);
	});

	it("shows no part of a secret where it cuts a body", async () => {
		await using admin = await started((_, response) => {
			response.write("y".repeat(256 * 1024 - 12) + key + "z".repeat(50_000));
		});
		const { body, cut } = await admin.try({ method: "GET", path: "/pass/x" });
		assert.equal(cut, true);
		assert.match(body, /^y+\*\*\*z+$/);
		await admin.up.aborted(1);
	});

	it("shows what has come of a proxied body that breaks off", async () => {
		await using admin = await started((_, response) => {
			response.writeHead(200, { "content-length": "10" });
			response.write("abc", () => response.destroy());
		});
		const { status, body, cut } = await admin.try({
			method: "GET",
			path: "/pass/x",
		});
		assert.deepEqual([status, body, cut], [200, "abc", true]);
	});

	it("ends its request when whoever tries leaves", async () => {
		await using admin = await started(() => {});
		const leaving = new AbortController();
		const asked = admin.post(JSON.stringify({ method: "GET", path: "/call" }), {
			signal: leaving.signal,
		});
		await admin.up.arrived(1);
		leaving.abort();
		await assert.rejects(asked);
		await admin.up.aborted(1);
		assert.equal(admin.gateway.state().upstreams[0]?.running, 0);
	});
});
