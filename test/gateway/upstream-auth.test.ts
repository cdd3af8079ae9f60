import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import { headerOf } from "../../src/core/http/headers.ts";
import {
	type AskOptions,
	hanging,
	type Reply,
	type SeenCall,
	type TestGateway,
	testGateway,
} from "../kit/gateway.ts";

/** As whom upstreams are asked: each way to fail has a row, then what holds when nothing fails. */

const env = { SECRET: "planted-client-secret", TOKEN: "a-bearer-token" };

/** What the token endpoint and the service answer, each to its n-th call, counted from 1. */
interface World {
	readonly token?: (n: number, call: SeenCall) => Reply;
	readonly service?: (n: number, call: SeenCall) => Reply;
	/** Lines of the upstream. */
	readonly upstream?: string;
	readonly auth?: string;
	readonly routes?: string;
}

const endpoint =
	'token: "https://id.test/token?tenant=1", client: shop, secret: "${env.SECRET}"';

const oneCall = `
  GET /x: { steps: { a: { get: api/a } }, respond: "\${a}" }
  POST /x: { steps: { a: { post: api/a } }, respond: "\${a}" }
`;

/** Issues `t1`, `t2` and so on, each good for an hour. */
const issues = (n: number): Reply => ({
	json: { access_token: `t${n}`, token_type: "Bearer", expires_in: 3600 },
});

function opened({
	token = issues,
	service = () => ({ json: "ok" }),
	upstream = "",
	auth = `oauth2: { ${endpoint} }`,
	routes = oneCall,
}: World = {}) {
	const counts = { token: 0, service: 0 };
	const all = testGateway(
		`
upstreams:
  api:
    url: https://api.test
    auth: { ${auth} }
    timeout: 1s
    ${upstream}
routes:${routes}`,
		(call) =>
			call.upstream === "api.auth"
				? token(++counts.token, call)
				: service(++counts.service, call),
		env,
	);
	return { ...all, counts };
}

type Opened = ReturnType<typeof opened>;

function tokenCalls({ calls }: Pick<TestGateway, "calls">): SeenCall[] {
	return calls.filter(({ upstream }) => upstream === "api.auth");
}

/** What the service was told of who asks, call by call. */
function told({ calls }: Pick<TestGateway, "calls">): (string | null)[] {
	return calls
		.filter(({ upstream }) => upstream === "api")
		.map(({ request }) => headerOf(request.headers, "authorization"));
}

/** The service takes this token alone. */
const takesOnly =
	(value: string) =>
	(_: number, { request }: SeenCall): Reply =>
		headerOf(request.headers, "authorization") === `Bearer ${value}`
			? { json: "ok" }
			: { status: 401, json: null };

function decisions({ gateway }: Pick<TestGateway, "gateway">): string[] {
	const made: string[] = [];
	gateway.events.policyDecided.push(({ policy, decision, reason }) => {
		made.push([policy, decision, reason ?? "-"].join(" "));
	});
	return made;
}

