import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";
import type { UpstreamRequest } from "../../src/core/http/messages.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import type { Scope } from "../../src/tasks/scope.ts";
import { createUpstream } from "../../src/upstream/upstream.ts";
import { played, sentBy } from "../kit/policy.ts";

const upstreams = { users: { url: "http://users.test" } };

/** A gateway whose upstream is a function; it answers null where it answers nothing. */
function gatewayWith(
	routes: Record<string, unknown>,
	call: (request: UpstreamRequest, scope: Scope) => unknown = () => null,
	server = {},
) {
	return createGateway(
		{ upstreams, routes, server },
		{
			env: {},
			openUpstream: (settings, context) =>
				createUpstream(settings, context, (_, clock) => ({
					send: sentBy(
						played(async (request, scope) => {
							const value = (await call(request, scope)) ?? null;
							const body = new TextEncoder().encode(JSON.stringify(value));
							return { status: 200, headers: [], body };
						}),
						clock,
					),
					stream: () => Promise.reject(new Error("streams need a socket")),
					state: () => ({ connections: 0, idle: 0 }),
					close: async () => {},
				})),
		},
	);
}

const ask = (target: string, init?: RequestInit) =>
	new Request(`http://any.test${target}`, init);

const greeting = {
	request: { query: { "name?": { type: "string" } } },
	respond: { hello: "${query.name ?? 'you'}", ip: "${request.ip}" },
};

const echo = {
	"POST /echo": { request: { body: {} }, respond: "${body}" },
};
const json = { "content-type": "application/json" };

describe("gateway.fetch", () => {
	it("answers by path and query, whatever the origin", async () => {
		const gateway = gatewayWith({ "GET /hello": greeting });
		const answer = await gateway.fetch(ask("/hello?name=%D0%9C#part"));
		assert.equal(answer.status, 200);
		assert.equal(answer.headers.get("sluice-complete"), "?1");
		assert.match(answer.headers.get("content-type") ?? "", /application\/json/);
		assert.deepEqual(await answer.json(), { hello: "М", ip: "unknown" });
	});

	it("takes the client's address from its options, and no `this`", async () => {
		const { fetch } = gatewayWith({ "GET /hello": greeting });
		const answer = await fetch(ask("/hello"), { ip: "192.0.2.7" });
		assert.deepEqual(await answer.json(), { hello: "you", ip: "192.0.2.7" });
	});

	it("says the request's id: the client's where it is fit, else a new one", async () => {
		const { fetch } = gatewayWith({ "GET /hello": greeting });
		const idFor = async (headers: Record<string, string>) =>
			(await fetch(ask("/hello", { headers }))).headers.get("x-request-id");
		assert.equal(await idFor({ "x-request-id": "a-1" }), "a-1");
		assert.match(
			(await idFor({ "x-request-id": "a b" })) ?? "",
			/^[\da-f-]{36}$/,
		);
		assert.notEqual(await idFor({}), await idFor({}));
	});

	it("answers failures with problem documents", async () => {
		const { fetch } = gatewayWith({ "GET /hello": greeting });
		const none = await fetch(ask("/nope"));
		assert.equal(none.status, 404);
		assert.equal(none.headers.get("content-type"), "application/problem+json");
		const { instance } = (await none.json()) as { instance: string };
		assert.equal(instance, none.headers.get("x-request-id"));
		const method = await fetch(ask("/hello", { method: "DELETE" }));
		assert.equal(method.status, 405);
		assert.equal(method.headers.get("allow"), "GET, HEAD");
	});

	it("keeps several cookies apart", async () => {
		const { fetch } = gatewayWith({
			"GET /x": {
				respond: 1,
				headers: { "set-cookie": ["a=1", "b=2; Path=/"] },
			},
		});
		const { headers } = await fetch(ask("/x"));
		assert.deepEqual(headers.getSetCookie(), ["a=1", "b=2; Path=/"]);
	});

	for (const status of [204, 205, 304]) {
		it(`answers ${status} without a body`, async () => {
			const { fetch } = gatewayWith({ "GET /x": { respond: "no", status } });
			const answer = await fetch(ask("/x"));
			assert.equal(answer.status, status);
			assert.equal(answer.body, null);
		});
	}

	it("answers HEAD from GET, without the body", async () => {
		const { fetch } = gatewayWith({ "GET /hello": greeting });
		const answer = await fetch(ask("/hello", { method: "HEAD" }));
		assert.equal(answer.status, 200);
		assert.equal(answer.body, null);
		assert.match(answer.headers.get("content-type") ?? "", /json/);
	});

	it("reads the body, up to the config's bound and not a byte more", async () => {
		const { fetch } = gatewayWith(echo, undefined, { maxBody: "10B" });
		const send = (body: string | ReadableStream) =>
			fetch(
				ask("/echo", { method: "POST", headers: json, body, duplex: "half" }),
			);
		assert.equal(await (await send('"89 bytes"')).json(), "89 bytes");
		assert.equal((await send('"890 bytes"')).status, 413);
		let pulled = 0;
		const endless = new ReadableStream({
			pull(stream) {
				pulled++;
				stream.enqueue(new Uint8Array(4));
			},
		});
		assert.equal((await send(endless)).status, 413);
		assert.ok(pulled < 10, `${pulled} chunks were taken`);
	});

	it("answers 499 where the body breaks off", async () => {
		const { fetch } = gatewayWith(echo);
		const body = new ReadableStream({
			start: (stream) => stream.error(new Error("reset")),
		});
		const init = {
			method: "POST",
			headers: json,
			body,
			duplex: "half",
		} as const;
		assert.equal((await fetch(ask("/echo", init))).status, 499);
	});

	it("ends where the client aborts while its body is read, and lets the body go", async () => {
		const { fetch } = gatewayWith(echo);
		const client = new AbortController();
		const { promise: pulled, resolve: onPull } = Promise.withResolvers<void>();
		const body = new ReadableStream({ pull: () => onPull() });
		const answer = fetch(
			ask("/echo", {
				method: "POST",
				headers: json,
				body,
				duplex: "half",
				signal: client.signal,
			}),
		);
		await pulled;
		client.abort();
		assert.equal((await answer).status, 499);
	});

	it("leaves nothing listening on the request's signal", async () => {
		const { fetch } = gatewayWith({ "GET /hello": greeting });
		const request = ask("/hello", { signal: new AbortController().signal });
		await fetch(request);
		assert.equal(getEventListeners(request.signal, "abort").length, 0);
	});

	it("aborts its calls where the client aborts, also before it began", async () => {
		const { promise: called, resolve: onCall } = Promise.withResolvers<void>();
		let aborted: unknown = null;
		const { fetch } = gatewayWith(
			{ "GET /x": { steps: { a: { get: "users/a" } } } },
			(_request, scope) =>
				new Promise((_resolve, reject) => {
					scope.onCancel((reason) => {
						aborted = reason;
						reject(reason);
					});
					onCall();
				}),
		);
		const client = new AbortController();
		const answer = fetch(ask("/x", { signal: client.signal }));
		await called;
		client.abort();
		assert.equal((await answer).status, 499);
		assert.equal((aborted as { code: string }).code, "client_closed");
		const late = await fetch(ask("/x", { signal: AbortSignal.abort() }));
		assert.equal(late.status, 499);
	});
});

