import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import {
	createApiKey,
	hashOfPassword,
} from "../../src/config/keys/auth-hash.ts";
import { testGateway } from "../kit/gateway.ts";
import {
	askThrough,
	audience,
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

const gateway = testGateway({
	server: {
		cors: { origins: ["https://app.test"], credentials: true },
	},
	auth: {
		cookie: { jwt: { ...jwt, from: { cookie: "session" } } },
		bearer: { jwt },
		staff: {
			basic: {
				list: [
					{
						name: "ada",
						hash: hashOfPassword("secret", { N: 2 ** 14, r: 8, p: 1 }),
					},
				],
			},
		},
		partners: { keys: { list: [{ name: "acme", hash: apiKey.hash }] } },
	},
	defaults: { auth: ["cookie", "bearer", "staff", "partners"] },
	upstreams: { api: { url: "http://api.test" } },
	routes: {
		"POST /x": { respond: "${auth.by}" },
		"DELETE /x": { respond: "${auth.by}" },
		"GET /x": { respond: "${auth.by}" },
		"GET /writes": { steps: { a: { post: "api/a" } }, respond: "${auth.by}" },
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