describe("a token endpoint that", () => {
	const unreachable = new GatewayError("upstream_unreachable", "refused");
	const tooLong = new GatewayError("upstream_invalid", "longer than `maxBody`");
	const issued = (members: object): Reply => ({
		json: { access_token: "t", token_type: "Bearer", ...members },
	});
	const rows: readonly (readonly [string, Reply, RegExp, number?])[] = [
		["cannot be reached", { error: unreachable }, /upstream_unreachable/],
		["hangs", hanging, /the endpoint: .*\(upstream_timeout\)/, 2000],
		["answers 500", { status: 500, text: "<h1>t" }, /answered 500$/],
		["answers 302", { status: 302 }, /answered 302$/],
		["answers too much", { error: tooLong }, /\(upstream_invalid\)/],
		["answers no JSON", { text: "<html>" }, /is no JSON/],
		["answers a list", { json: [] }, /is no JSON/],
		["answers null", { json: null }, /is no JSON/],
		["answers nothing", { text: "" }, /is no JSON/],
		["gives no token", { json: {} }, /has no `access_token`/],
		["gives a number as token", issued({ access_token: 1 }), /no `access_/],
		["gives an empty token", issued({ access_token: "" }), /no `access_token`/],
		[
			"gives a token of two lines",
			issued({ access_token: "a\r\nb: c" }),
			/stand/,
		],
		["gives a token with a space", issued({ access_token: "a b" }), /stand/],
		[
			"gives a huge token",
			issued({ access_token: "a".repeat(16_385) }),
			/cannot stand in a header/,
		],
		["gives another type", issued({ token_type: "mac" }), /not of the type/],
		["gives no type", issued({ token_type: undefined }), /not of the type/],
		["gives one that is over", issued({ expires_in: 0 }), /over when it came/],
		[
			"gives one that was over",
			issued({ expires_in: -9 }),
			/over when it came/,
		],
		["gives no time", issued({ expires_in: "soon" }), /is no number/],
		["gives a list of times", issued({ expires_in: [] }), /is no number/],
		[
			"does not know the client",
			{ status: 401, json: { error: "invalid_client" } },
			/answered 401 with invalid_client$/,
		],
		[
			"says an error of its own, which is not told",
			{ status: 400, json: { error: "planted", error_description: "planted" } },
			/answered 400$/,
		],
	];
	for (const [name, reply, words, atMs = 0] of rows) {
		test(`${name} fails the step with upstream_auth_failed, and the service is not asked`, async () => {
			const all = opened({ token: () => reply });
			const made = decisions(all);
			const answer = await all.ask("/x");
			assert.equal(answer.status, 502);
			assert.equal(answer.code, "upstream_auth_failed");
			assert.equal(answer.atMs, atMs);
			assert.match(all.ended[0]?.error?.message ?? "", words);
			assert.deepEqual(told(all), []);
			assert.deepEqual(made, [
				"auth waited -",
				"auth failed upstream_auth_failed",
			]);
			// Nothing of the secret, the token or the endpoint's words.
			const shown = answer.text + all.ended[0]?.error?.message;
			assert.doesNotMatch(shown, /planted|a b|<h1>/);
			assert.equal(all.ended[0]?.error?.cause, undefined);
		});
	}

	test("has failed is left alone for a second, and then asked again", async () => {
		const all = opened({
			token: (n) => (n === 1 ? { status: 503 } : issues(n)),
		});
		assert.equal((await all.ask("/x")).code, "upstream_auth_failed");
		await all.clock.advance(999);
		assert.equal((await all.ask("/x")).code, "upstream_auth_failed");
		assert.equal(all.counts.token, 1);
		assert.match(all.ended[1]?.error?.message ?? "", /503 \(a moment ago\)/);
		await all.clock.advance(1);
		assert.equal((await all.ask("/x")).status, 200);
		assert.equal(all.counts.token, 2);
	});

	test("is slow is waited for no longer than the route's deadline, which says for what", async () => {
		const all = opened({
			token: () => ({ ...issues(1), afterMs: 1500 }),
			routes: `
  GET /x: { deadline: 1s, steps: { a: { get: api/a } }, respond: "\${a}" }`,
		});
		const { answer } = all.send("/x");
		await all.clock.advance(1000);
		const { code, atMs } = await answer;
		assert.deepEqual([code, atMs], ["deadline_exceeded", 1000]);
		assert.match(
			all.ended[0]?.error?.message ?? "",
			/waited 1000 ms for a token for api/,
		);
		// The token comes all the same, and the next call has it.
		await all.clock.advance(500);
		assert.equal((await all.ask("/x")).status, 200);
		assert.equal(all.counts.token, 1);
		assert.deepEqual(told(all), ["Bearer t1"]);
	});

	test("says nothing of the time gives a token for an hour", async () => {
		const all = opened({ token: (n) => issued({ access_token: `t${n}` }) });
		await all.ask("/x");
		await all.clock.advance(3_600_000 - 1);
		await all.ask("/x");
		assert.deepEqual(told(all), ["Bearer t1", "Bearer t1"]);
		await all.clock.advance(1);
		await all.ask("/x");
		assert.equal(told(all)[2], "Bearer t2");
	});

	test("writes the time as a text, and the type in small letters, is understood", async () => {
		const all = opened({
			token: (n) =>
				issued({
					access_token: `t${n}`,
					token_type: "bearer",
					expires_in: "100",
				}),
		});
		await all.ask("/x");
		await all.clock.advance(99_999);
		await all.ask("/x");
		await all.clock.advance(1);
		await all.ask("/x");
		assert.deepEqual(told(all), ["Bearer t1", "Bearer t1", "Bearer t2"]);
	});

	test("has a clock of another century gives tokens that are good", async () => {
		const past = Buffer.from(JSON.stringify({ exp: 1, iat: 0 }));
		const jwt = `e30.${past.toString("base64url")}.e30`;
		const all = opened({
			token: () => ({
				...issued({ access_token: jwt, expires_in: 60 }),
				headers: ["date", "Thu, 01 Jan 1970 00:00:00 GMT"],
			}),
		});
		await all.ask("/x");
		await all.clock.advance(30_000);
		await all.ask("/x");
		assert.deepEqual(told(all), [`Bearer ${jwt}`, `Bearer ${jwt}`]);
		assert.equal(all.counts.token, 1);
	});
});

describe("a token", () => {
	test("is asked for as RFC 6749 says, before the first call", async () => {
		const all = opened({
			auth: `oauth2: { token: "https://id.test/a/token?tenant=1", client: "sh:op é", secret: "\${env.SECRET}", scope: "read write", audience: "https://api" }`,
		});
		assert.equal(tokenCalls(all).length, 0);
		await all.ask("/x");
		const [{ request, origin } = assert.fail()] = tokenCalls(all);
		assert.equal(origin, "https://id.test");
		assert.equal(request.method, "POST");
		assert.equal(request.target, "/a/token?tenant=1");
		assert.equal(
			request.body,
			"grant_type=client_credentials&scope=read+write&audience=https%3A%2F%2Fapi",
		);
		assert.equal(
			headerOf(request.headers, "authorization"),
			`Basic ${Buffer.from("sh%3Aop+%C3%A9:planted-client-secret").toString("base64")}`,
		);
		assert.equal(
			headerOf(request.headers, "content-type"),
			"application/x-www-form-urlencoded",
		);
	});

	test("is asked for with the secret in the body, if the author says so", async () => {
		const all = opened({ auth: `oauth2: { ${endpoint}, post: true }` });
		await all.ask("/x");
		const [{ request } = assert.fail()] = tokenCalls(all);
		assert.equal(
			request.body,
			"grant_type=client_credentials&client_id=shop&client_secret=planted-client-secret",
		);
		assert.equal(headerOf(request.headers, "authorization"), null);
	});

	test("is asked for once, however many calls wait for it", async () => {
		const all = opened({ token: (n) => ({ ...issues(n), afterMs: 50 }) });
		await all.ask("/x");
		await all.clock.advance(3_600_000);
		const sent = Array.from({ length: 1000 }, () => all.send("/x"));
		await all.settle();
		const answers = await Promise.all(sent.map(({ answer }) => answer));
		assert.ok(answers.every(({ status }) => status === 200));
		assert.equal(all.counts.token, 2);
		assert.equal(all.counts.service, 1001);
		assert.equal(told(all).filter((one) => one === "Bearer t2").length, 1000);
		all.assertNothingLeft();
	});

	test("is renewed when a tenth of its life is left, and nobody waits for that", async () => {
		const all = opened({
			token: (n) => ({
				json: { access_token: `t${n}`, token_type: "Bearer", expires_in: 100 },
				afterMs: n === 1 ? 0 : 500,
			}),
		});
		await all.ask("/x");
		await all.clock.advance(89_999);
		await all.ask("/x");
		assert.equal(all.counts.token, 1);
		await all.clock.advance(1);
		const { answer } = all.send("/x");
		await all.clock.advance(0);
		assert.equal((await answer).atMs, 90_000);
		assert.equal(all.counts.token, 2);
		await all.clock.advance(500);
		await all.ask("/x");
		assert.deepEqual(told(all), [
			...["Bearer t1", "Bearer t1", "Bearer t1"],
			"Bearer t2",
		]);
	});

	test("is used to its end if it cannot be renewed, with one try a second", async () => {
		const all = opened({
			token: (n) => (n === 1 ? issues(n) : { status: 500 }),
		});
		await all.ask("/x");
		await all.clock.advance(3_595_000);
		for (let time = 0; time < 5000; time += 100) {
			assert.equal((await all.ask("/x")).status, 200);
			await all.clock.advance(100);
		}
		assert.equal(all.counts.token, 1 + 5);
		assert.equal((await all.ask("/x")).code, "upstream_auth_failed");
	});

	test("goes on being asked for if the client that wanted it leaves, and ends no other's wait", async () => {
		const all = opened({ token: (n) => ({ ...issues(n), afterMs: 50 }) });
		const [first, second] = [all.send("/x"), all.send("/x")];
		await all.clock.advance(10);
		first.leave();
		await all.settle();
		assert.equal((await second.answer).status, 200);
		assert.equal((await first.answer).status, 499);
		assert.deepEqual([all.counts.token, all.counts.service], [1, 1]);
		all.assertNothingLeft();
	});

	test("is not needed for what the cache keeps, and is in no key of it", async () => {
		const all = opened({
			upstream: "cache: { for: 1h, stale: 1h }",
			token: (n) => (n === 1 ? issues(n) : { status: 500 }),
			service: () => ({ json: "ok", headers: ["cache-control", "max-age=60"] }),
		});
		await all.ask("/x");
		await all.ask("/x");
		assert.deepEqual([all.counts.token, all.counts.service], [1, 1]);
		// A stale answer stands in for one for which there is no token.
		await all.clock.advance(3_600_001);
		assert.equal((await all.ask("/x")).status, 200);
		assert.equal(all.counts.service, 1);
	});

	test("counts as no failure of the service if there is none", async () => {
		const all = opened({
			upstream: "breaker: { calls: 1 }",
			token: (n) => (n < 5 ? { status: 500 } : issues(n)),
		});
		for (let time = 0; time < 4; time++) {
			assert.equal((await all.ask("/x")).code, "upstream_auth_failed");
			await all.clock.advance(1000);
		}
		assert.equal((await all.ask("/x")).status, 200);
	});
});

describe("a 401 of the service", () => {
	test("is answered by another token and one more call, also of a write", async () => {
		for (const method of ["GET", "POST"]) {
			const all = opened({ service: takesOnly("t2") });
			const made = decisions(all);
			const answer = await all.ask("/x", { method });
			assert.equal(answer.status, 200);
			assert.deepEqual(told(all), ["Bearer t1", "Bearer t2"]);
			assert.deepEqual(made, ["auth waited -", "auth renewed upstream_status"]);
			assert.equal(all.callsEnded[0]?.trail.attempts.length ?? 2, 2);
		}
	});

	test("is the answer if it comes twice", async () => {
		const all = opened({ service: () => ({ status: 401 }) });
		const answer = await all.ask("/x");
		assert.equal(answer.code, "upstream_status");
		assert.deepEqual([all.counts.token, all.counts.service], [2, 2]);
	});

	test("of every call costs one token in ten seconds", async () => {
		const all = opened({ service: () => ({ status: 401 }) });
		for (let second = 0; second < 20; second++) {
			for (let call = 0; call < 5; call++) await all.ask("/x");
			await all.clock.advance(1000);
		}
		// The first, and one for each ten seconds.
		assert.equal(all.counts.token, 3);
		assert.equal(all.counts.service, 102);
	});

	test("of a thousand calls at once costs one token", async () => {
		const all = opened({
			token: (n) => ({ ...issues(n), afterMs: 20 }),
			service: (n, call) => ({ ...takesOnly("t2")(n, call), afterMs: 5 }),
		});
		const sent = Array.from({ length: 1000 }, () => all.send("/x"));
		await all.settle();
		const answers = await Promise.all(sent.map(({ answer }) => answer));
		assert.ok(answers.every(({ status }) => status === 200));
		assert.equal(all.counts.token, 2);
		assert.equal(all.counts.service, 2000);
		all.assertNothingLeft();
	});

	test("is the answer if there is no other token", async () => {
		const all = opened({
			token: (n) => (n === 1 ? issues(n) : { status: 500 }),
			service: () => ({ status: 401 }),
			routes: `
  GET /x: { steps: { a: { get: api/a, answers: { 401: "\${'no'}" } } }, respond: "\${a}" }`,
		});
		const answer = await all.ask("/x");
		assert.deepEqual([answer.status, answer.json], [200, "no"]);
		assert.equal(all.counts.service, 1);
	});

	test("is no reason to send a write again for which nobody waits", async () => {
		const all = opened({
			service: () => ({ status: 401, afterMs: 100 }),
			routes: `
  POST /x: { steps: { a: { post: api/a, within: 50ms, optional: true } }, respond: "\${a}" }`,
		});
		const answer = await all.ask("/x", { method: "POST" });
		assert.equal(answer.header("sluice-missing"), "a;error=upstream_timeout");
		assert.equal(all.counts.service, 1);
		all.assertNothingLeft();
	});

	test("of a request that is passed on is answered by another token, if it has no body", async () => {
		const routes = `
  ANY /p/{rest*}: { proxy: "api/{rest*}" }`;
		const all = opened({ routes, service: takesOnly("t2") });
		const answer = await all.ask("/p/x");
		assert.deepEqual([answer.status, answer.json], [200, "ok"]);
		assert.deepEqual(told(all), ["Bearer t1", "Bearer t2"]);
		all.assertNothingLeft();
		const refusing = opened({ routes, service: () => ({ status: 401 }) });
		assert.equal((await refusing.ask("/p/x")).status, 401);
		assert.equal(refusing.counts.service, 2);
		// And not again before ten seconds are over.
		assert.equal((await refusing.ask("/p/x")).status, 401);
		assert.deepEqual([refusing.counts.token, refusing.counts.service], [2, 3]);
		const without = opened({
			routes,
			token: (n) => (n === 1 ? issues(n) : { status: 500 }),
			service: () => ({ status: 401 }),
		});
		assert.equal((await without.ask("/p/x")).code, "upstream_auth_failed");
	});
});

const ada = { headers: ["authorization", "Bearer ada"] };
const bob = { headers: ["authorization", "Bearer bob"] };

describe("`exchange`", () => {
	const auth = `exchange: { ${endpoint}, audience: api }`;
	/** Gives a token that is named after the client's. */
	const exchanged = (_: number, { request }: SeenCall): Reply => {
		const subject = new URLSearchParams(request.body ?? "").get(
			"subject_token",
		);
		return {
			json: {
				access_token: `for-${subject}`,
				token_type: "Bearer",
				expires_in: 60,
			},
		};
	};

	test("gives each client a token for its own, and asks for each once", async () => {
		const all = opened({ auth, token: exchanged });
		for (const client of [ada, bob, ada, bob]) await all.ask("/x", client);
		assert.deepEqual(told(all), [
			...["Bearer for-ada", "Bearer for-bob"],
			...["Bearer for-ada", "Bearer for-bob"],
		]);
		assert.equal(all.counts.token, 2);
		const [{ request } = assert.fail()] = tokenCalls(all);
		assert.deepEqual(
			Object.fromEntries(new URLSearchParams(request.body ?? "")),
			{
				grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
				audience: "api",
				subject_token: "ada",
				subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
			},
		);
	});

	test("is 401 for a client without a token, with another scheme, or with two", async () => {
		const rows: readonly AskOptions[] = [
			{},
			{ headers: ["authorization", "Basic YTpi"] },
			{ headers: ["authorization", "Bearer"] },
			{ headers: ["authorization", "Bearer a b"] },
			{
				headers: [...ada.headers, ...bob.headers],
			},
		];
		for (const options of rows) {
			const all = opened({ auth, token: exchanged });
			const answer = await all.ask("/x", options);
			assert.equal(answer.status, 401);
			assert.equal(answer.code, "upstream_auth_failed");
			assert.equal(answer.header("www-authenticate"), "Bearer");
			assert.equal(all.calls.length, 0);
		}
	});

	test("is 401 for a client whose token the endpoint does not take, and 502 if the gateway is to blame", async () => {
		const rows = [
			[400, "invalid_request", 401],
			[400, "invalid_grant", 401],
			[400, "invalid_target", 401],
			[401, "invalid_client", 502],
			[400, "unauthorized_client", 502],
			[500, "invalid_grant", 502],
		] as const;
		for (const [status, error, expected] of rows) {
			const all = opened({ auth, token: () => ({ status, json: { error } }) });
			const answer = await all.ask("/x", ada);
			assert.equal(answer.status, expected, error);
			assert.equal(answer.code, "upstream_auth_failed");
		}
	});

	test("fails for one client alone", async () => {
		const all = opened({
			auth,
			token: (n, call) =>
				call.request.body?.includes("subject_token=ada")
					? { status: 400, json: { error: "invalid_grant" } }
					: exchanged(n, call),
		});
		assert.equal((await all.ask("/x", ada)).status, 401);
		assert.equal((await all.ask("/x", bob)).status, 200);
	});
});

describe("`pass`", () => {
	test("sends the client's own credentials, or none, whoever else says some", async () => {
		const all = opened({ auth: "pass: true" });
		await all.ask("/x", ada);
		await all.ask("/x", { headers: ["authorization", "Basic YTpi"] });
		await all.ask("/x");
		assert.deepEqual(told(all), ["Bearer ada", "Basic YTpi", null]);
	});

	test("of another request is never sent: a proxied one has its own", async () => {
		const all = opened({
			auth: "pass: true",
			routes: `
  GET /p/{rest*}: { proxy: "api/{rest*}" }`,
		});
		await all.ask("/p/x", ada);
		await all.ask("/p/x");
		assert.deepEqual(told(all), ["Bearer ada", null]);
	});
});

for (const auth of ["pass: true", `exchange: { ${endpoint} }`]) {
	describe(`with \`${auth.split(":", 1)[0]}\``, () => {
		/** Answers with the name of who asks. */
		const who = (_: number, { request }: SeenCall): Reply => ({
			json: headerOf(request.headers, "authorization"),
			headers: ["cache-control", "max-age=60"],
			afterMs: 10,
		});
		const token = (_: number, { request }: SeenCall): Reply => {
			const asked = new URLSearchParams(request.body ?? "");
			const access_token = String(asked.get("subject_token"));
			return { json: { access_token, token_type: "Bearer", expires_in: 60 } };
		};

		async function both(all: Opened, path = "/x") {
			const sent = [ada, bob, ada].map((client) => all.send(path, client));
			await all.settle();
			const answers = await Promise.all(sent.map(({ answer }) => answer));
			return answers.map(({ json }) => json);
		}
		const own = ["Bearer ada", "Bearer bob", "Bearer ada"];

		test("no shared call and no kept answer of one client is another's", async () => {
			for (const header of ["max-age=60", "public, max-age=60"]) {
				const all = opened({
					...{ auth, token },
					upstream: "cache: { for: 1m }\n    coalesce: true",
					service: (n, call) => ({
						...who(n, call),
						headers: ["cache-control", header],
					}),
				});
				assert.deepEqual(await both(all), own);
				assert.deepEqual(await both(all), own);
			}
		});

		test("an answer says that it is one client's", async () => {
			const all = opened({ auth, token, service: who });
			const answer = await all.ask("/x", ada);
			assert.equal(answer.header("cache-control"), "private");
			assert.equal(answer.header("vary"), "authorization");
			const kept = opened({
				...{ auth, token, service: who },
				upstream: "cache: true",
			});
			const { header } = await kept.ask("/x", ada);
			assert.equal(header("cache-control"), "no-store");
		});

		test("a function's calls are made as its client", async () => {
			const all = testGateway(
				{
					upstreams: {
						api: { url: "https://api.test", auth: { pass: true } },
					},
					routes: {
						"GET /x": {
							steps: {
								a: {
									run: async (
										_: unknown,
										{
											call,
										}: {
											call: (
												target: string,
												options: object,
											) => Promise<{ body: unknown }>;
										},
									) =>
										(await call("api/a", { headers: { authorization: "x" } }))
											.body,
								},
							},
							respond: "${a}",
						},
					},
				},
				(call) => who(0, call),
			);
			const sent = [ada, bob].map((client) => all.send("/x", client));
			await all.settle();
			const answers = await Promise.all(sent.map(({ answer }) => answer));
			assert.deepEqual(
				answers.map(({ json }) => json),
				["Bearer ada", "Bearer bob"],
			);
			assert.equal(answers[0]?.header("cache-control"), "private");
		});
	});
}

describe("`basic` and `bearer`", () => {
	test("are one `Authorization` for all calls, in place of any other", async () => {
		const rows = [
			[
				'basic: { user: "élan", password: "${env.SECRET}" }',
				`Basic ${Buffer.from("élan:planted-client-secret").toString("base64")}`,
			],
			['bearer: "${env.TOKEN}"', "Bearer a-bearer-token"],
		] as const;
		for (const [auth, value] of rows) {
			const all = opened({
				auth,
				routes: `${oneCall}  GET /p/{rest*}: { proxy: { to: "api/{rest*}", pass: [authorization] } }`,
			});
			await all.ask("/x", ada);
			await all.ask("/x", { ...bob, method: "POST" });
			await all.ask("/p/x", ada);
			assert.deepEqual(told(all), [value, value, value]);
		}
	});
});