describe("gateway.handle", () => {
	it("takes a request without a scope, an id or headers", async () => {
		const gateway = gatewayWith({ "GET /hello": greeting, ...echo });
		const plain = { method: "GET", target: "/hello?name=Ada" };
		const answer = await gateway.handle(plain);
		assert.equal(answer.status, 200);
		assert.equal(answer.body, '{"hello":"Ada","ip":"unknown"}');
		for (const body of ["[1]", new TextEncoder().encode("[1]")]) {
			const headers = ["content-type", "application/json"];
			const sent = { method: "POST", target: "/echo", headers, body };
			assert.equal((await gateway.handle(sent)).body, "[1]");
		}
	});

	it("holds the bound of a body that is there already", async () => {
		const gateway = gatewayWith(echo, undefined, { maxBody: "3B" });
		const headers = ["content-type", "application/json"];
		const send = (body: string) =>
			gateway.handle({ method: "POST", target: "/echo", headers, body });
		assert.equal((await send("[1]")).status, 200);
		assert.equal((await send("[10]")).status, 413);
	});
});

describe("createGateway", () => {
	it("throws one error that lists every problem", () => {
		const config = {
			routes: { "GET /x": { respond: 1, statu: 1, deadline: "soon" } },
		};
		assert.throws(
			() => createGateway(config),
			(error) => {
				const { code, message } = error as { code: string; message: string };
				assert.equal(code, "config_invalid");
				assert.match(
					message,
					/^config: routes\["GET \/x"\].statu: unknown key/,
				);
				assert.match(
					message,
					/\nconfig: routes\["GET \/x"\].deadline: `deadline`/,
				);
				return true;
			},
		);
	});

	it("reads the environment it is given", () => {
		const config = {
			upstreams: { users: { url: "${env.USERS_URL}" } },
			routes: { "GET /x": { steps: { a: { get: "users/x" } } } },
		};
		assert.throws(
			() => createGateway(config, { env: {} }),
			/USERS_URL is not set/,
		);
		const env = { USERS_URL: "http://users.test" };
		assert.equal(createGateway(config, { env }).plan.routes.length, 1);
	});

	it("makes gateways of one config that share nothing", async () => {
		const config = { upstreams, routes: { "GET /hello": greeting } };
		const one = createGateway(config);
		const two = createGateway(config);
		const seen: string[] = [];
		one.events.requestEnded.push(() => seen.push("one"));
		two.events.requestEnded.push(() => seen.push("two"));
		await one.fetch(ask("/hello"));
		await one.close();
		assert.equal((await two.fetch(ask("/hello"))).status, 200);
		assert.deepEqual(seen, ["one", "two"]);
		assert.notEqual(one.plan, two.plan);
	});

	it("leaves the config as it was: it is neither changed nor frozen", () => {
		const config = { upstreams, routes: { "GET /x": { respond: { a: [1] } } } };
		const before = structuredClone(config);
		createGateway(config);
		config.routes["GET /x"].respond.a.push(2);
		before.routes["GET /x"].respond.a.push(2);
		assert.deepEqual(config, before);
	});
});
