import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { serveAdmin } from "../../src/admin/admin.ts";
import { checkValue, configOrThrow } from "../../src/config/load.ts";
import { createGateway, type Gateway } from "../../src/gateway/gateway.ts";
import { printPlan } from "../../src/plan/print.ts";
import { serve } from "../../src/server/serve.ts";
import { ask } from "../kit/serve.ts";
import { json, startUpstream } from "../kit/upstream.ts";

interface State {
	readonly upstreams: readonly Record<string, unknown>[];
	readonly routes: readonly {
		readonly route: string | null;
		readonly whole: number;
		readonly failed: number;
		readonly recent: { readonly count: number; readonly p50Ms: number | null };
		readonly steps: readonly {
			readonly step: string;
			readonly count: number;
		}[];
	}[];
	readonly [key: string]: unknown;
}

async function started(config: object) {
	const gateway = createGateway(configOrThrow(checkValue(config, "test", {})));
	const server = await serve(gateway, { port: 0 });
	const admin = await serveAdmin(gateway, { server, port: 0 });
	return {
		gateway,
		server,
		send: (target: string) => ask(server.url + target),
		state: async () => (await ask(`${admin.url}/state`)).json as State,
		get: (path: string) => ask(admin.url + path),
		async [Symbol.asyncDispose]() {
			await admin.close();
			await server.close();
			await gateway.close();
		},
	};
}

const configOf = (url: string) => ({
	server: { port: 0 },
	upstreams: {
		users: {
			...{ url, retry: true, breaker: true, cache: { for: "1m" } },
			connections: 3,
		},
		plain: { url },
	},
	routes: {
		"GET /a/{id}": {
			steps: {
				user: { get: "users/u/${params.id}" },
				group: {
					steps: { bad: { get: "plain/bad", optional: true } },
				},
			},
			respond: ["${user}", "${group}"],
		},
		"GET /b": { respond: 1 },
	},
});

describe("/state", () => {
	it("shows how the gateway and its parts are", async () => {
		await using up = await startUpstream(({ target }, response) => {
			if (target === "/bad") response.writeHead(500).end();
			else json(response, { id: 1 });
		});
		await using admin = await started(configOf(up.url));
		for (const id of [1, 1, 2]) await admin.send(`/a/${id}`);
		await admin.send("/nowhere");
		const state = await admin.state();
		const { upstreams, routes, memory, loop, ...rest } = state;
		const { at, startedAt, hash, connections, ...others } = rest;
		assert.deepEqual(others, {
			version: others.version,
			node: process.version,
			url: admin.server.url,
			...{ draining: false, load: "normal", threads: null },
			requests: { running: 0, waiting: 0 },
			live: [],
			channels: [],
			...{ store: null, jobs: null },
			workers: [],
		});
		assert.ok(Math.abs(Date.parse(`${at}`) - Date.now()) < 60_000);
		assert.ok(Date.parse(`${startedAt}`) <= Date.now());
		assert.equal(typeof connections, "number");
		assert.match(`${hash}`, /^[\da-f]{64}$/);
		const { limitBytes } = memory as { limitBytes: number };
		assert.equal(limitBytes, admin.gateway.memory.bytesMax);
		const { busy } = loop as { busy: number };
		assert.ok(busy >= 0 && busy <= 1, `${busy}`);
		const [users, plain] = upstreams;
		assert.partialDeepStrictEqual(users, {
			...{ upstream: "users", breaker: "closed", running: 0, waiting: 0 },
			...{ limit: 3, streams: 0, cache: { entries: 2 } },
			decisions: { cache: { miss: 2, hit: 1 } },
			recent: { count: 2, errors: 0 },
		});
		const { budget } = users as { budget: { left: number; most: number } };
		assert.ok(budget.left > 0 && budget.left <= budget.most);
		assert.partialDeepStrictEqual(plain, {
			...{ upstream: "plain", breaker: null, cache: null, budget: null },
			...{ decisions: {}, recent: { count: 3, errors: 3 } },
		});
		const [none, a, b] = routes;
		assert.partialDeepStrictEqual(none, { route: null, failed: 1, steps: [] });
		assert.partialDeepStrictEqual(a, {
			...{ route: "GET /a/{id}", whole: 0, partial: 3, failed: 0 },
			recent: { count: 3, partial: 3, errors: 0 },
			steps: [
				{ step: "user", count: 3, errors: 0 },
				{ step: "group", count: 3, errors: 0 },
				{ step: "group.bad", count: 3, errors: 3 },
			],
		});
		assert.partialDeepStrictEqual(b, {
			route: "GET /b",
			recent: { count: 0, p50Ms: null },
		});
	});

	it("says that the gateway drains", async () => {
		await using admin = await started(configOf("http://127.0.0.1:9"));
		const drained = admin.server.drain(1_000, 60_000);
		assert.equal((await admin.state()).draining, true);
		await admin.server.close();
		await drained;
	});
});

describe("/plan", () => {
	it("shows what waits for what, as `sluice explain` does", async () => {
		await using admin = await started(configOf("http://users.test"));
		const { hash, routes } = (await admin.get("/plan")).json as {
			hash: string;
			routes: ReturnType<Gateway["explain"]>;
		};
		assert.deepEqual(
			routes,
			JSON.parse(JSON.stringify(admin.gateway.explain())),
		);
		assert.equal(hash, (await admin.state()).hash);
		const [a] = routes;
		assert.deepEqual(a?.answerReads, ["user", "group"]);
		assert.equal(a?.steps[0]?.call, "GET users/u/${params.id}");
		assert.ok((a?.steps[0]?.latestEndMs ?? 0) > 0);
	});

	it("shows no text that is sent to an upstream, as /config does not", async () => {
		const canary = "planted-canary";
		const sent = { headers: { x: canary }, query: { q: canary } };
		await using admin = await started({
			server: { port: 0 },
			upstreams: {
				one: { url: `http://one.test/bot${canary}`, ...sent },
			},
			routes: {
				"POST /a": {
					steps: {
						a: {
							...{ post: "one/a", ...sent, body: { password: canary } },
							undo: { delete: "one/a", ...sent },
						},
					},
					respond: "${a}",
				},
				"ANY /p/{rest*}": {
					proxy: { to: "one/{rest*}", ...sent },
				},
			},
		});
		// It is there.
		assert.ok(printPlan(admin.gateway.plan).includes(canary));
		for (const path of ["/plan", "/state"]) {
			const { status, text } = await admin.get(path);
			assert.equal(status, 200);
			assert.ok(!text.includes(canary), text);
		}
	});
});
