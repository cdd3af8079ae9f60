import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { networkOf } from "../../src/core/ip.ts";
import { RequestMemory } from "../../src/core/memory.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { virtualClock } from "../../src/tasks/index.ts";
import { testGateway } from "../kit/gateway.ts";
import { problemsOf } from "../kit/problems.ts";
import { serve } from "../kit/serve.ts";
import { json, startUpstream } from "../kit/upstream.ts";

/** A route that answers at once, with this limit; `more` stands beside it. */
function limited(rateLimit: object, more: object = {}) {
	return testGateway({
		routes: { "GET /x": { rateLimit, respond: "ok", ...more } },
	});
}

describe("a rate limit", () => {
	it("lets as many through at once as it says, and one more for each part of the time", async () => {
		const { ask, clock } = limited({ limit: 3, per: "1m" });
		const left = [];
		for (let count = 0; count < 3; count++) {
			left.push((await ask("/x")).header("ratelimit"));
		}
		assert.deepEqual(left, [
			'"route";r=2;t=20',
			'"route";r=1;t=40',
			'"route";r=0;t=60',
		]);
		const refused = await ask("/x");
		assert.equal(refused.status, 429);
		assert.equal(refused.code, "too_many_requests");
		assert.equal(refused.header("retry-after"), "20");
		assert.equal(refused.header("ratelimit"), '"route";r=0;t=60');
		assert.equal(refused.header("ratelimit-policy"), '"route";q=3;w=60');
		await clock.advance(19_000);
		assert.equal((await ask("/x")).header("retry-after"), "1");
		await clock.advance(1_000);
		assert.equal((await ask("/x")).status, 200);
		assert.equal((await ask("/x")).status, 429);
		await clock.advance(60_000);
		assert.equal((await ask("/x")).header("ratelimit"), '"route";r=2;t=20');
	});

	it("says a whole time and not a second more, at whatever instant", async () => {
		const { ask, clock } = limited({ limit: 1, per: "1m" });
		for (let count = 0; count < 300; count++) {
			await clock.advance(60_000.1 + count / 7);
			const { header } = await ask("/x");
			assert.equal(header("ratelimit"), '"route";r=0;t=60', `${clock.now()}`);
		}
	});

	for (const limit of [1, 2, 3, 7, 9, 60, 97, 1000]) {
		it(`of ${limit} lets through exactly that many at once, and again when the time is over`, async () => {
			const { ask, clock } = limited({ limit, per: "1m" });
			await clock.advance(123_456.789);
			for (let round = 0; round < 2; round++) {
				for (let count = 0; count < limit; count++) {
					const { status, header } = await ask("/x");
					assert.equal(status, 200, `request ${count}`);
					const left = limit - count - 1;
					assert.match(String(header("ratelimit")), new RegExp(`;r=${left};`));
				}
				assert.equal((await ask("/x")).status, 429);
				await clock.advance(60_000);
			}
		});
	}

	it("counts no request it refuses: who asks on is not locked out for longer", async () => {
		const { ask, clock } = limited({ limit: 1, per: "10s" });
		assert.equal((await ask("/x")).status, 200);
		for (let second = 0; second < 9; second++) {
			await clock.advance(1_000);
			assert.equal((await ask("/x")).status, 429);
		}
		await clock.advance(1_000);
		assert.equal((await ask("/x")).status, 200);
	});

	it("tells of itself on answers of any status, and of both limits where there are two", async () => {
		const { ask } = testGateway({
			rateLimit: { limit: 4, per: "1h" },
			routes: {
				"GET /x": {
					request: { query: { n: { type: "integer" } } },
					rateLimit: { limit: 2, per: "10s" },
					respond: "ok",
				},
			},
		});
		const invalid = await ask("/x?n=a");
		assert.equal(invalid.status, 400);
		assert.equal(
			invalid.header("ratelimit-policy"),
			'"gateway";q=4;w=3600, "route";q=2;w=10',
		);
		assert.equal(
			invalid.header("ratelimit"),
			'"gateway";r=3;t=900, "route";r=1;t=5',
		);
		const nowhere = await ask("/nowhere");
		assert.equal(nowhere.status, 404);
		assert.equal(nowhere.header("ratelimit"), '"gateway";r=2;t=1800');
		assert.equal((await ask("/x?n=1")).status, 200);
		assert.equal((await ask("/x?n=1")).code, "too_many_requests");
		const all = await ask("/nowhere");
		assert.equal(all.code, "too_many_requests");
		assert.equal(all.header("retry-after"), "900");
	});

	it("holds for a proxied route too, and asks its upstream nothing beyond", async () => {
		await using files = await startUpstream((_, response) =>
			json(response, "file"),
		);
		const config = {
			upstreams: { files: { url: files.url } },
			routes: {
				"ANY /files/{rest*}": {
					rateLimit: { limit: 1, per: "1m" },
					proxy: "files/{rest*}",
				},
			},
		};
		await using gateway = await serve(config, {}, virtualClock());
		const passed = await gateway.get("/files/a");
		assert.equal(passed.json, "file");
		assert.equal(passed.headers["ratelimit"], '"route";r=0;t=60');
		const body = "x".repeat(100_000);
		const refused = await gateway.get("/files/b", { method: "POST", body });
		assert.equal(refused.status, 429);
		assert.equal(refused.headers["retry-after"], "60");
		assert.equal(files.seen.length, 1);
	});

	it("says nothing where there is none", async () => {
		const { ask } = testGateway({ routes: { "GET /x": { respond: "ok" } } });
		const { header } = await ask("/x");
		assert.equal(header("ratelimit"), null);
		assert.equal(header("ratelimit-policy"), null);
	});

	it("is looked at before the body is read and before any step runs", async () => {
		const { gateway, calls, clock } = testGateway({
			upstreams: { users: { url: "http://users.test" } },
			routes: {
				"POST /x": {
					request: { body: { type: "object" } },
					rateLimit: { limit: 1, per: "1m" },
					steps: { made: { post: "users/x", body: {} } },
				},
			},
		});
		let read = 0;
		const ask = async () => {
			const answer = gateway.handle({
				method: "POST",
				target: "/x",
				id: "1",
				headers: ["content-type", "application/json"],
				ip: "192.0.2.1",
				arrivedMs: 0,
				memory: new RequestMemory(gateway.memory),
				async readBody() {
					read++;
					return new TextEncoder().encode("{}");
				},
				streamBody: () => null,
			});
			await clock.settle();
			return answer;
		};
		assert.equal((await ask()).status, 200);
		assert.equal((await ask()).status, 429);
		assert.deepEqual([read, calls.length], [1, 1]);
	});
});

