import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
	createApiKey,
	hashOfPassword,
} from "../../src/config/keys/auth-hash.ts";
import { summaryOf } from "../../src/telemetry/trail/shown-request.ts";
import { testGateway } from "../kit/gateway.ts";
import { linesOf } from "../kit/log.ts";
import {
	askThrough,
	bearer,
	claimsWith,
	createIssuerKey,
	issuer,
	signed,
} from "../kit/tokens.ts";

const own = createIssuerKey("own", "ES256");
const other = createIssuerKey("own", "ES256");
const old = createApiKey();
const unknown = createApiKey();

const password = "correct horse";
const basicOf = (pair: string) => [
	...["authorization", `Basic ${Buffer.from(pair).toString("base64")}`],
];

const expired = signed(own, claimsWith({ exp: 1_000_000_000, sub: "planted" }));
const forged = signed(other);
const elsewhere = signed(own, claimsWith({ aud: "https://planted.test" }));
const good = bearer(signed(own, claimsWith({ n: 7_654_321 })));

/** What a client sends, and why it is refused. */
const refused: readonly [
	path: string,
	headers: readonly string[],
	code: string,
	message: string,
][] = [
	["/me", [], "unauthorized", "users: there are none"],
	["/me", bearer(expired), "unauthorized", "users: the token has expired"],
	[
		...(["/me", bearer(forged), "unauthorized"] as const),
		"users: its signature is not of that key",
	],
	[
		...(["/me", bearer(elsewhere), "unauthorized"] as const),
		"users: its `aud` is not accepted",
	],
	[
		...(["/me", bearer("planted"), "unauthorized"] as const),
		"users: a signed token has three parts, this has 1",
	],
	[
		...(["/keyed", ["x-api-key", old.key], "unauthorized"] as const),
		"partners: the key of initech has expired; staff: there are none",
	],
	[
		...(["/keyed", ["x-api-key", unknown.key], "unauthorized"] as const),
		"partners: there is no such API key; staff: there are none",
	],
	[
		...(["/keyed", basicOf("ada:planted"), "unauthorized"] as const),
		"partners: there are none; staff: no such name and password",
	],
	["/never", good, "forbidden", "`require` does not hold"],
	[
		...(["/deep", good, "forbidden"] as const),
		"`require`: `auth.claims.n.includes('x')`: `auth.claims.n` is a number, and only texts and lists have `includes`",
	],
];

function gatewayWithDoors() {
	const jwt = {
		...{ issuer, audience: "https://api.test" },
		jwks: "https://login.test/keys",
	};
	const hash = hashOfPassword(password, { N: 2 ** 14, r: 8, p: 1 });
	return testGateway(
		{
			auth: {
				users: { jwt },
				partners: {
					keys: {
						list: [{ name: "initech", hash: old.hash, expires: "2020-01-01" }],
					},
				},
				staff: { basic: { list: [{ name: "ada", hash }] } },
			},
			routes: {
				"GET /me": { auth: "users", respond: 1 },
				"GET /keyed": { auth: ["partners", "staff"], respond: 1 },
				"GET /never": { auth: "users", require: "${false}", respond: 1 },
				"GET /deep": {
					...{ auth: "users", respond: 1 },
					require: "${auth.claims.n.includes('x')}",
				},
			},
		},
		() => ({ json: { keys: [own.jwk] } }),
	);
}

/** What nobody but the client may read: what it sent, and what the gateway does not say to clients. */
function assertHolds(text: string, headers: readonly string[]) {
	const sent = headers.filter((_, at) => at % 2 === 1);
	for (const value of [...sent, "planted", "7654321", password]) {
		const [, credentials = value] = value.split(" ");
		assert.ok(!text.includes(credentials), `${credentials} in ${text}`);
	}
}

describe("why a client was not let in", () => {
	for (const settings of [
		{ clientErrors: true },
		{ requests: "all" },
	] as const) {
		test(`stands in the log with ${JSON.stringify(settings)}, without what the client sent`, async () => {
			for (const [path, headers, code, message] of refused) {
				const gateway = gatewayWithDoors();
				const lines = linesOf(gateway.gateway, settings);
				const answer = await askThrough(gateway, path, { headers });
				const [line, ...others] = lines;
				assert.deepEqual(others, []);
				assert.deepEqual(
					[line?.words, line?.status, line?.code, line?.message, line?.faults],
					["request refused", answer.status, code, message, []],
				);
				assertHolds(JSON.stringify(line), headers);
			}
		});
	}

	test("stands in the last requests and in the history, and never in the answer", async () => {
		for (const [path, headers, code, message] of refused) {
			const gateway = gatewayWithDoors();
			const shown: unknown[] = [];
			gateway.gateway.events.trailEnded.push((end) =>
				shown.push(summaryOf(end, 0).error),
			);
			const answer = await askThrough(gateway, path, { headers });
			assert.deepEqual(shown, [{ code, message }]);
			const told = JSON.stringify([answer.headers, answer.json]);
			for (const words of message.split("; ")) {
				assert.ok(!told.includes(words.replace(/^\w+: /, "")), told);
			}
			assertHolds(told, headers);
		}
	});

	test("is no place for what other refusals quote", async () => {
		const gateway = testGateway({
			routes: {
				"GET /n": {
					request: { query: { n: { type: "integer" } } },
					respond: "${query.n}",
				},
			},
		});
		const lines = linesOf(gateway.gateway, { requests: "all" });
		await gateway.ask("/n?n=planted");
		assert.deepEqual(
			[lines[0]?.code, lines[0]?.message, lines[0]?.faults],
			["request_invalid", undefined, ["query.n"]],
		);
		assertHolds(JSON.stringify(lines), []);
	});
});
