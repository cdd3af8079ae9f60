import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { errorTable, GatewayError } from "../../src/core/errors.ts";
import { RequestMemory } from "../../src/core/memory.ts";
import { openScope } from "../../src/tasks/scope.ts";
import { byPath, testGateway, testRoute } from "../kit/gateway.ts";

/** Routes that answer with their own key and parameters. */
function routes(...keys: string[]) {
	return testGateway({
		routes: Object.fromEntries(
			keys.map((key) => [
				key,
				{
					respond: {
						key,
						...Object.fromEntries(
							[...key.matchAll(/\{(\w+)\}/g)].map(([, name]) => [
								name,
								`\${params.${name}}`,
							]),
						),
					},
				},
			]),
		),
	});
}

describe("the router", () => {
	const { ask } = routes(
		"GET /",
		"GET /users/me",
		"GET /users/{id}",
		"PUT /users/{id}",
		"GET /users/{id}/orders",
		"GET /users/{name}/orders/{order}",
		"GET /{any}/me",
		"POST /a:b",
	);

	const found: [target: string, key: string, params?: object][] = [
		["/", "GET /"],
		["/?a=/users/me", "GET /"],
		["/users/me", "GET /users/me"],
		["/users/m%65", "GET /users/me"],
		["/users/me2", "GET /users/{id}", { id: "me2" }],
		["/users/7/orders", "GET /users/{id}/orders", { id: "7" }],
		["/users/me/orders", "GET /users/{id}/orders", { id: "me" }],
		[
			"/users/a/orders/b",
			"GET /users/{name}/orders/{order}",
			{ name: "a", order: "b" },
		],
		["/x/me", "GET /{any}/me", { any: "x" }],
		["/users/a%2Fb", "GET /users/{id}", { id: "a/b" }],
		["/users/..", "GET /users/{id}", { id: ".." }],
	];
	for (const [target, key, params = {}] of found) {
		it(`takes ${target} to ${key}`, async () => {
			assert.deepEqual((await ask(target)).json, { key, ...params });
		});
	}

	for (const target of [
		"/users",
		"/users/7/",
		"/Users/7",
		"//users/me",
		"/a::b",
	]) {
		it(`knows no ${target}`, async () => {
			const answer = await ask(target);
			assert.deepEqual([answer.status, answer.code], [404, "route_not_found"]);
		});
	}

	it("takes a colon in a path as itself", async () => {
		assert.equal((await ask("/a:b", { method: "POST" })).status, 200);
		assert.equal((await ask("/axb", { method: "POST" })).status, 404);
	});

	it("answers another method with 405 and what is allowed", async () => {
		const allow = async (method: string, target: string) => {
			const answer = await ask(target, { method });
			assert.deepEqual(
				[answer.status, answer.code],
				[405, "method_not_allowed"],
			);
			return answer.header("allow");
		};
		assert.equal(await allow("POST", "/users/me"), "GET, HEAD, PUT");
		assert.equal(await allow("DELETE", "/users/7/orders"), "GET, HEAD");
		assert.equal(await allow("GET", "/a:b"), "POST");
		assert.equal(await allow("HEAD", "/a:b"), "POST");
		assert.equal(await allow("PROPFIND", "/"), "GET, HEAD");
	});

	it("answers a method that nobody knows with 501, whatever the path", async () => {
		for (const method of ["BREW", "get", "M$", "A".repeat(2000)]) {
			for (const target of ["/", "/users/me", "/none"]) {
				const answer = await ask(target, { method });
				assert.deepEqual(
					[answer.status, answer.code],
					[501, "request_invalid"],
				);
			}
		}
	});

	it("answers HEAD as GET", async () => {
		const answer = await ask("/users/me", { method: "HEAD" });
		assert.equal(answer.status, 200);
	});

	it("answers a path that is not percent-encoded UTF-8 with 400", async () => {
		for (const target of ["/users/%", "/users/%ff", "/%zz"]) {
			const { status, json } = await ask(target);
			assert.equal(status, 400);
			assert.deepEqual((json as { errors: unknown }).errors, [
				{ at: "path", message: "is not percent-encoded UTF-8" },
			]);
		}
		assert.equal((await ask("/users/me?%ff")).status, 200);
	});
});

