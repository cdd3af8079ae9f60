import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, describe, test } from "node:test";
import {
	createApiKey,
	hashOfPassword,
} from "../../src/config/keys/auth-hash.ts";
import { RequestMemory } from "../../src/core/memory.ts";
import { openScope } from "../../src/tasks/scope.ts";
import { testGateway } from "../kit/gateway.ts";
import { type ShownJob, serveJobs } from "../kit/jobs.ts";
import {
	askThrough,
	audience,
	claimsWith,
	createIssuerKey,
	issuer,
	signed,
} from "../kit/tokens.ts";

/** What pages of other sites may cause with credentials that a browser sends by itself. */

const issuerKey = createIssuerKey("one", "ES256");
const apiKey = createApiKey();
const token = signed(issuerKey);
const jwt = {
	...{ issuer, audience },
	keys: JSON.stringify({ keys: [issuerKey.jwk] }),
};

const ada = {
	name: "ada",
	hash: hashOfPassword("secret", { N: 2 ** 14, r: 8, p: 1 }),
};

const gateway = testGateway({
	server: {
		cors: { origins: ["https://app.test"], credentials: true },
	},
	auth: {
		cookie: { jwt: { ...jwt, from: { cookie: "session" } } },
		bearer: { jwt },
		staff: {
			basic: {
				list: [ada],
			},
		},
		partners: { keys: { list: [{ name: "acme", hash: apiKey.hash }] } },
	},
	defaults: { auth: ["cookie", "bearer", "staff", "partners"] },
	channels: { news: {} },
	upstreams: { api: { url: "http://api.test" } },
	routes: {
		"POST /x": { respond: "${auth.by}" },
		"DELETE /x": { respond: "${auth.by}" },
		"GET /x": { respond: "${auth.by}" },
		"GET /writes": { steps: { a: { post: "api/a" } }, respond: "${auth.by}" },
		"GET /tells": {
			steps: { a: { publish: "news", message: "x" } },
			respond: "${auth.by}",
		},
		"GET /news": { listen: "news" },
		"ANY /all/{rest*}": { proxy: "api/{rest*}" },
	},
});
after(() => gateway.gateway.close());

const cookie = ["cookie", `session=${token}`];
const basic = [
	"authorization",
	`Basic ${Buffer.from("ada:secret").toString("base64")}`,
];
const bearer = ["authorization", `Bearer ${token}`];
const key = ["x-api-key", apiKey.key];

const from = (origin: string) => ["origin", origin];
const site = (value: string) => ["sec-fetch-site", value];
const own = from("https://gateway.test");
const foreign = from("https://evil.test");

describe("a page of another site", () => {
	const cases: readonly [
		what: string,
		method: string,
		path: string,
		fields: readonly string[],
		status: number,
	][] = [
		["its own host's page writes", "POST", "/x", [...cookie, ...own], 200],
		[
			"a page that `cors` names writes",
			"POST",
			"/x",
			[...cookie, ...from("https://app.test")],
			200,
		],
		["a program writes", "POST", "/x", cookie, 200],
		[
			"a browser without `Origin` writes from the same page",
			"POST",
			"/x",
			[...cookie, ...site("same-origin")],
			200,
		],
		[
			"a user writes by the address bar",
			"POST",
			"/x",
			[...cookie, ...site("none")],
			200,
		],
		[
			"another page writes by a cookie",
			"POST",
			"/x",
			[...cookie, ...foreign],
			403,
		],
		[
			"another page deletes by a cookie",
			"DELETE",
			"/x",
			[...cookie, ...foreign],
			403,
		],
		[
			"another page writes by a password",
			"POST",
			"/x",
			[...basic, ...foreign],
			403,
		],
		[
			"a page without an origin of its own writes",
			"POST",
			"/x",
			[...cookie, ...from("null")],
			403,
		],
		[
			"a page of the same host by another port writes",
			"POST",
			"/x",
			[...cookie, ...from("https://gateway.test:8443")],
			403,
		],
		[
			"a host whose name only begins so writes",
			"POST",
			"/x",
			[...cookie, ...from("https://gateway.test.evil.test")],
			403,
		],
		[
			"a request with two origins writes",
			"POST",
			"/x",
			[...cookie, ...own, ...foreign],
			403,
		],
		[
			"a page of the same site, but not the same host, writes without `Origin`",
			"POST",
			"/x",
			[...cookie, ...site("same-site")],
			403,
		],
		[
			"a page of another site writes without `Origin`",
			"POST",
			"/x",
			[...cookie, ...site("cross-site")],
			403,
		],
		["another page reads", "GET", "/x", [...cookie, ...foreign], 200],
		[
			"a link leads to a route that reads",
			"GET",
			"/x",
			[...cookie, ...site("cross-site")],
			200,
		],
		[
			"a link leads to a route that writes",
			"GET",
			"/writes",
			[...cookie, ...site("cross-site")],
			403,
		],
		[
			"a link leads to a route that tells a channel",
			"GET",
			"/tells",
			[...cookie, ...site("cross-site")],
			403,
		],
		[
			"another page writes through a proxy",
			"PUT",
			"/all/a",
			[...cookie, ...foreign],
			403,
		],
		[
			"another page reads through a proxy",
			"GET",
			"/all/a",
			[...cookie, ...foreign],
			200,
		],
		[
			"a script sends a token itself",
			"POST",
			"/x",
			[...bearer, ...foreign],
			200,
		],
		["a script sends a key itself", "POST", "/x", [...key, ...foreign], 200],
	];
	for (const [what, method, path, fields, status] of cases) {
		test(`${status === 403 ? "causes nothing" : "is in nobody's way"} if ${what}`, async () => {
			const before = gateway.calls.length;
			const answer = await askThrough(gateway, path, {
				method,
				headers: ["host", "gateway.test", ...fields],
			});
			assert.equal(answer.status, status, answer.text);
			if (status !== 403) return;
			assert.equal(answer.code, "foreign_origin");
			assert.equal(gateway.calls.length, before);
		});
	}
});