describe("a list of rate limits", () => {
	const keyed = {
		request: { headers: { "x-api-key?": { type: "string" } } },
	};
	const both = [
		{ limit: 3, per: "1m" },
		{ limit: 2, per: "1s", by: "${headers.x_api_key ?? request.ip}" },
	];

	function listed(rateLimit: object) {
		const { ask, clock } = limited(rateLimit, keyed);
		const asked = (key: string) => ask("/x", { headers: ["x-api-key", key] });
		return { asked, clock };
	}

	it("is not evaded by a new key with each request, as one limit by that key is", async () => {
		const alone = listed(both[1] as object);
		for (let key = 0; key < 50; key++) {
			assert.equal((await alone.asked(`${key}`)).status, 200);
		}
		const { asked } = listed(both);
		const statuses = [];
		for (let key = 0; key < 5; key++) {
			statuses.push((await asked(`${key}`)).status);
		}
		assert.deepEqual(statuses, [200, 200, 200, 429, 429]);
	});

	it("holds each limit, says of each what is left, and when all let a request through again", async () => {
		const { asked, clock } = listed(both);
		const first = await asked("a");
		assert.equal(
			first.header("ratelimit-policy"),
			'"route";q=3;w=60, "route-2";q=2;w=1',
		);
		assert.equal(
			first.header("ratelimit"),
			'"route";r=2;t=20, "route-2";r=1;t=1',
		);
		assert.equal((await asked("a")).status, 200);
		const refused = await asked("a");
		assert.equal(refused.code, "too_many_requests");
		assert.equal(refused.header("retry-after"), "1");
		assert.equal((await asked("b")).status, 200);
		assert.equal((await asked("a")).header("retry-after"), "20");
		await clock.advance(20_000);
		assert.equal((await asked("a")).status, 200);
	});

	it("counts a request that one limit refuses to none of the others", async () => {
		const { asked, clock } = listed([
			{ limit: 1, per: "1h", by: "${headers.x_api_key}" },
			{ limit: 3, per: "1h" },
		]);
		assert.equal((await asked("a")).status, 200);
		for (let count = 0; count < 9; count++) {
			const refused = await asked("a");
			assert.equal(refused.status, 429);
			assert.match(String(refused.header("ratelimit")), /"route-2";r=2;t=1200/);
		}
		assert.equal((await asked("b")).status, 200);
		assert.equal((await asked("c")).status, 200);
		const full = await asked("d");
		assert.equal(full.status, 429);
		assert.match(String(full.header("ratelimit")), /^"route";r=1;t=0, /);
		await clock.advance(1_200_000);
		assert.equal((await asked("d")).status, 200);
	});

	it("remembers no key of a request that another limit refuses", async () => {
		const route = {
			...keyed,
			rateLimit: [
				{ limit: 1, per: "1h", by: "${headers.x_api_key}" },
				{ limit: 3, per: "1h" },
			],
			respond: "ok",
		};
		// So many limits that each remembers a thousand keys.
		const { ask } = testGateway({
			routes: Object.fromEntries(
				Array.from({ length: 50 }, (_, at) => [`GET /x${at}`, route]),
			),
		});
		const asked = (key: string) => ask("/x0", { headers: ["x-api-key", key] });
		assert.equal((await asked("mine")).status, 200);
		assert.equal((await asked("other")).status, 200);
		assert.equal((await asked("third")).status, 200);
		for (let key = 0; key < 1_500; key++) await asked(`flood ${key}`);
		const again = await asked("mine");
		assert.match(String(again.header("ratelimit")), /^"route";r=0;/);
	});

	it("stands on the gateway too, before the route's own", async () => {
		const { ask } = testGateway({
			rateLimit: [
				{ limit: 9, per: "1m" },
				{ limit: 8, per: "1m", by: "all" },
			],
			routes: {
				"GET /x": { rateLimit: { limit: 7, per: "1m" }, respond: "ok" },
			},
		});
		assert.equal(
			(await ask("/x")).header("ratelimit-policy"),
			'"gateway";q=9;w=60, "gateway-2";q=8;w=60, "route";q=7;w=60',
		);
	});

	it("has at least one, and at most eight", () => {
		const of = (count: number) =>
			problemsOf(
				`rateLimit: [${Array.from({ length: count }, () => "{ limit: 1, per: 1m }")}]
routes: { GET /x: { respond: 1 } }`,
			);
		assert.deepEqual(of(1), []);
		assert.deepEqual(of(8), []);
		for (const count of [0, 9]) {
			assert.match(
				String(of(count)),
				/takes a map with `limit`, `per`, or a list of 1 to 8 such maps/,
			);
		}
	});

	const chosen = "{ limit: 1, per: 1m, by: '${headers.k ?? request.ip}' }";
	const byPath = "{ limit: 1, per: 1m, by: '${request.path}' }";
	const byAddress = "{ limit: 1, per: 1m }";
	const warned: [gateway: string, route: string, count: number][] = [
		[byAddress, byAddress, 0],
		[byAddress, chosen, 0],
		[`[${chosen}, ${byAddress}]`, chosen, 0],
		[byAddress, `[${chosen}, ${byPath}]`, 0],
		["{ limit: 1, per: 1m, by: all }", chosen, 0],
		[chosen, byAddress, 1],
		[byPath, byAddress, 1],
		[chosen, `[${chosen}, ${byAddress}]`, 1],
		[chosen, chosen, 2],
	];
	for (const [gateway, route, count] of warned) {
		it(`gives ${count} warnings where the gateway has ${gateway} and a route ${route}`, () => {
			const problems = problemsOf(`
rateLimit: ${gateway}
routes:
  GET /x:
    request: { headers: { k?: { type: string } } }
    rateLimit: ${route}
    respond: 1
`);
			assert.equal(problems.length, count, problems.join("\n"));
			for (const problem of problems) {
				assert.match(problem, /warning: nobody is limited who sends another `/);
			}
		});
	}
});

describe("whom a request is counted to", () => {
	const once = { limit: 1, per: "1m" as const };

	async function statusOf(
		gateway: ReturnType<typeof createGateway>,
		request: { ip?: string; headers?: string[]; target?: string },
	): Promise<number> {
		const { target = "/x", ...rest } = request;
		return (await gateway.handle({ method: "GET", target, ...rest })).status;
	}

	function gatewayBy(by: string | undefined, request: object = {}) {
		return createGateway(
			{
				routes: {
					"GET /x": {
						request,
						rateLimit: by === undefined ? once : { ...once, by },
						respond: "ok",
					},
				},
			},
			{ clock: virtualClock() },
		);
	}

	it("is its address by default, of IPv6 the network of 64 bits", async () => {
		const gateway = gatewayBy(undefined);
		const asked: [ip: string, status: number][] = [
			["192.0.2.1", 200],
			["192.0.2.2", 200],
			["192.0.2.1", 429],
			["2001:db8:0:1::1", 200],
			["2001:db8:0:1:ffff::1", 429],
			["2001:db8:0:2::1", 200],
			["::ffff:192.0.2.1", 429],
		];
		for (const [ip, status] of asked) {
			assert.equal(await statusOf(gateway, { ip }), status, ip);
		}
	});

	it("is its network too where `by` says more", async () => {
		const gateway = gatewayBy("${request.ip} ${request.method}");
		assert.equal(await statusOf(gateway, { ip: "2001:db8::1" }), 200);
		assert.equal(await statusOf(gateway, { ip: "2001:db8::2" }), 429);
		assert.equal(await statusOf(gateway, { ip: "2001:db9::2" }), 200);
	});

	it("is what `by` makes of the request as the route declares it", async () => {
		const gateway = gatewayBy("${headers.x_api_key ?? request.ip}", {
			headers: { "x-api-key?": { type: "string", maxLength: 10 } },
		});
		const asked: [key: string | null, ip: string, status: number][] = [
			["a", "192.0.2.1", 200],
			["b", "192.0.2.1", 200],
			["a", "192.0.2.2", 429],
			[null, "192.0.2.2", 200],
			[null, "192.0.2.2", 429],
			["longer than ten", "192.0.2.2", 400],
		];
		for (const [key, ip, status] of asked) {
			const headers = key === null ? [] : ["X-Api-Key", key];
			assert.equal(await statusOf(gateway, { headers, ip }), status);
		}
	});

	it("is a parameter of the path, of the query, or a cookie", async () => {
		for (const [by, one, other] of [
			["${params.id}", "/1", "/2"],
			["${query.k}", "/1?k=1", "/1?k=2"],
			["${cookies.s}", "/1", "/2"],
		] as const) {
			const gateway = createGateway({
				routes: {
					"GET /{id}": {
						request: {
							query: { "k?": { type: "integer" } },
							cookies: { "s?": { type: "string" } },
						},
						rateLimit: { ...once, by },
						respond: "ok",
					},
				},
			});
			const headersOf = (target: string) => ["cookie", `s=${target.slice(1)}`];
			const ask = (target: string) =>
				statusOf(gateway, { target, headers: headersOf(target) });
			assert.deepEqual(
				[await ask(one), await ask(one), await ask(other)],
				[200, 429, 200],
				by,
			);
		}
	});

	it("is nobody where it is null: such a request is refused", async () => {
		const gateway = gatewayBy("${query.k}", {
			query: { "k?": { type: "string" } },
		});
		const answer = await gateway.handle({ method: "GET", target: "/x" });
		assert.equal(answer.status, 400);
		assert.match(String(answer.body), /reference_missing/);
		assert.equal(await statusOf(gateway, { target: "/x?k=" }), 200);
	});

	it("is everybody where `by` is a text without an expression", async () => {
		const gateway = gatewayBy("all");
		assert.equal(await statusOf(gateway, { ip: "192.0.2.1" }), 200);
		assert.equal(await statusOf(gateway, { ip: "192.0.2.2" }), 429);
	});

	it("is read undeclared on the gateway, and is one text where it is given twice", async () => {
		const gateway = createGateway({
			rateLimit: { ...once, by: "${headers.x_api_key ?? query.key}" },
			routes: { "GET /x": { respond: "ok" } },
		});
		const asked: [headers: string[], target: string, status: number][] = [
			[["X-API-Key", "a"], "/x", 200],
			[["x-api-key", "a"], "/x", 429],
			[[], "/x?key=b", 200],
			[[], "/x?key=b", 429],
			[[], "/x", 400],
			[["x-api-key", "c", "x-api-key", "d"], "/x", 200],
			[["x-api-key", "c, d"], "/x", 429],
		];
		for (const [headers, target, status] of asked) {
			assert.equal(await statusOf(gateway, { headers, target }), status);
		}
	});

	it("cannot be chosen by a header that no trusted proxy wrote", async () => {
		const rateLimit = { limit: 1, per: "1m" };
		const routes = { "GET /x": { respond: "ok" } };
		const elsewhere = {
			trustedProxies: ["10.0.0.0/8"],
			addressHeader: "x-forwarded-for",
		};
		for (const server of [{}, elsewhere]) {
			await using gateway = await serve({ rateLimit, routes, server });
			const forged = (n: number) => ({
				headers: {
					"x-forwarded-for": `198.51.100.${n}`,
					forwarded: `for=198.51.100.${n}`,
				},
			});
			assert.equal((await gateway.get("/x", forged(1))).status, 200);
			assert.equal((await gateway.get("/x", forged(2))).status, 429);
		}
		const server = {
			trustedProxies: ["127.0.0.1"],
			addressHeader: "x-forwarded-for",
		};
		await using behind = await serve({ rateLimit, routes, server });
		// What stands left of the last address, the client wrote.
		const through = (client: string, forged: string) =>
			behind.get("/x", {
				headers: { "x-forwarded-for": `${forged}, ${client}` },
			});
		assert.equal((await through("192.0.2.1", "198.51.100.1")).status, 200);
		assert.equal((await through("192.0.2.1", "198.51.100.2")).status, 429);
		assert.equal((await through("192.0.2.2", "198.51.100.1")).status, 200);
	});
});

describe("a client whom no trusted proxy names", () => {
	const server = {
		trustedProxies: ["127.0.0.1"],
		addressHeader: "x-forwarded-for",
	};
	const rateLimit = { limit: 1, per: "1h" as const };

	it("is counted with all others like it, and not with the proxy or another client", async () => {
		const routes = { "GET /x": { rateLimit, respond: "${request.ip}" } };
		await using gateway = await serve({ server, routes });
		const ask = (headers: Record<string, string>) =>
			gateway.get("/x", { headers });
		assert.equal((await ask({ "x-forwarded-for": "x" })).json, "unknown");
		for (const headers of [
			{},
			{ "x-forwarded-for": "127.0.0.1" },
			{ "x-forwarded-for": "y, unknown" },
			{ forwarded: "for=192.0.2.1" },
		]) {
			assert.equal((await ask(headers)).status, 429);
		}
		const known = { "x-forwarded-for": "192.0.2.1,", forwarded: "x" };
		assert.equal((await ask(known)).json, "192.0.2.1");
		assert.equal((await ask(known)).status, 429);
	});

	it("is whom a program gives no address, or an empty one", async () => {
		const routes = { "GET /x": { rateLimit, respond: "${request.ip}" } };
		const gateway = createGateway({ routes });
		const { fetch } = gateway;
		const asked = () => new Request("http://x.test/x");
		assert.equal(await (await fetch(asked())).json(), "unknown");
		assert.equal((await fetch(asked(), { ip: "" })).status, 429);
		assert.equal((await fetch(asked(), { ip: "192.0.2.1" })).status, 200);
		const plain = { method: "GET", target: "/x" };
		assert.equal((await gateway.handle(plain)).status, 429);
		assert.equal((await gateway.handle({ ...plain, ip: "" })).status, 429);
		await gateway.close();
	});
});

describe("the memory of a rate limit", () => {
	setFlagsFromString("--expose-gc");
	const collect = runInNewContext("gc") as () => void;

	function heapInUse(): number {
		collect();
		return process.memoryUsage().heapUsed;
	}

	function flooded(routes: number, by = "${headers.k}") {
		const clock = virtualClock();
		const rateLimit = {
			limit: 1,
			per: "1h" as const,
			by,
		};
		const request = { headers: { k: { type: "string" as const } } };
		const gateway = createGateway(
			{
				routes: Object.fromEntries(
					Array.from({ length: routes }, (_, at) => [
						`GET /x${at}`,
						{ request, rateLimit, respond: "ok" },
					]),
				),
			},
			{ clock },
		);
		const ask = async (key: string) =>
			(
				await gateway.handle({
					method: "GET",
					target: "/x0",
					headers: ["k", key],
				})
			).status;
		return { ask, clock };
	}

	it("is bounded: of a flood of keys those used least lately are forgotten", async () => {
		const { ask } = flooded(100);
		assert.equal(await ask("first"), 200);
		assert.equal(await ask("second"), 200);
		for (let key = 0; key < 499; key++) await ask(String(key));
		assert.equal(await ask("first"), 429);
		for (let key = 500; key < 999; key++) await ask(String(key));
		assert.equal(await ask("first"), 429, "was asked for all the time");
		assert.equal(await ask("second"), 200, "was forgotten");
	});

	it("holds no more than a few bytes for each key, however long it is", async () => {
		const { ask } = flooded(1);
		const long = "k".repeat(14_000);
		assert.equal(await ask(`${long}1`), 200);
		assert.equal(await ask(`${long}1`), 429);
		assert.equal(await ask(`${long}2`), 200);
		const before = heapInUse();
		for (let key = 0; key < 5_000; key++) await ask(long + key);
		// Kept whole they would be 70 MB.
		const more = heapInUse() - before;
		assert.ok(more < 10e6, `${more} bytes`);
		assert.equal(await ask(`${long}1`), 429);
	});

	it("holds nothing of a header field but the part that is the key", async () => {
		const { ask } = flooded(1, "${headers.k.slice(14000)}");
		const long = "k".repeat(14_000);
		const keyOf = (at: number) => String(at).padStart(20, "0");
		const before = heapInUse();
		for (let at = 0; at < 5_000; at++) await ask(long + keyOf(at));
		const more = heapInUse() - before;
		assert.ok(more < 10e6, `${more} bytes`);
		assert.equal(await ask(`other${long.slice(5)}${keyOf(7)}`), 429);
	});

	it("forgets nothing in time: a limit holds for as long as it says", async () => {
		const { ask, clock } = flooded(1);
		assert.equal(await ask("a"), 200);
		await clock.advance(3_599_000);
		assert.equal(await ask("b"), 200);
		assert.equal(await ask("a"), 429);
		await clock.advance(1_000);
		assert.equal(await ask("a"), 200);
		await clock.advance(3_599_000);
		assert.equal(await ask("a"), 429);
		await clock.advance(1_000);
		assert.equal(await ask("c"), 200);
		assert.equal(await ask("a"), 200);
	});

	it("forgets nothing of one whose last request is not made up for, whoever else comes", async () => {
		const { ask, clock } = flooded(1);
		const minute = 60_000;
		const asked: [atMs: number, key: string, status: number][] = [
			[0, "first", 200],
			[29 * minute, "a", 200],
			[30 * minute, "b", 200],
			[60 * minute, "c", 200],
			[61 * minute, "a", 429],
			[88 * minute, "a", 429],
			[89 * minute, "a", 200],
			[120 * minute, "d", 200],
			[148 * minute, "a", 429],
			[149 * minute, "a", 200],
		];
		for (const [atMs, key, status] of asked) {
			await clock.advance(atMs - clock.now());
			assert.equal(await ask(key), status, `${key} at ${atMs / minute} min`);
		}
	});

	it("tells apart what differs in half a surrogate pair only", async () => {
		const clock = virtualClock();
		const gateway = createGateway(
			{
				routes: {
					"GET /x": {
						request: { query: { k: { type: "string" } } },
						rateLimit: { limit: 1, per: "1h", by: "${query.k.slice(1)}" },
						respond: "ok",
					},
				},
			},
			{ clock },
		);
		const ask = async (text: string) =>
			(
				await gateway.handle({
					method: "GET",
					target: `/x?k=${encodeURIComponent(text)}`,
				})
			).status;
		assert.equal(await ask("🦊"), 200);
		assert.equal(await ask("🦊"), 429);
	});
});

describe("a network", () => {
	const networks: [address: string, network: string][] = [
		["192.0.2.1", "192.0.2.1"],
		["", ""],
		["unix", "unix"],
		["::1", "0:0:0:0::/64"],
		["::", "0:0:0:0::/64"],
		["2001:db8::", "2001:db8:0:0::/64"],
		["2001:DB8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
		["2001:db8:1::5:6", "2001:db8:1:0::/64"],
		["64:ff9b::192.0.2.1", "64:ff9b:0:0::/64"],
		["::ffff:192.0.2.1", "192.0.2.1"],
		["not:an:address", "not:an:address"],
	];
	for (const [address, network] of networks) {
		it(`of ${address || "nothing"} is ${network || "nothing"}`, () => {
			assert.equal(networkOf(address), network);
		});
	}
});

describe("a rate limit's config", () => {
	const faults: [rateLimit: string, message: RegExp][] = [
		["{ per: 1m }", /`limit` is missing in `rateLimit`/],
		["{ limit: 1 }", /`per` is missing in `rateLimit`/],
		["{ limit: 0, per: 1m }", /`limit` takes a whole number from 1 to/],
		["{ limit: 1, per: 1500ms }", /`per` takes a duration of whole seconds/],
		["{ limit: 1, per: 25h }", /`per` takes a duration of whole seconds/],
		["{ limit: 1, per: 1m, key: x }", /unknown key `key` in `rateLimit`/],
		['{ limit: 1, per: 1m, by: "${user}" }', /`user` is not there yet/],
		['{ limit: 1, per: 1m, by: "${body.a}" }', /`body` is not there yet/],
		['{ limit: 1, per: 1m, by: "${request.id}" }', /no two requests/],
		['{ limit: 1, per: 1m, by: "${request}" }', /no two requests/],
		['{ limit: 1, per: 1m, by: "${headers.key}" }', /is not declared/],
		["{ limit: 1, per: 1m, by: null }", /`by` takes a text/],
	];
	for (const [rateLimit, message] of faults) {
		it(`is refused where it is ${rateLimit}`, () => {
			const problems = problemsOf(`
upstreams: { users: { url: "http://users.test" } }
routes:
  GET /x:
    request: { body: { type: object, properties: { a: { type: string } } } }
    rateLimit: ${rateLimit}
    steps: { user: { get: users/x } }
`);
			assert.equal(problems.length, 1, problems.join("\n"));
			assert.match(problems[0] ?? "", message);
		});
	}

	it("on the gateway reads nothing without a name", () => {
		const problems = problemsOf(`
rateLimit: { limit: 1, per: 1m, by: "\${headers} \${params.id}" }
routes: { GET /x: { respond: 1 } }
`);
		assert.equal(problems.length, 1);
		assert.match(problems[0] ?? "", /unknown name `params`/);
		const [whole] = problemsOf(`
rateLimit: { limit: 1, per: 1m, by: "\${headers}" }
routes: { GET /x: { respond: 1 } }
`);
		assert.match(whole ?? "", /write which one, such as `headers.user`/);
	});
});
