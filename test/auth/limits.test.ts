import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createApiKey } from "../../src/config/keys/auth-hash.ts";
import { testGateway } from "../kit/gateway.ts";
import { problemsOf } from "../kit/problems.ts";

const clients = ["ada", "bob"].map((name) => ({ name, ...createApiKey() }));
const [ada = "", bob = ""] = clients.map(({ key }) => key);
const keys = { list: clients.map(({ name, hash }) => ({ name, hash })) };
const byClient = "${auth.by}:${auth.sub}";

const config = {
	auth: { partners: { keys } },
	rateLimit: [
		{ limit: 100, per: "1m" },
		{ limit: 3, per: "1m", by: byClient },
	],
	routes: {
		"GET /a": { auth: "partners", respond: 1 },
		"GET /b": {
			auth: "partners",
			rateLimit: { limit: 2, per: "1m", by: byClient },
			respond: 1,
		},
		"GET /never": {
			auth: "partners",
			require: "${auth.sub === 'nobody'}",
			respond: 1,
		},
		"GET /open": { respond: 1 },
	},
};

function opened() {
	const { ask, clock } = testGateway(config);
	return {
		clock,
		as: (key: string, path: string) =>
			ask(path, { headers: ["x-api-key", key] }),
		ask,
	};
}

describe("a limit of the gateway by who asks", () => {
	test("counts a client's requests to all routes together, and each client for itself", async () => {
		const { as, clock } = opened();
		for (const path of ["/a", "/b", "/never"]) {
			assert.notEqual((await as(ada, path)).status, 429, path);
		}
		const refused = await as(ada, "/a");
		assert.equal(refused.status, 429);
		assert.equal(refused.code, "too_many_requests");
		assert.equal(refused.header("retry-after"), "20");
		assert.equal((await as(bob, "/a")).status, 200);
		await clock.advance(20_000);
		assert.equal((await as(ada, "/a")).status, 200);
	});

	test("stands beside those of the gateway by address and of the route, and says what is left of each", async () => {
		const { as } = opened();
		const answer = await as(ada, "/b");
		assert.equal(
			answer.header("ratelimit-policy"),
			'"gateway";q=100;w=60, "gateway-identity";q=3;w=60, "identity";q=2;w=60',
		);
		assert.equal(
			answer.header("ratelimit"),
			'"gateway";r=99;t=1, "gateway-identity";r=2;t=20, "identity";r=1;t=30',
		);
	});

	test("counts nobody who is not let in, and no route that lets everybody in", async () => {
		const { as, ask } = opened();
		for (let at = 0; at < 5; at++) {
			const stranger = await as("sluice_aaaaaaaa_nonsense", "/a");
			assert.equal(stranger.status, 401);
			const open = await ask("/open");
			assert.equal(open.status, 200);
			assert.equal(open.header("ratelimit-policy"), '"gateway";q=100;w=60');
		}
		assert.equal((await as(ada, "/a")).status, 200);
	});

	test("needs an `auth` in the config", () => {
		const { auth: _, ...rest } = config;
		const routes = { "GET /open": { respond: 1 } };
		const problems = problemsOf(JSON.stringify({ ...rest, routes }));
		assert.equal(problems.length, 2, "`auth.by` and `auth.sub`");
		for (const problem of problems) {
			assert.match(problem, /`auth` exists only in a route with `auth`/);
		}
	});

	test("is no limit for routes that let everybody in, so a limit by what clients choose is warned of there", () => {
		const { auth } = config;
		const rateLimit = { limit: 3, per: "1m", by: byClient };
		const own = { limit: 1, per: "1m", by: "${query.q ?? 'none'}" };
		const routes = (more: object) => ({
			"GET /x": {
				request: { query: { "q?": { type: "string" } } },
				...{ rateLimit: own, respond: 1, ...more },
			},
			"GET /y": { auth: "partners", respond: 1 },
		});
		const of = (more: object) =>
			problemsOf(
				JSON.stringify({ auth, rateLimit, routes: routes(more) }),
			).join();
		assert.match(of({}), /nobody is limited who sends another `query\.q`/);
		assert.equal(of({ auth: "partners" }), "");
	});
});
