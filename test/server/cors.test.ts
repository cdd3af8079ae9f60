import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { type ServedGateway, serve } from "../kit/serve.ts";

const page = "https://app.example.com";

let served: ServedGateway | null = null;

afterEach(() => served?.[Symbol.asyncDispose]());

async function serveWith(cors: string, more = ""): Promise<ServedGateway> {
	served = await serve(`
server: { ${cors}${more} }
routes:
  GET /x: { respond: 1, headers: { vary: accept, access-control-allow-origin: "*" } }
  POST /x: { request: { body: { type: object } }, respond: "\${body}" }
`);
	return served;
}

const plain = `cors: { origins: ['${page}', 'http://localhost:3000'] }`;
const full = `cors: { origins: ['${page}'], methods: [GET, PUT], headers: [Content-Type, X-Token], credentials: true, maxAge: 90s }`;

/** The answer's fields that browsers judge. */
function judged({
	headers,
}: {
	readonly headers: object;
}): Record<string, unknown> {
	const all = Object.entries(headers);
	return Object.fromEntries(
		all
			.filter(([name]) => /^(access-control-|vary)/.test(name))
			.map(([name, value]) => [name.replace("access-control-", ""), value]),
	);
}

const exposed =
	"sluice-complete, sluice-missing, x-request-id, retry-after, ratelimit, ratelimit-policy, www-authenticate";
const preflightVary =
	"origin, access-control-request-method, access-control-request-headers";

function preflight(
	{ get }: ServedGateway,
	{
		origin = page,
		method = "PUT",
		headers,
	}: { origin?: string; method?: string; headers?: string } = {},
) {
	return get("/x", {
		method: "OPTIONS",
		headers: {
			origin,
			"access-control-request-method": method,
			...(headers === undefined
				? {}
				: { "access-control-request-headers": headers }),
		},
	});
}

describe("an answer to a page of another origin", () => {
	test("says nothing where nothing is configured", async () => {
		const { get } = await serveWith("");
		const answer = await get("/x", { headers: { origin: page } });
		// What the route itself says stays.
		assert.deepEqual(judged(answer), { vary: "accept", "allow-origin": "*" });
		assert.equal((await preflight(served as ServedGateway)).status, 405);
	});

	test("names its origin, alone, and what it may read", async () => {
		const { get } = await serveWith(plain);
		for (const origin of [page, "http://localhost:3000"]) {
			const answer = await get("/x", { headers: { origin } });
			assert.equal(answer.status, 200);
			assert.deepEqual(judged(answer), {
				"allow-origin": origin,
				"expose-headers": exposed,
				vary: "accept, origin",
			});
		}
	});

	test("does not name an origin that is not listed, character by character", async () => {
		const { get } = await serveWith(plain);
		for (const origin of [
			"https://evil.example",
			"http://app.example.com",
			`${page}:443`,
			`${page}.evil.example`,
			`${page}/`,
			"https://APP.example.com",
			"null",
			"",
			"*",
			`${page}, https://evil.example`,
		]) {
			const answer = await get("/x", { headers: { origin } });
			assert.equal(answer.status, 200);
			assert.deepEqual(judged(answer), { vary: "accept, origin" }, origin);
		}
		assert.deepEqual(judged(await get("/x")), { vary: "accept, origin" });
	});

	test("of a star is for one label there, and for nothing else", async () => {
		const { get } = await serveWith(
			"cors: { origins: ['https://*.example.com', 'http://*.a.test:3000', 'https://b.test'], credentials: true }",
		);
		const allowed = async (origin: string) =>
			judged(await get("/x", { headers: { origin } }))["allow-origin"];
		for (const origin of [
			"https://app.example.com",
			"https://a-1_b.example.com",
			"https://xn--e1afmkfd.example.com",
			"http://x.a.test:3000",
			"https://b.test",
		]) {
			assert.equal(await allowed(origin), origin);
		}
		for (const origin of [
			"https://example.com",
			"https://.example.com",
			"https://a.b.example.com",
			"https://evil.test/.example.com",
			"https://evil.test#.example.com",
			"https://evil.test:1.example.com",
			"https://u@evil.example.com",
			"https://APP.example.com",
			"http://app.example.com",
			"https://app.example.com:8443",
			"https://app.example.com.evil.test",
			"https://appexample.com",
			"https://*.example.com/",
			"http://x.a.test",
			"https://x.b.test",
		]) {
			assert.equal(await allowed(origin), undefined, origin);
		}
	});

	test("lets pages read the fields that `expose` lists, too", async () => {
		const { get } = await serveWith(
			`cors: { origins: ['${page}'], expose: [ETag, X-Total] }`,
		);
		const answer = await get("/x", { headers: { origin: page } });
		assert.equal(judged(answer)["expose-headers"], `${exposed}, etag, x-total`);
	});

	test("allows credentials where they are configured", async () => {
		const { get } = await serveWith(full);
		const answer = await get("/x", { headers: { origin: page } });
		assert.equal(judged(answer)["allow-credentials"], "true");
	});

	test("is for every page where all are allowed, never with credentials", async () => {
		const { get } = await serveWith('cors: { origins: ["*"] }');
		const answer = await get("/x", { headers: { origin: "https://any" } });
		assert.equal(judged(answer)["allow-origin"], "*");
		assert.equal(judged(answer)["allow-credentials"], undefined);
	});

	test("may be read also where it is a problem, the server's own included", async () => {
		const { get } = await serveWith(plain, ", maxBody: 10B, maxHeaders: 10");
		const many = Array.from({ length: 20 }, (_, at) => [`x-${at}`, "y"]);
		for (const [status, path, options] of [
			[404, "/nope", {}],
			[405, "/x", { method: "DELETE" }],
			[413, "/x", { method: "POST", body: '{"a":"0123456789"}' }],
			[431, "/x", { headers: Object.fromEntries(many) }],
			[417, "/x", { headers: { expect: "miracles" } }],
		] as const) {
			const { headers = {} } = options as { headers?: object };
			const answer = await get(path, {
				...options,
				headers: {
					origin: page,
					"content-type": "application/json",
					...headers,
				},
			});
			assert.equal(answer.status, status);
			assert.equal(judged(answer)["allow-origin"], page, String(status));
			assert.equal(judged(answer)["expose-headers"], exposed);
		}
	});
});