describe("a WebSocket of a page of another origin", () => {
	const cors = { origins: ["https://reads.test"], credentials: false };
	const served = testGateway({
		server: { cors },
		auth: {
			cookie: { jwt: { ...jwt, from: { cookie: "session" } } },
			staff: { basic: { list: [ada] } },
			bearer: { jwt },
		},
		channels: { news: {} },
		routes: {
			"GET /news": { auth: ["cookie", "staff", "bearer"], listen: "news" },
		},
	});
	after(() => served.gateway.close());

	const cases: readonly [string, readonly string[], string, number][] = [
		["a cookie", cookie, "https://reads.test", 403],
		["a password", basic, "https://reads.test", 403],
		["a password", basic, "https://gateway.test", 101],
		["a token of its own", bearer, "https://reads.test", 101],
	];
	for (const [what, fields, origin, status] of cases) {
		test(`that comes with ${what} from ${origin} gets ${status}`, async () => {
			const clock = served.gateway.clock;
			const scope = openScope({ clock });
			const answer = served.gateway.handle(
				{
					...{ id: "r", method: "GET", target: "/news", ip: "127.0.0.1" },
					headers: ["host", "gateway.test", ...fields, ...from(origin)],
					arrivedMs: clock.now(),
					memory: new RequestMemory(served.gateway.memory),
					readBody: async () => new Uint8Array(),
					streamBody: () => null,
					upgradable: true,
				},
				scope,
			);
			assert.equal((await answer).status, status);
			scope.cancel(new Error("the test has ended"));
		});
	}
});

describe("a page of another site that asks for jobs", () => {
	const routes = `
auth:
  cookie: { jwt: { issuer: "${issuer}", audience: "${audience}", keys: '${jwt.keys}', from: { cookie: session } } }
  bearer: { jwt: { issuer: "${issuer}", audience: "${audience}", keys: '${jwt.keys}' } }
upstreams: { api: { url: "\${env.API}" } }
routes:
  GET /always: { auth: [cookie, bearer], job: { always: true }, steps: { a: { get: api/a } }, respond: "\${a}" }
  GET /maybe: { auth: [cookie, bearer], job: {}, respond: "\${auth.sub}" }
`;
	const other = {
		origin: "https://evil.example",
		"sec-fetch-site": "cross-site",
	};
	const withCookie = { cookie: `session=${token}` };

	/** Serves them with an upstream that answers nothing, so that jobs go on. */
	async function serveRoutes() {
		const stack = new AsyncDisposableStack();
		const api = createServer(() => {});
		stack.defer(() => {
			api.closeAllConnections();
			api.close();
		});
		await once(api.listen(0, "127.0.0.1"), "listening");
		const { port } = api.address() as AddressInfo;
		const env = { API: `http://127.0.0.1:${port}` };
		const served = stack.use(await serveJobs(routes, "", env));
		return { get: served.get, stack };
	}

	test("makes none, also with a method that reads", async () => {
		const { get, stack } = await serveRoutes();
		await using _ = stack;
		for (const fields of [other, { "sec-fetch-site": "cross-site" }]) {
			for (const method of ["GET", "HEAD"]) {
				const headers = { ...withCookie, ...fields };
				const { status } = await get("/always", { method, headers });
				assert.equal(status, 403, method);
			}
			const headers = {
				...{ ...withCookie, ...fields },
				prefer: "respond-async",
			};
			assert.equal((await get("/maybe", { headers })).status, 403);
		}
		const reading = { headers: { ...withCookie, ...other } };
		assert.equal((await get("/maybe", reading)).status, 200);
		const own = { headers: { ...withCookie, "sec-fetch-site": "same-origin" } };
		assert.equal((await get("/always", own)).status, 202);
		const told = { headers: { authorization: `Bearer ${token}`, ...other } };
		assert.equal((await get("/always", told)).status, 202);
	});

	test("cancels none, and does not hear whether another's is there", async () => {
		const { get, stack } = await serveRoutes();
		await using _ = stack;
		const made = await get("/always", { headers: withCookie });
		const { url } = made.json as ShownJob;
		const foreignStop = { headers: { ...withCookie, ...other } };
		const refused = await get(url, { method: "DELETE", ...foreignStop });
		assert.equal(refused.status, 403, refused.text);
		assert.equal((refused.json as { code: string }).code, "foreign_origin");
		const job = (await get(url, foreignStop)).json as ShownJob;
		assert.match(job.state, /queued|running/);
		// Of a job of others it is not said that it is there.
		const stranger = {
			cookie: `session=${signed(issuerKey, claimsWith({ sub: "bob" }))}`,
		};
		const missed = await get(url, {
			method: "DELETE",
			headers: { ...stranger, ...other },
		});
		assert.equal(missed.status, 404);
		const stopped = await get(url, { method: "DELETE", headers: withCookie });
		assert.equal(stopped.status, 204);
	});

	test("cancels a job with a token that it knows itself", async () => {
		const { get, stack } = await serveRoutes();
		await using _ = stack;
		const headers = { authorization: `Bearer ${token}`, ...other };
		const { url } = (await get("/always", { headers })).json as ShownJob;
		const stopped = await get(url, { method: "DELETE", headers });
		assert.equal(stopped.status, 204);
	});
});
