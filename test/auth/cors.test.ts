import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createApiKey } from "../../src/config/keys/auth-hash.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";

const { key, hash } = createApiKey();
const origin = "https://app.test";

let gateway: ServedGateway;

before(async () => {
	gateway = await serve({
		server: {
			cors: {
				origins: [origin],
				headers: ["authorization"],
				methods: ["GET", "POST"],
			},
		},
		auth: {
			keys: { keys: { list: [{ name: "a", hash }], header: "authorization" } },
		},
		routes: { "GET /x": { auth: "keys", respond: 1 } },
	});
});

after(() => gateway[Symbol.asyncDispose]());

describe("a page of another origin", () => {
	test("is told without credentials that it may send them", async () => {
		const { status, headers } = await gateway.get("/x", {
			method: "OPTIONS",
			headers: {
				origin,
				"access-control-request-method": "GET",
				"access-control-request-headers": "authorization",
			},
		});
		assert.equal(status, 204);
		assert.equal(headers["access-control-allow-headers"], "authorization");
		assert.equal(headers["www-authenticate"], undefined);
	});

	test("can read that it needs credentials, and which", async () => {
		const { status, headers } = await gateway.get("/x", {
			headers: { origin },
		});
		assert.equal(status, 401);
		assert.equal(headers["access-control-allow-origin"], origin);
		assert.match(
			String(headers["access-control-expose-headers"]),
			/www-authenticate/,
		);
		assert.equal(headers["www-authenticate"], 'Bearer realm="keys"');
	});

	test("can read the answer if it has them", async () => {
		const { status, headers } = await gateway.get("/x", {
			headers: { origin, authorization: `Bearer ${key}` },
		});
		assert.equal(status, 200);
		assert.equal(headers["access-control-allow-origin"], origin);
		assert.match(String(headers.vary), /authorization/);
	});
});