describe("a preflight", () => {
	test("is answered where origin, method and headers are allowed", async () => {
		const gateway = await serveWith(full);
		const answer = await preflight(gateway, {
			headers: "content-type,x-token",
		});
		assert.equal(answer.status, 204);
		assert.equal(answer.text, "");
		assert.deepEqual(judged(answer), {
			"allow-origin": page,
			"allow-methods": "GET, PUT",
			"allow-headers": "content-type, x-token",
			"allow-credentials": "true",
			"expose-headers": exposed,
			"max-age": "90",
			vary: preflightVary,
		});
		assert.deepEqual(gateway.ended, [], "the gateway was asked");
	});

	test("may ask for no header, or for names in any case and spacing", async () => {
		const gateway = await serveWith(full);
		for (const headers of [
			undefined,
			"",
			"X-TOKEN",
			" x-token , content-type ",
		]) {
			const answer = await preflight(
				gateway,
				headers === undefined ? {} : { headers },
			);
			assert.equal(answer.status, 204);
		}
	});

	test("for anything else is an OPTIONS like every other: 405, without permission", async () => {
		const gateway = await serveWith(full);
		for (const asked of [
			{ origin: "https://evil.example" },
			{ method: "DELETE" },
			{ method: "put" },
			{ method: "" },
			{ headers: "x-other" },
			{ headers: "x-token, x-other" },
		]) {
			const answer = await preflight(gateway, asked);
			assert.equal(answer.status, 405, JSON.stringify(asked));
			assert.equal(answer.headers.allow, "GET, HEAD, POST");
			assert.equal(judged(answer)["allow-methods"], undefined);
			assert.equal(judged(answer).vary, preflightVary);
		}
	});

	test("is one only with the method it asks for", async () => {
		const { get } = await serveWith(full);
		const headers = { origin: page };
		assert.equal((await get("/x", { method: "OPTIONS", headers })).status, 405);
		const asked = { ...headers, "access-control-request-method": "PUT" };
		assert.equal((await get("/x", { headers: asked })).status, 200);
	});

	test("is not remembered with a `maxAge` of 0s, and may ask for any method", async () => {
		const gateway = await serveWith(
			`cors: { origins: ['${page}'], methods: [QUERY, M-SEARCH], maxAge: 0s }`,
		);
		for (const method of ["QUERY", "M-SEARCH"]) {
			const answer = await preflight(gateway, { method });
			assert.equal(answer.status, 204);
			assert.equal(judged(answer)["max-age"], "0");
			assert.equal(judged(answer)["allow-methods"], "QUERY, M-SEARCH");
		}
	});

	test("may by default ask for what pages send without asking, and for JSON", async () => {
		const gateway = await serveWith(plain);
		const json = { method: "POST", headers: "content-type" };
		const answer = await preflight(gateway, json);
		assert.equal(answer.status, 204);
		assert.equal(judged(answer)["max-age"], "600");
		assert.equal((await preflight(gateway)).status, 405);
	});
});