describe("a problem document", () => {
	it("holds the table's words and the request's id, and nothing else", async () => {
		const { ask } = routes("GET /");
		const answer = await ask("/nope");
		assert.deepEqual(
			{ headers: answer.headers, json: answer.json },
			{
				headers: [
					"content-type",
					"application/problem+json",
					"cache-control",
					"no-store",
					"x-content-type-options",
					"nosniff",
				],
				json: {
					type: "urn:sluice:error:route_not_found",
					title: "There is nothing at this address",
					status: 404,
					code: "route_not_found",
					instance: "test-request",
				},
			},
		);
	});

	it("names the client's faults", async () => {
		const { ask } = testRoute({
			request: { query: { city: { type: "string" } } },
			respond: 1,
		});
		assert.deepEqual((await ask("/x")).json, {
			type: "urn:sluice:error:request_invalid",
			title: "The request is invalid",
			status: 400,
			code: "request_invalid",
			instance: "test-request",
			errors: [{ at: "query.city", message: "is required" }],
		});
	});

	it("hides what a bug says", async () => {
		const error = new TypeError("secret");
		const { ask, ended } = testRoute(
			{ steps: { a: { get: "users/a" } } },
			() => ({
				error,
			}),
		);
		const answer = await ask("/x");
		assert.deepEqual([answer.status, answer.code], [500, "internal"]);
		assert.ok(!answer.text.includes("secret"));
		const told = ended[0]?.error;
		assert.equal(told?.message, "secret");
		assert.equal(told?.facts.cause, error);
	});

	for (const code of [
		"upstream_unreachable",
		"upstream_invalid",
		"limiter_full",
		"upstream_timeout",
	] as const) {
		it(`has the status and the title of ${code}`, async () => {
			const error = new GatewayError(code, "http://10.0.0.1/?key=secret", {
				upstream: "users",
			});
			const { ask } = testRoute({ steps: { a: { get: "users/a" } } }, () => ({
				error,
			}));
			const { json } = await ask("/x");
			const { status, title } = errorTable[code];
			assert.deepEqual(json, {
				type: `urn:sluice:error:${code}`,
				title,
				status,
				code,
				instance: "test-request",
			});
		});
	}
});

describe("what a gateway tells", () => {
	it("is how each call and each request ended", async () => {
		const { ask, ended, callsEnded } = testRoute(
			{
				steps: {
					a: { get: "users/a" },
					b: { get: "orders/b", optional: true },
				},
				respond: ["${a}", "${b}"],
			},
			byPath({
				"/a": { json: 1, afterMs: 30 },
				"/b": { status: 503, afterMs: 10 },
			}),
		);
		await ask("/x");
		assert.deepEqual(
			callsEnded.map(({ error, trail: _, ...event }) => ({
				...event,
				code: error?.code,
			})),
			[
				{
					requestId: "test-request",
					route: "GET /x",
					step: "b",
					index: [],
					upstream: "orders",
					startedMs: 0,
					durationMs: 10,
					status: 503,
					code: "upstream_status",
				},
				{
					requestId: "test-request",
					route: "GET /x",
					step: "a",
					index: [],
					upstream: "users",
					startedMs: 0,
					durationMs: 30,
					status: 200,
					code: undefined,
				},
			],
		);
		assert.deepEqual(
			ended.map(({ missing, ...event }) => ({
				...event,
				missing: missing.map(({ step }) => step),
			})),
			[
				{
					requestId: "test-request",
					method: "GET",
					route: "GET /x",
					status: 200,
					durationMs: 30,
					outlived: false,
					parts: null,
					writes: [],
					error: null,
					missing: ["b"],
				},
			],
		);
	});

	it("names no route where none matched", async () => {
		const { ask, ended } = routes("GET /");
		await ask("/secret");
		assert.deepEqual([ended[0]?.route, ended[0]?.status], [null, 404]);
	});
});

describe("a request's own names", () => {
	it("are its id, method, path and address", async () => {
		const { ask } = testRoute({
			respond: [
				"${request.id}",
				"${request.method}",
				"${request.path}",
				"${request.ip}",
			],
		});
		assert.deepEqual((await ask("/x?a=1")).json, [
			"test-request",
			"GET",
			"/x",
			"127.0.0.1",
		]);
	});
});

describe("two gateways of one config", () => {
	it("share neither connections nor events", async () => {
		const config = {
			upstreams: { users: { url: "http://u.test", connections: 1 } },
			routes: { "GET /x": { steps: { a: { get: "users/a" } } } },
		};
		const one = testGateway(config, () => ({ json: 1, afterMs: 100 }));
		const two = testGateway(config, () => ({ json: 2, afterMs: 100 }));
		one.send("/x");
		const { answer } = two.send("/x");
		await two.clock.settle();
		assert.deepEqual([(await answer).json, two.clock.now()], [2, 100]);
		assert.deepEqual([one.ended.length, two.ended.length], [0, 1]);
		await one.gateway.close();
		assert.equal((await two.ask("/x")).json, 2);
	});
});

describe("an upstream with few connections", () => {
	it("is asked by all requests in order of arrival, and keeps each's deadline", async () => {
		const { send, clock, assertNothingLeft } = testRoute(
			{ deadline: "250ms", steps: { a: { get: "users/a" } } },
			() => ({ json: 1, afterMs: 100 }),
			{ upstreams: { users: { url: "http://u.test", connections: 1 } } },
		);
		const sent = Array.from({ length: 4 }, () => send("/x"));
		await clock.settle();
		const answers = await Promise.all(sent.map(({ answer }) => answer));
		assert.deepEqual(
			answers.map(({ status, atMs }) => [status, atMs]),
			[
				[200, 100],
				[200, 200],
				[504, 250],
				[504, 250],
			],
		);
		assertNothingLeft();
	});

	it("gives a slot back that a leaving client waited for or held", async () => {
		const { send, ask, clock } = testRoute(
			{ steps: { a: { get: "users/a" } } },
			() => ({ json: 1, afterMs: 100 }),
			{ upstreams: { users: { url: "http://u.test", connections: 1 } } },
		);
		const holds = send("/x");
		const waits = send("/x");
		await clock.advance(10);
		waits.leave();
		holds.leave();
		assert.equal((await ask("/x")).atMs, 110);
	});
});

describe("a request's body", () => {
	it("is waited for until the deadline, which counts from the request's arrival", async () => {
		const { gateway, clock } = testRoute({
			request: { body: { type: "object" } },
			deadline: "500ms",
			respond: 1,
		});
		const scope = openScope({ clock });
		const answer = gateway.handle(
			{
				id: "slow-body",
				method: "GET",
				target: "/x",
				headers: ["content-type", "application/json"],
				ip: "",
				arrivedMs: clock.now(),
				memory: new RequestMemory(gateway.memory),
				readBody: () => new Promise(() => {}),
				streamBody: () => null,
			},
			scope,
		);
		await clock.settle();
		const { status, body } = await answer;
		assert.equal(status, 408);
		assert.equal(JSON.parse(String(body)).code, "deadline_exceeded");
		assert.equal(clock.now(), 500);
		scope.close();
	});
});

describe("a path parameter", () => {
	it("is a segment that is there", async () => {
		const { ask } = testGateway({
			routes: {
				"GET /users/{id}": { respond: "${params.id}" },
				"GET /users/{id}/{part}": { respond: "${params.part}" },
			},
		});
		assert.equal((await ask("/users/7")).json, "7");
		for (const path of ["/users/", "/users//x", "/users/7/"]) {
			assert.equal((await ask(path)).status, 404, path);
		}
	});
});
